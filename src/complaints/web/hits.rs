//! The documents that are found for a case, with the words around each.

use std::collections::BTreeSet;

use actix_web::{get, web};
use askama::Template;
use serde::Deserialize;

use super::{
    super::{
        case::{Case, Status},
        error::ComplaintError,
        search::Reader,
        store,
    },
    show::load,
};
use crate::{
    db::Db,
    documents::{self, DocumentKey, Listed, Passage, Search, Term, parse_terms},
    ids::ComplaintId,
    objects::ObjectStore,
    web::{Chrome, Lang, Page, PageResult, filters},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(show);
}

/// A document that was found.
pub(super) struct Hit {
    pub(super) listed: Listed,
    pub(super) passage: Option<Passage>,
    pub(super) is_marked: bool,
    pub(super) uses: Vec<store::Use>,
}

/// A page of what is found, with the words around each.
pub(super) struct Hits {
    pub(super) hits: Vec<Hit>,
    pub(super) count: i64,
    pub(super) unindexed: i64,
    /// Where the next page begins.
    pub(super) next: Option<DocumentKey>,
}

const PAGE_SIZE: usize = 20;

/// Finds the documents of a case that `reader` may see.
pub(super) async fn find_hits(
    (db, objects): (&Db, &ObjectStore),
    case: &Case,
    reader: Reader,
    after: Option<DocumentKey>,
) -> Result<Hits, ComplaintError> {
    let details = case.details.as_ref().ok_or(ComplaintError::Forgotten)?;
    let terms = parse_terms(details.search_terms.iter().map(String::as_str));
    let within = reader.within();
    let mut conn = db.read().await?;
    let search = Search {
        terms: &terms,
        within,
        after,
        limit: i64::try_from(PAGE_SIZE + 1).unwrap_or(i64::MAX),
    };
    let mut keys = documents::search(&mut conn, search).await?;
    let has_more = keys.len() > PAGE_SIZE;
    keys.truncate(PAGE_SIZE);
    let count = documents::count(&mut conn, &terms, within).await?;
    let unindexed = documents::unindexed(&mut conn, within).await?;
    let marked = store::marked_keys(&mut conn, case.id, within).await?;
    let listed = documents::describe(&mut conn, &keys).await?;
    let versions: Vec<uuid::Uuid> = listed
        .iter()
        .flat_map(|one| one.places.iter().map(|place| place.version.0))
        .collect();
    let uses = store::uses(&mut conn, &versions).await?;
    drop(conn);
    let mut hits = Vec::with_capacity(listed.len());
    for listed in listed {
        let passage = read(objects, &listed, &terms).await?;
        let uses = uses
            .iter()
            .filter(|one| {
                listed
                    .places
                    .iter()
                    .any(|place| place.version.0 == one.version)
            })
            .cloned()
            .collect();
        hits.push(Hit {
            is_marked: marked.contains(&listed.key),
            passage,
            uses,
            listed,
        });
    }
    Ok(Hits {
        hits,
        count,
        unindexed,
        next: has_more.then(|| keys.last().copied()).flatten(),
    })
}

/// The passage where the document stands; none where its bytes were purged.
async fn read(
    objects: &ObjectStore,
    listed: &Listed,
    terms: &[Term],
) -> Result<Option<Passage>, ComplaintError> {
    for place in &listed.places {
        match documents::passage(objects, place, terms).await {
            Ok(passage) => return Ok(Some(passage)),
            Err(error) if error.is_missing => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

struct HitRow {
    key: String,
    title: String,
    institution: String,
    place: String,
    before: String,
    hit: String,
    after: String,
    is_gone: bool,
    is_marked: bool,
    uses: String,
}

#[derive(Template)]
#[template(path = "complaints/hits.html")]
struct HitsPage {
    chrome: Chrome,
    id: ComplaintId,
    number: String,
    count: String,
    unindexed: String,
    hits: Vec<HitRow>,
    next: Option<String>,
    may_mark: bool,
}

#[derive(Deserialize)]
pub(super) struct After {
    #[serde(default)]
    pub(super) after: String,
}

/// A document in forms and addresses: `{dataset}:{sha256}`.
pub(super) fn key_text(key: &DocumentKey) -> String {
    format!(
        "{}:{}",
        key.dataset,
        data_encoding::HEXLOWER.encode(&key.sha256)
    )
}

pub(super) fn parse_key(text: &str) -> Option<DocumentKey> {
    let (dataset, sha256) = text.split_once(':')?;
    Some(DocumentKey {
        dataset: dataset.parse().ok()?,
        sha256: data_encoding::HEXLOWER
            .decode(sha256.as_bytes())
            .ok()?
            .try_into()
            .ok()?,
    })
}

#[get("/{lang:nl|en}/complaints/{id}/hits")]
async fn show(
    page: Page,
    (db, objects): (web::Data<Db>, web::Data<ObjectStore>),
    path: web::Path<(String, ComplaintId)>,
    query: web::Query<After>,
) -> PageResult {
    let lang = page.lang();
    let (case, reader) = load(&db, page.actor(), path.1).await?;
    let after = parse_key(&query.after);
    let found = find_hits((&db, &objects), &case, reader, after).await?;
    let rows = found
        .hits
        .into_iter()
        .map(|hit| {
            let (before, text, after, is_gone) = match hit.passage {
                Some(passage) => (passage.before, passage.hit, passage.after, false),
                None => (String::new(), String::new(), String::new(), true),
            };
            let jobs: BTreeSet<_> = hit.uses.iter().map(|one| one.job).collect();
            let models: Vec<_> = hit
                .uses
                .iter()
                .filter_map(|one| one.model.as_ref().map(|(_, name)| name.as_str()))
                .collect();
            HitRow {
                key: key_text(&hit.listed.key),
                place: place_text(lang, &hit.listed),
                title: hit.listed.title,
                institution: hit.listed.institution_name,
                before,
                hit: text,
                after,
                is_gone,
                is_marked: hit.is_marked,
                uses: if jobs.is_empty() {
                    lang.t("complaint-hit-unused")
                } else {
                    lang.t_with(
                        "complaint-hit-used",
                        &[
                            ("jobs", jobs.len().to_string()),
                            ("models", models.join(", ")),
                        ],
                    )
                },
            }
        })
        .collect();
    page.show(&HitsPage {
        chrome: page.chrome(),
        id: case.id,
        count: lang.t_with(
            "complaint-hits-count",
            &[("count", found.count.to_string())],
        ),
        unindexed: if found.unindexed > 0 {
            lang.t_with(
                "complaint-unindexed",
                &[("count", found.unindexed.to_string())],
            )
        } else {
            String::new()
        },
        hits: rows,
        next: found.next.map(|key| {
            page.path(&format!(
                "/complaints/{}/hits?after={}",
                case.id,
                key_text(&key)
            ))
        }),
        may_mark: case.status == Status::Handling,
        number: case.number,
    })
}

fn place_text(lang: Lang, listed: &Listed) -> String {
    let mut places: Vec<String> = listed
        .places
        .iter()
        .take(4)
        .map(|place| {
            lang.t_with(
                "complaint-hit-place",
                &[
                    ("version", place.version_number.to_string()),
                    ("path", place.path.clone()),
                    ("line", place.number.to_string()),
                ],
            )
        })
        .collect();
    if listed.places.len() > 4 {
        places.push("…".to_owned());
    }
    places.join("; ")
}
