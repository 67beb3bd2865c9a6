//! The pages: the log, one line with its proof, how to check it oneself.

use actix_web::{get, web};
use askama::Template;
use serde::Deserialize;
use transparency_log::verify_inclusion;

use super::{LogData, download, visibility};
use crate::{
    audit::{
        checkpoint::Signed,
        list::{self, Entry, Filter},
        prove::{self, Proven},
        store::Check,
    },
    db::Db,
    error::AppError,
    web::{Chrome, Lang, Page, PageResult, filters, moment, number, short_hash},
};

const PAGE_SIZE: i64 = 50;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(index)
        .service(show)
        .service(how_to)
        .service(bundle);
}

/// What is known of the log as a whole.
struct Standing {
    /// granted, neutral or refused
    kind: &'static str,
    title: String,
    text: String,
    checkpoint: String,
}

impl Standing {
    fn of(
        lang: Lang,
        now: chrono::DateTime<chrono::Utc>,
        signed: Option<&Signed>,
        check: Option<&Check>,
    ) -> Self {
        let lines = |count: u64| number(lang, count.cast_signed());
        let checkpoint = signed.map_or_else(String::new, |signed| {
            lang.t_with(
                "audit-signed",
                &[
                    ("lines", lines(signed.size)),
                    ("when", moment(lang, now, signed.at)),
                    ("root", short_hash(&signed.root.to_hex())),
                ],
            )
        });
        let said = |kind, title, text, args: &[(&'static str, String)]| Self {
            kind,
            title: lang.t(title),
            text: lang.t_with(text, args),
            checkpoint: checkpoint.clone(),
        };
        let Some(check) = check else {
            return said("neutral", "audit-unchecked", "audit-unchecked-text", &[]);
        };
        let when = moment(lang, now, check.at);
        match &check.problem {
            None => said(
                "granted",
                "audit-holds",
                "audit-holds-text",
                &[("lines", lines(check.events)), ("when", when)],
            ),
            Some(problem) => said(
                "refused",
                "audit-broken",
                "audit-broken-text",
                &[("problem", problem.clone()), ("when", when)],
            ),
        }
    }
}

#[derive(Deserialize)]
struct Query {
    before: Option<i64>,
    subject: Option<uuid::Uuid>,
}

struct Row {
    seq: i64,
    href: String,
    when: String,
    who: String,
    institution: String,
    what: String,
    kind: String,
    subject: String,
    hash: String,
}

impl Row {
    fn of(page: &Page, db: &Db, line: Entry) -> Self {
        let lang = page.lang();
        Self {
            seq: line.seq,
            href: page.path(&format!("/audit/lines/{}", line.seq)),
            when: moment(lang, db.now(), line.at),
            who: line.actor.unwrap_or_else(|| lang.t("actor-system")),
            institution: line.institution.unwrap_or_default(),
            what: lang.t(&format!("event-{}", line.kind.replace(['.', '_'], "-"))),
            kind: line.kind,
            subject: line.subject.to_string(),
            hash: short_hash(&line.hash),
        }
    }
}

#[derive(Template)]
#[template(path = "audit/index.html")]
struct IndexPage {
    chrome: Chrome,
    standing: Standing,
    bundle: String,
    lines: Vec<Row>,
    older: Option<String>,
}

#[get("/{lang:nl|en}/audit")]
async fn index(
    page: Page,
    db: web::Data<Db>,
    log: LogData,
    query: web::Query<Query>,
) -> PageResult {
    let visibility = visibility(page.actor())?;
    let lines = list::entries(
        &db,
        Filter {
            visibility,
            before: query.before,
            subject: query.subject,
            limit: PAGE_SIZE,
        },
    )
    .await?;
    let (signed, check) = prove::standing(&log).await?;
    let older = (lines.len() as i64 == PAGE_SIZE)
        .then(|| lines.last().map(|line| line.seq))
        .flatten()
        .map(|seq| page.path(&format!("/audit?before={seq}")));
    page.show(&IndexPage {
        chrome: page.chrome(),
        standing: Standing::of(page.lang(), db.now(), signed.as_ref(), check.as_ref()),
        bundle: page.path("/audit/bundle"),
        lines: lines
            .into_iter()
            .map(|line| Row::of(&page, &db, line))
            .collect(),
        older,
    })
}

#[derive(Template)]
#[template(path = "audit/show.html")]
struct ShowPage {
    chrome: Chrome,
    line: Row,
    /// granted, neutral or refused
    kind: &'static str,
    verdict: String,
    leaf: String,
    leaf_hash: String,
    proof: Vec<String>,
    path_length: usize,
    checkpoint: Option<String>,
    size: String,
}

/// Whether the proof of a line leads to the checkpoint, and the key of the sentence that says so.
fn verdict(line: &Proven, checkpoint: Option<&Signed>) -> (&'static str, &'static str) {
    let (Some(signed), Some(proof)) = (checkpoint, &line.proof) else {
        return ("neutral", "audit-line-waits");
    };
    let place = (prove::index(line.seq), signed.size);
    match verify_inclusion(place, &line.hash, proof, &signed.root) {
        Ok(()) => ("granted", "audit-line-holds"),
        Err(_) => ("refused", "audit-line-broken"),
    }
}

#[get("/{lang:nl|en}/audit/lines/{seq}")]
async fn show(
    page: Page,
    db: web::Data<Db>,
    log: LogData,
    path: web::Path<(String, i64)>,
) -> PageResult {
    let visibility = visibility(page.actor())?;
    let (_, seq) = path.into_inner();
    let filter = Filter {
        visibility,
        before: seq.checked_add(1),
        subject: None,
        limit: 1,
    };
    let entry = list::entries(&db, filter)
        .await?
        .into_iter()
        .find(|entry| entry.seq == seq)
        .ok_or(AppError::NotFound)?;
    let found = prove::proven_lines(&log, visibility, seq - 1, 1).await?;
    let line = found
        .lines
        .into_iter()
        .find(|line| line.seq == seq)
        .ok_or(AppError::NotFound)?;
    let lang = page.lang();
    let size = found.checkpoint.as_ref().map_or(0, |signed| signed.size);
    let (kind, verdict) = verdict(&line, found.checkpoint.as_ref());
    let size = number(lang, size.cast_signed());
    page.show(&ShowPage {
        chrome: page.chrome(),
        line: Row::of(&page, &db, entry),
        kind,
        verdict: lang.t_with(verdict, &[("lines", size.clone())]),
        leaf: line.leaf,
        leaf_hash: line.hash.to_base64(),
        path_length: line.proof.as_ref().map_or(0, Vec::len),
        proof: line
            .proof
            .unwrap_or_default()
            .iter()
            .map(|hash| hash.to_base64())
            .collect(),
        checkpoint: found.checkpoint.map(|signed| signed.note),
        size,
    })
}

#[derive(Template)]
#[template(path = "audit/check.html")]
struct CheckPage {
    chrome: Chrome,
    standing: Standing,
    bundle: String,
    origin: String,
    key: String,
    checkpoint: Option<String>,
    commands: String,
}

#[get("/{lang:nl|en}/audit/check")]
async fn how_to(page: Page, db: web::Data<Db>, log: LogData) -> PageResult {
    visibility(page.actor())?;
    let (signed, check) = prove::standing(&log).await?;
    let address = log.address();
    page.show(&CheckPage {
        chrome: page.chrome(),
        standing: Standing::of(page.lang(), db.now(), signed.as_ref(), check.as_ref()),
        bundle: page.path("/audit/bundle"),
        origin: log.origin(),
        key: log.key()?.to_string(),
        checkpoint: signed.map(|signed| signed.note),
        commands: format!(
            "curl -O {address}/log/verify_log.py -O {address}/log/ed25519.py\n\
             curl -o faculty-keys.json {address}/.well-known/faculty-keys.json\n\
             python3 verify_log.py audit-{}.zip faculty-keys.json",
            db.now().format("%Y-%m-%d")
        ),
    })
}

#[get("/{lang:nl|en}/audit/bundle")]
async fn bundle(page: Page, log: LogData) -> PageResult {
    Ok(download(&log, page.actor()).await?)
}
