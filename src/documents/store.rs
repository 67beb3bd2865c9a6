//! The SQL of the index.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    find::{DocumentKey, Listed, Place, Search},
    index::{Part, format},
    term::Term,
};
use crate::{
    datasets::Format,
    db::{CorruptRow, MeterTx, StoreError},
    ids::{DatasetId, DatasetVersionId, FileId, InstitutionId},
    uploads::Document,
};

/// A file that this worker indexes.
pub(super) struct Claimed {
    pub(super) id: FileId,
    pub(super) format: Format,
    pub(super) object_key: String,
    pub(super) object_version: String,
}

/// Claims a verified file of a version that was not withdrawn and is not indexed, and empties what an earlier try left
/// of it. The version is kept from being withdrawn until this is committed: what a withdrawal lists is all there is.
pub(super) async fn claim(
    tx: &mut MeterTx,
    left_before: DateTime<Utc>,
) -> Result<Option<Claimed>, StoreError> {
    let now = tx.now();
    let row = sqlx::query!(
        r#"SELECT f.id, f.format, f.object_key, f.object_version FROM dataset_files f
           JOIN dataset_versions v ON v.id = f.dataset_version_id
           LEFT JOIN indexed_files i ON i.file_id = f.id
           WHERE f.state = 'ready' AND v.status <> 'withdrawn'
             AND (i.file_id IS NULL OR (i.indexed_at IS NULL AND i.claimed_at < $1))
           ORDER BY f.id LIMIT 1 FOR UPDATE OF f SKIP LOCKED FOR SHARE OF v SKIP LOCKED"#,
        left_before,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let corrupt = || CorruptRow {
        table: "dataset_files",
        id: row.id,
        problem: "ready, but not verified",
    };
    let claimed = Claimed {
        id: FileId(row.id),
        format: row.format.as_deref().and_then(format).ok_or_else(corrupt)?,
        object_key: row.object_key.clone(),
        object_version: row.object_version.clone().ok_or_else(corrupt)?,
    };
    empty(tx, claimed.id).await?;
    sqlx::query!(
        "INSERT INTO indexed_files (file_id, claimed_at) VALUES ($1, $2)
         ON CONFLICT (file_id) DO UPDATE SET claimed_at = EXCLUDED.claimed_at",
        claimed.id.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(Some(claimed))
}

async fn empty(tx: &mut MeterTx, file: FileId) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM document_words WHERE file_id = $1", file.0)
        .execute(tx.conn())
        .await?;
    sqlx::query!("DELETE FROM documents WHERE file_id = $1", file.0)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Takes a file out of the index with all its words. Who still writes for it waits, and finds it gone then.
pub(super) async fn remove(tx: &mut MeterTx, file: FileId) -> Result<(), StoreError> {
    sqlx::query!(
        "SELECT file_id FROM indexed_files WHERE file_id = $1 FOR UPDATE",
        file.0
    )
    .fetch_optional(tx.conn())
    .await?;
    empty(tx, file).await?;
    sqlx::query!("DELETE FROM indexed_files WHERE file_id = $1", file.0)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Empties a claimed file whose object is not there; the claim stays, and runs out.
pub(super) async fn set_aside(tx: &mut MeterTx, file: FileId) -> Result<(), StoreError> {
    empty(tx, file).await
}

/// Whether the file is still in the index, and kept there until the transaction ends.
pub(super) async fn keep_claim(tx: &mut MeterTx, file: FileId) -> Result<bool, StoreError> {
    let row = sqlx::query!(
        "SELECT file_id FROM indexed_files WHERE file_id = $1 FOR KEY SHARE",
        file.0
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.is_some())
}

/// Whether the index holds anything of a file.
pub(super) async fn holds(conn: &mut PgConnection, file: FileId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM indexed_files WHERE file_id = $1)
               OR EXISTS (SELECT 1 FROM documents WHERE file_id = $1)
               OR EXISTS (SELECT 1 FROM document_words WHERE file_id = $1) AS "holds!""#,
        file.0,
    )
    .fetch_one(conn)
    .await?)
}

/// Takes files out of the index that are no longer verified files, or whose version was withdrawn: the index holds
/// their words, so it is a copy that has to go too.
pub(super) async fn drop_unready(tx: &mut MeterTx, limit: i64) -> Result<(), StoreError> {
    let files = sqlx::query_scalar!(
        "SELECT i.file_id FROM indexed_files i JOIN dataset_files f ON f.id = i.file_id
         JOIN dataset_versions v ON v.id = f.dataset_version_id
         WHERE f.state <> 'ready' OR v.status = 'withdrawn' ORDER BY i.file_id LIMIT $1",
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    for file in files {
        remove(tx, FileId(file)).await?;
    }
    Ok(())
}

pub(super) async fn set_indexed(tx: &mut MeterTx, file: FileId) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "UPDATE indexed_files SET indexed_at = $2 WHERE file_id = $1",
        file.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn insert_documents(
    tx: &mut MeterTx,
    file: FileId,
    documents: &[Document],
) -> Result<(), StoreError> {
    let numbers: Vec<i64> = documents.iter().map(|one| one.number).collect();
    let offsets: Vec<i64> = documents.iter().map(|one| one.offset_bytes).collect();
    let sizes: Vec<i64> = documents.iter().map(|one| one.size_bytes).collect();
    let hashes: Vec<Vec<u8>> = documents.iter().map(|one| one.sha256.to_vec()).collect();
    sqlx::query!(
        "INSERT INTO documents (file_id, number, offset_bytes, size_bytes, sha256)
         SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[])
         ON CONFLICT DO NOTHING",
        file.0,
        &numbers,
        &offsets,
        &sizes,
        &hashes,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn insert_parts(
    tx: &mut MeterTx,
    file: FileId,
    parts: &[Part],
) -> Result<(), StoreError> {
    let numbers: Vec<i64> = parts.iter().map(|one| one.number).collect();
    let counts: Vec<i32> = parts.iter().map(|one| one.part).collect();
    let words: Vec<String> = parts.iter().map(|one| one.words.clone()).collect();
    sqlx::query!(
        "INSERT INTO document_words (file_id, number, part, words)
         SELECT $1, p.number, p.part, to_tsvector('simple', p.words)
         FROM unnest($2::bigint[], $3::integer[], $4::text[]) AS p (number, part, words)
         ON CONFLICT DO NOTHING",
        file.0,
        &numbers,
        &counts,
        &words,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

fn split_terms(terms: &[Term]) -> (Vec<String>, Vec<bool>) {
    terms
        .iter()
        .map(|term| (term.folded.clone(), term.is_beginning))
        .unzip()
}

fn ids(within: Option<&[InstitutionId]>) -> Option<Vec<uuid::Uuid>> {
    within.map(|within| within.iter().map(|id| id.0).collect())
}

pub(super) async fn search(
    conn: &mut PgConnection,
    search: Search<'_>,
) -> Result<Vec<DocumentKey>, StoreError> {
    let (terms, beginnings) = split_terms(search.terms);
    let within = ids(search.within);
    let rows = sqlx::query!(
        r#"WITH wanted AS MATERIALIZED (
               SELECT string_agg(phraseto_tsquery('simple', t.term)::text
                          || CASE WHEN t.is_beginning THEN ':*' ELSE '' END, ' | ')::tsquery AS query
               FROM unnest($1::text[], $2::boolean[]) AS t (term, is_beginning)
           )
           SELECT DISTINCT v.dataset_id, d.sha256
           FROM wanted
           JOIN document_words w ON w.words @@ wanted.query
           JOIN documents d ON d.file_id = w.file_id AND d.number = w.number
           JOIN dataset_files f ON f.id = d.file_id AND f.state = 'ready'
           JOIN dataset_versions v ON v.id = f.dataset_version_id
           JOIN datasets s ON s.id = v.dataset_id
           WHERE ($3::uuid[] IS NULL OR s.institution_id = ANY($3))
             AND ($4::uuid IS NULL OR (v.dataset_id, d.sha256) > ($4, $5::bytea))
           ORDER BY v.dataset_id, d.sha256 LIMIT $6"#,
        &terms,
        &beginnings,
        within.as_deref(),
        search.after.map(|key| key.dataset.0),
        search.after.map(|key| key.sha256.to_vec()),
        search.limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| key(row.dataset_id, row.sha256))
        .collect()
}

fn key(dataset: uuid::Uuid, sha256: Vec<u8>) -> Result<DocumentKey, StoreError> {
    Ok(DocumentKey {
        dataset: DatasetId(dataset),
        sha256: sha256.try_into().map_err(|_| CorruptRow {
            table: "documents",
            id: dataset,
            problem: "a hash of another length",
        })?,
    })
}

pub(super) async fn count(
    conn: &mut PgConnection,
    terms: &[Term],
    within: Option<&[InstitutionId]>,
) -> Result<i64, StoreError> {
    let (terms, beginnings) = split_terms(terms);
    let within = ids(within);
    let count = sqlx::query_scalar!(
        r#"WITH wanted AS MATERIALIZED (
               SELECT string_agg(phraseto_tsquery('simple', t.term)::text
                          || CASE WHEN t.is_beginning THEN ':*' ELSE '' END, ' | ')::tsquery AS query
               FROM unnest($1::text[], $2::boolean[]) AS t (term, is_beginning)
           )
           SELECT count(DISTINCT (v.dataset_id, d.sha256)) AS "count!"
           FROM wanted
           JOIN document_words w ON w.words @@ wanted.query
           JOIN documents d ON d.file_id = w.file_id AND d.number = w.number
           JOIN dataset_files f ON f.id = d.file_id AND f.state = 'ready'
           JOIN dataset_versions v ON v.id = f.dataset_version_id
           JOIN datasets s ON s.id = v.dataset_id
           WHERE $3::uuid[] IS NULL OR s.institution_id = ANY($3)"#,
        &terms,
        &beginnings,
        within.as_deref(),
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}

pub(super) async fn describe(
    conn: &mut PgConnection,
    keys: &[DocumentKey],
) -> Result<Vec<Listed>, StoreError> {
    let datasets: Vec<_> = keys.iter().map(|key| key.dataset.0).collect();
    let hashes: Vec<Vec<u8>> = keys.iter().map(|key| key.sha256.to_vec()).collect();
    let rows = sqlx::query!(
        r#"SELECT s.id AS dataset_id, s.title, s.institution_id, o.name AS institution, d.sha256, d.number,
                  d.offset_bytes, d.size_bytes, f.id AS file_id, f.path, f.format AS "format!", f.object_key,
                  f.object_version AS "object_version!", v.id AS version_id, v.number AS version_number, v.status
           FROM unnest($1::uuid[], $2::bytea[]) AS k (dataset_id, sha256)
           JOIN documents d ON d.sha256 = k.sha256
           JOIN dataset_files f ON f.id = d.file_id AND f.state = 'ready'
           JOIN dataset_versions v ON v.id = f.dataset_version_id AND v.dataset_id = k.dataset_id
           JOIN datasets s ON s.id = v.dataset_id
           JOIN institutions o ON o.id = s.institution_id
           ORDER BY s.id, d.sha256, v.number DESC, f.path, d.number"#,
        &datasets,
        &hashes,
    )
    .fetch_all(conn)
    .await?;
    let mut listed: Vec<Listed> = Vec::new();
    for row in rows {
        let key = key(row.dataset_id, row.sha256)?;
        let corrupt = |problem| CorruptRow {
            table: "dataset_files",
            id: row.file_id,
            problem,
        };
        let place = Place {
            file: FileId(row.file_id),
            path: row.path,
            version: DatasetVersionId(row.version_id),
            version_number: row.version_number,
            version_status: row.status.parse().map_err(|_| corrupt("unknown status"))?,
            number: row.number,
            format: format(&row.format).ok_or_else(|| corrupt("unknown format"))?,
            offset_bytes: row.offset_bytes.unsigned_abs(),
            size_bytes: row.size_bytes.unsigned_abs(),
            object_key: row.object_key,
            object_version: row.object_version,
        };
        match listed.last_mut() {
            Some(last) if last.key == key => last.places.push(place),
            _ => listed.push(Listed {
                key,
                title: row.title,
                institution: InstitutionId(row.institution_id),
                institution_name: row.institution,
                places: vec![place],
            }),
        }
    }
    Ok(listed)
}

pub(super) async fn unindexed(
    conn: &mut PgConnection,
    within: Option<&[InstitutionId]>,
) -> Result<i64, StoreError> {
    let within = ids(within);
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM dataset_files f
           JOIN dataset_versions v ON v.id = f.dataset_version_id
           JOIN datasets s ON s.id = v.dataset_id
           LEFT JOIN indexed_files i ON i.file_id = f.id
           WHERE f.state = 'ready' AND v.status <> 'withdrawn' AND i.indexed_at IS NULL
             AND ($1::uuid[] IS NULL OR s.institution_id = ANY($1))"#,
        within.as_deref(),
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}
