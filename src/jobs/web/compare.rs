//! Two jobs beside each other: their curves, what came out, and where their settings differ.

use actix_web::{get, web};
use askama::Template;
use serde::Deserialize;

use super::{
    super::{Job, find_visible, store},
    drawing::{Chart, Curve, Frame, draw, loss_word},
    parts::base_name,
    settings,
    view::View,
    words::{badge, count, decimal},
};
use crate::{
    db::Db,
    error::AppError,
    ids::JobId,
    policy::{Action, visible},
    web::{Chrome, Lang, Page, PageResult, filters},
};

/// Jobs to choose the other one from.
const MOST_CHOICES: i64 = 100;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(compare);
}

#[derive(Deserialize)]
struct Query {
    a: Option<String>,
    b: Option<String>,
}

struct Choice {
    value: String,
    label: String,
    is_chosen: bool,
}

/// One of the two.
struct Side {
    title: String,
    href: String,
    badge: &'static str,
    status: String,
}

struct Row {
    name: String,
    a: String,
    b: String,
    differs: bool,
}

/// What there is to see once both are chosen.
struct Compared {
    a: Side,
    b: Side,
    charts: Vec<Chart>,
    results: Vec<Row>,
    settings: Vec<Row>,
}

#[derive(Template)]
#[template(path = "jobs/compare.html")]
struct ComparePage {
    chrome: Chrome,
    firsts: Vec<Choice>,
    seconds: Vec<Choice>,
    compared: Option<Compared>,
}

/// Of jobs that the reader may not see nothing is said, also not that they are there.
#[get("/{lang:nl|en}/jobs/compare")]
async fn compare(page: Page, db: web::Data<Db>, query: web::Query<Query>) -> PageResult {
    let (a, b) = (chosen(query.a.as_deref())?, chosen(query.b.as_deref())?);
    let compared = match (a, b) {
        (Some(a), Some(b)) => Some(both(&db, &page, (a, b)).await?),
        _ => None,
    };
    let listing = store::Listing {
        of: visible(page.actor(), Action::ViewJob).filter(),
        before: None,
        limit: MOST_CHOICES,
    };
    let mut known = {
        let mut conn = db.read().await?;
        let jobs = store::list(&mut conn, &listing).await?;
        jobs.into_iter()
            .map(|job| (job.id, job.title))
            .collect::<Vec<_>>()
    };
    // Older than those on the list, but chosen.
    for id in [a, b].into_iter().flatten() {
        if known.iter().all(|(one, _)| *one != id) {
            let job = find_visible(&db, page.actor(), id)
                .await?
                .ok_or(AppError::NotFound)?;
            known.push((id, job.title));
        }
    }
    let choices = |chosen: Option<JobId>| {
        known
            .iter()
            .map(|(id, title)| Choice {
                value: id.to_string(),
                label: title.clone(),
                is_chosen: chosen == Some(*id),
            })
            .collect::<Vec<_>>()
    };
    let (firsts, seconds) = (choices(a), choices(b));
    page.show(&ComparePage {
        chrome: page.chrome(),
        firsts,
        seconds,
        compared,
    })
}

/// The job that a field names; none where it is empty.
fn chosen(field: Option<&str>) -> Result<Option<JobId>, AppError> {
    match field.unwrap_or_default() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| AppError::NotFound),
    }
}

async fn both(db: &Db, page: &Page, (a, b): (JobId, JobId)) -> Result<Compared, AppError> {
    let lang = page.lang();
    let read = async |id: JobId| {
        let job = find_visible(db, page.actor(), id)
            .await?
            .ok_or(AppError::NotFound)?;
        Ok::<_, AppError>(View::read(db, job).await?)
    };
    let (a, b) = (read(a).await?, read(b).await?);
    Ok(Compared {
        charts: charts(lang, &a, &b),
        results: results(lang, &a, &b),
        settings: rows(words_of(lang, &a), words_of(lang, &b)),
        a: side(page, &a.job),
        b: side(page, &b.job),
    })
}

fn side(page: &Page, job: &Job) -> Side {
    Side {
        title: job.title.clone(),
        href: page.path(&format!("/jobs/{}", job.id)),
        badge: badge(job.status, false),
        status: page.lang().t(&format!("jobs-status-{}", job.status.name())),
    }
}

/// Held-out and training loss, of both over each other.
fn charts(lang: Lang, a: &View, b: &View) -> Vec<Chart> {
    let steps = a.progress.total_steps.max(b.progress.total_steps);
    let one = |title: &str, first: &[(u32, f32)], second: &[(u32, f32)]| {
        let said = |points: &[(u32, f32)]| {
            points.last().map_or_else(
                || "–".to_owned(),
                |(_, loss)| loss_word(lang, f64::from(*loss)),
            )
        };
        let frame = Frame {
            title: lang.t(title),
            about: lang.t_with(
                "jobs-compare-about",
                &[
                    ("title", lang.t(title)),
                    ("a", said(first)),
                    ("b", said(second)),
                ],
            ),
            steps,
            word: &loss_word,
        };
        let curves = [
            Curve {
                key: "a",
                look: "main",
                name: "A".into(),
                points: first,
            },
            Curve {
                key: "b",
                look: "grey",
                name: "B".into(),
                points: second,
            },
        ];
        draw(lang, frame, &curves)
    };
    vec![
        one(
            "jobs-figure-held-out",
            &a.progress.held_out,
            &b.progress.held_out,
        ),
        one("jobs-figure-loss", &a.progress.losses, &b.progress.losses),
    ]
}

/// What came out of each.
fn results(lang: Lang, a: &View, b: &View) -> Vec<Row> {
    let of = |view: &View| {
        let progress = &view.progress;
        let loss = |value: Option<f32>| {
            value.map_or_else(
                || "–".to_owned(),
                |value| decimal(lang, f64::from(value), 3),
            )
        };
        let speed = progress
            .tokens_per_second
            .filter(|speed| speed.is_finite())
            .map_or_else(
                || "–".to_owned(),
                |speed| decimal(lang, f64::from(speed), 0),
            );
        vec![
            (
                "jobs-figure-held-out",
                loss(progress.held_out.last().map(|(_, value)| *value)),
            ),
            ("jobs-figure-loss", loss(progress.loss)),
            ("jobs-compare-steps", count(lang, u64::from(progress.step))),
            ("jobs-compare-speed", speed),
            ("jobs-attempts", view.attempts.len().to_string()),
        ]
        .into_iter()
        .map(|(key, value)| (lang.t(key), value))
        .collect::<Vec<_>>()
    };
    rows(of(a), of(b))
}

/// What a job is, setting by setting.
fn words_of(lang: Lang, view: &View) -> Vec<(String, String)> {
    let job = &view.job;
    let data: Vec<&str> = view
        .inputs
        .iter()
        .map(|input| input.title.as_str())
        .collect();
    let mut words = vec![
        (lang.t("jobs-base-model"), base_name(lang, &job.base_name)),
        (lang.t("jobs-step-datasets"), data.join(", ")),
    ];
    let settings = settings::said(lang, job);
    words.extend(settings.into_iter().map(|one| (one.name, one.value)));
    words
}

/// One row a name, in the order of the first and then of the second; what one does not have is a dash.
fn rows(a: Vec<(String, String)>, mut b: Vec<(String, String)>) -> Vec<Row> {
    let row = |name: String, a: Option<String>, b: Option<String>| Row {
        differs: a != b,
        name,
        a: a.unwrap_or_else(|| "–".into()),
        b: b.unwrap_or_else(|| "–".into()),
    };
    let mut rows = Vec::new();
    for (name, value) in a {
        let other = b.iter().position(|(one, _)| *one == name);
        let other = other.map(|at| b.remove(at).1);
        rows.push(row(name, Some(value), other));
    }
    rows.extend(
        b.into_iter()
            .map(|(name, value)| row(name, None, Some(value))),
    );
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_and_what_only_one_has_is_marked() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let rows = rows(
            vec![pair("rank", "8"), pair("epochs", "3")],
            vec![pair("epochs", "3"), pair("beta", "0.1")],
        );
        let shown: Vec<_> = rows
            .iter()
            .map(|row| {
                (
                    row.name.as_str(),
                    row.a.as_str(),
                    row.b.as_str(),
                    row.differs,
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("rank", "8", "–", true),
                ("epochs", "3", "3", false),
                ("beta", "–", "0.1", true)
            ]
        );
    }
}
