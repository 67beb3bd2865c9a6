//! The page about the rights of a dataset over time.

use actix_web::{get, web};
use askama::Template;

use super::{
    super::{
        Check, History, Signal,
        acknowledge::Side,
        as_at,
        store::{self, Subject},
    },
    decisions::{DecisionView, decision_view},
    parts::{ChangeView, CheckRow, Line, all_known, change_view, check_row, licence},
};
use crate::{
    db::Db,
    error::AppError,
    ids::DatasetId,
    policy::{self, Action, Actor, visible},
    web::{Chrome, Lang, Page, PageResult, filters, moment},
};

/// Checks shown on the page; the API has them all.
const SHOWN: usize = 50;

struct LicenceRow {
    licence: String,
    when: String,
    exact: String,
    who: String,
    reason: String,
}

#[derive(Template)]
#[template(path = "rights_checks/show.html")]
struct ShowPage {
    chrome: Chrome,
    id: DatasetId,
    title: String,
    today: String,
    known: Vec<Line>,
    changes: Vec<ChangeView>,
    checks: Vec<CheckRow>,
    licences: Vec<LicenceRow>,
    decisions: Vec<DecisionView>,
    may_check: bool,
    may_relicense: bool,
    has_plan: bool,
    source_url: String,
    every_days: String,
    plan_error: String,
    days_error: String,
    /// The change whose note was not taken, with why.
    note_error: (String, String),
}

/// What a form that was not taken left behind.
#[derive(Default)]
pub(super) struct Wrong {
    pub(super) source_url: Option<String>,
    pub(super) every_days: Option<String>,
    pub(super) plan_error: String,
    pub(super) days_error: String,
    pub(super) note_error: (String, String),
}

/// A dataset that `actor` may see.
pub(super) async fn load(db: &Db, actor: &Actor, dataset: DatasetId) -> Result<Subject, AppError> {
    let mut conn = db.read().await?;
    let subject = store::subject(&mut conn, dataset)
        .await?
        .ok_or(AppError::NotFound)?;
    let _permit = policy::check(actor, Action::ViewDataset, &subject.scope())?;
    Ok(subject)
}

fn licence_rows(page: &Page, db: &Db, history: &History) -> Vec<LicenceRow> {
    history
        .licences
        .iter()
        .rev()
        .map(|fact| LicenceRow {
            licence: licence(&fact.license, &fact.expression),
            when: moment(page.lang(), db.now(), fact.said_at),
            exact: fact.said_at.to_rfc3339(),
            who: fact.said_by.clone(),
            reason: fact.reason.clone(),
        })
        .collect()
}

/// The page, with what was wrong in one of its forms.
pub(super) async fn draw(
    db: &Db,
    page: &Page,
    dataset: DatasetId,
    wrong: Wrong,
) -> Result<impl Template + use<>, AppError> {
    let (lang, now, actor) = (page.lang(), db.now(), page.actor());
    let subject = load(db, actor, dataset).await?;
    let mut conn = db.read().await?;
    let history = as_at::history(&mut conn, dataset, now).await?;
    let schedule = store::schedule(&mut conn, dataset).await?;
    let changes = store::changes(&mut conn, dataset, now).await?;
    let shown: Vec<&Check> = history.checks.iter().take(SHOWN).collect();
    let ids: Vec<_> = shown.iter().map(|check| check.id).collect();
    let signals = store::signals(&mut conn, &ids).await?;
    let jobs_of = if actor.institution == subject.institution {
        None
    } else {
        visible(actor, Action::ViewJob).filter()
    };
    let decisions = store::decisions(&mut conn, dataset, jobs_of).await?;
    drop(conn);
    let may_check = policy::check(actor, Action::CheckRights, &subject.scope()).is_ok();
    let side = may_check.then(|| Side::of(actor));
    let sees_jobs = visible(actor, Action::ViewJob) == policy::Visibility::All;
    Ok(ShowPage {
        chrome: page.chrome(),
        id: dataset,
        today: now
            .with_timezone(&chrono_tz::Europe::Amsterdam)
            .date_naive()
            .to_string(),
        known: all_known(lang, &history, schedule.as_ref(), now),
        changes: changes
            .iter()
            .map(|change| change_view(lang, now, change, side))
            .collect(),
        checks: shown
            .into_iter()
            .map(|check| check_row(lang, now, dataset, (check, of_check(&signals, check))))
            .collect(),
        licences: licence_rows(page, db, &history),
        decisions: decisions
            .into_iter()
            .map(|row| decision_view(lang, dataset, &history, (row, sees_jobs, now)))
            .collect(),
        may_check,
        may_relicense: policy::check(actor, Action::ChangeLicence, &subject.scope()).is_ok(),
        has_plan: schedule.is_some(),
        source_url: wrong.source_url.unwrap_or_else(|| {
            schedule
                .as_ref()
                .map_or_else(String::new, |plan| plan.source_url.clone())
        }),
        every_days: wrong.every_days.unwrap_or_else(|| {
            schedule.map_or_else(|| "30".to_owned(), |plan| plan.every_days.to_string())
        }),
        plan_error: wrong.plan_error,
        days_error: wrong.days_error,
        note_error: wrong.note_error,
        title: subject.title,
    })
}

fn of_check<'a>(
    signals: &'a [(crate::ids::RightsCheckId, Signal)],
    check: &Check,
) -> Vec<&'a Signal> {
    signals
        .iter()
        .filter(|(of, _)| *of == check.id)
        .map(|(_, signal)| signal)
        .collect()
}

#[get("/{lang:nl|en}/datasets/{dataset}/rights")]
pub(super) async fn show(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId)>,
) -> PageResult {
    let drawn = draw(&db, &page, path.1, Wrong::default()).await?;
    page.show(&drawn)
}

/// The words of a check's problem in the API.
pub(super) fn outcome_in_english(check: &Check) -> String {
    super::parts::outcome(Lang::En, check)
}
