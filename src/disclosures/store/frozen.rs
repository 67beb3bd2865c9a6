//! Documents as they were frozen, and their hashes.

use sqlx::PgConnection;

use crate::{
    db::{CorruptRow, StoreError},
    disclosures::{document::Document, kind::Kind, version::Frozen},
    ids::DisclosureId,
};

fn frozen(
    id: DisclosureId,
    kind: &str,
    canonical: String,
    sha256: String,
) -> Result<Frozen, StoreError> {
    let corrupt = |problem| CorruptRow {
        table: "disclosure_documents",
        id: id.0,
        problem,
    };
    let kind: Kind = kind.parse().map_err(|_| corrupt("unknown kind"))?;
    let document: Document =
        serde_json::from_str(&canonical).map_err(|_| corrupt("a document that cannot be read"))?;
    Ok(Frozen {
        kind,
        canonical,
        sha256,
        document,
    })
}

/// The hash of a frozen document.
#[derive(Debug, Clone)]
pub(in super::super) struct Hash {
    pub(in super::super) version: DisclosureId,
    pub(in super::super) kind: Kind,
    pub(in super::super) sha256: String,
}

/// The hashes of the documents of these versions, in the order of kinds.
pub(in super::super) async fn hashes(
    conn: &mut PgConnection,
    versions: &[DisclosureId],
) -> Result<Vec<Hash>, StoreError> {
    let versions: Vec<_> = versions.iter().map(|version| version.0).collect();
    let rows = sqlx::query!(
        "SELECT disclosure_id, kind, sha256 FROM disclosure_documents WHERE disclosure_id = ANY($1)",
        &versions,
    )
    .fetch_all(conn)
    .await?;
    let mut found = rows
        .into_iter()
        .map(|row| {
            let kind = row.kind.parse().map_err(|_| CorruptRow {
                table: "disclosure_documents",
                id: row.disclosure_id,
                problem: "unknown kind",
            })?;
            Ok(Hash {
                version: DisclosureId(row.disclosure_id),
                kind,
                sha256: row.sha256,
            })
        })
        .collect::<Result<Vec<_>, CorruptRow>>()?;
    found.sort_by_key(|hash| Kind::ALL.iter().position(|kind| *kind == hash.kind));
    Ok(found)
}

/// One document as it was frozen.
pub(in super::super) async fn stored(
    conn: &mut PgConnection,
    id: DisclosureId,
    kind: Kind,
) -> Result<Option<Frozen>, StoreError> {
    let row = sqlx::query!(
        "SELECT kind, canonical, sha256 FROM disclosure_documents WHERE disclosure_id = $1 AND kind = $2",
        id.0,
        kind.name(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| frozen(id, &row.kind, row.canonical, row.sha256))
        .transpose()
}

/// All documents of a version as they were frozen.
pub(in super::super) async fn stored_all(
    conn: &mut PgConnection,
    id: DisclosureId,
) -> Result<Vec<Frozen>, StoreError> {
    let rows = sqlx::query!(
        "SELECT kind, canonical, sha256 FROM disclosure_documents WHERE disclosure_id = $1",
        id.0,
    )
    .fetch_all(conn)
    .await?;
    let mut found = rows
        .into_iter()
        .map(|row| frozen(id, &row.kind, row.canonical, row.sha256))
        .collect::<Result<Vec<_>, _>>()?;
    found.sort_by_key(|frozen| Kind::ALL.iter().position(|kind| *kind == frozen.kind));
    Ok(found)
}
