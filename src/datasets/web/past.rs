//! A dataset as it was at a moment: licence, checks, permissions, privacy, status.

use askama::Template;
use chrono::{DateTime, Utc};

use super::super::Dataset;
use crate::{
    db::Db,
    error::AppError,
    privacy::{self, web::Summary},
    rights_checks::{
        self,
        web::{LaterView, Past},
    },
    web::{Chrome, Page, PageResult, filters},
};

#[derive(Template)]
#[template(path = "datasets/past.html")]
struct PastPage {
    chrome: Chrome,
    id: crate::ids::DatasetId,
    title: String,
    when: String,
    day: String,
    exact: String,
    is_registered: bool,
    past: Past,
    privacy: Option<Summary>,
    later: Vec<LaterView>,
}

/// The page for `?at=…`: a day, or an exact time.
pub(super) async fn show(db: &Db, page: &Page, dataset: Dataset, text: &str) -> PageResult {
    let (lang, now) = (page.lang(), db.now());
    let at = rights_checks::moment(text, now).ok_or(AppError::invalid("rights-no-moment"))?;
    let mut conn = db.read().await?;
    let then = rights_checks::as_at(&mut conn, dataset.id, at).await?;
    let history = rights_checks::history(&mut conn, dataset.id, now).await?;
    drop(conn);
    let (_, _, later) = rights_checks::web::then_views(lang, dataset.id, &history, (at, now));
    let has_personal_data = dataset.facts.personal_data_basis.is_some();
    let privacy = then
        .status
        .as_ref()
        .filter(|_| has_personal_data || then.assessment.is_some())
        .map(|status| {
            let moments = (status.version, at, now);
            privacy::web::summary(lang, dataset.id, &history.assessments, moments)
        });
    page.show(&PastPage {
        chrome: page.chrome(),
        id: dataset.id,
        when: exact_words(lang, at),
        day: local(at).date_naive().to_string(),
        exact: rights_checks::in_address(at),
        is_registered: then.status.is_some(),
        past: rights_checks::web::past(lang, &then, now),
        privacy,
        later,
        title: dataset.facts.title,
    })
}

fn local(at: DateTime<Utc>) -> DateTime<chrono_tz::Tz> {
    at.with_timezone(&chrono_tz::Europe::Amsterdam)
}

/// "1 september 2026, 23:59": here the minute counts, however long ago it was.
fn exact_words(lang: crate::web::Lang, at: DateTime<Utc>) -> String {
    use chrono::Datelike as _;
    let at = local(at);
    let month = lang.t(&format!("month-{}", at.month()));
    format!("{} {month} {}, {}", at.day(), at.year(), at.format("%H:%M"))
}
