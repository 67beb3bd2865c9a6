//! The page that withdraws: how much, everything that it touches, and why.

use actix_web::{get, post, web};
use askama::Template;
use chrono::TimeDelta;
use serde::Deserialize;

use super::{
    super::{
        cascade::{Request, withdraw},
        duty::Kind,
        error::WithdrawError,
        reach::{Preview, preview},
        scope::{Consequence, Extent, Target},
        store,
    },
    parts::{
        JobRow, MOST_ROWS, ModelRow, Problem, extent_words, job_rows, model_rows, problems, reason,
        withdrawable,
    },
};
use crate::{
    config::Config,
    datasets::Dataset,
    db::Db,
    error::{AppError, Say},
    ids::DatasetId,
    permissions::{self, Layer},
    web::{
        Chrome, FieldErrors, Page, PageResult, ProtectedForm, bytes, day, filters, number,
        see_other,
    },
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(radius).service(confirm);
}

/// A way to withdraw more or less.
struct Choice {
    value: String,
    label: String,
    hint: String,
    is_chosen: bool,
}

/// One line of what happens: what it touches, how much of it, what follows, by when, by whom.
struct Effect {
    what: String,
    count: String,
    follows: String,
    by_when: String,
    by_whom: String,
}

/// A name and whose it is.
struct Named {
    name: String,
    whose: String,
}

#[derive(Template)]
#[template(path = "withdrawals/ask.html")]
struct AskPage {
    chrome: Chrome,
    dataset: DatasetId,
    title: String,
    summary: String,
    extent: String,
    /// What was shown, to be sent along with the confirmation.
    seen: String,
    choices: Vec<Choice>,
    /// That other versions hold the same files and stay; empty where none does.
    siblings: String,
    effects: Vec<Effect>,
    jobs: Vec<JobRow>,
    models: Vec<ModelRow>,
    keys: Vec<Named>,
    licensees: Vec<Named>,
    is_empty: bool,
    reason: String,
    errors: Vec<Problem>,
}

impl AskPage {
    fn error(&self, field: &str) -> &str {
        self.errors
            .iter()
            .find(|problem| problem.field == field)
            .map_or("", |problem| problem.text.as_str())
    }
}

#[derive(Deserialize)]
struct Query {
    #[serde(default)]
    extent: String,
}

/// Shows everything that a withdrawal would touch, before it is confirmed.
#[get("/{lang:nl|en}/datasets/{dataset}/withdraw")]
async fn radius(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: web::Path<(String, DatasetId)>,
    query: web::Query<Query>,
) -> PageResult {
    let dataset = withdrawable(&db, page.actor(), path.1).await?;
    let extent = query.extent.parse().map_err(|_| AppError::NotFound)?;
    let sheet = Sheet {
        extent,
        reason: String::new(),
        errors: FieldErrors::default(),
    };
    let drawn = draw(&page, (&db, &config), dataset, sheet).await?;
    page.show(&drawn)
}

#[derive(Deserialize)]
struct Form {
    #[serde(default)]
    extent: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    seen: String,
}

#[post("/{lang:nl|en}/datasets/{dataset}/withdraw")]
async fn confirm(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: web::Path<(String, DatasetId)>,
    ProtectedForm(form): ProtectedForm<Form>,
) -> PageResult {
    let dataset = withdrawable(&db, page.actor(), path.1).await?;
    let extent: Extent = form
        .extent
        .parse()
        .map_err(|_| AppError::Invalid(Say::new("withdrawal-unknown-extent")))?;
    let mut errors = FieldErrors::default();
    let reason = reason(&mut errors, &form.reason);
    if !errors.is_empty() {
        let sheet = Sheet {
            extent,
            reason: form.reason,
            errors,
        };
        let drawn = draw(&page, (&db, &config), dataset, sheet).await?;
        return page.show_invalid(&drawn);
    }
    let request = Request {
        target: Target {
            dataset: dataset.id,
            extent,
            locations: config.locations(),
        },
        reason,
        seen: Some(form.seen).filter(|seen| !seen.is_empty()),
    };
    let id = match withdraw(&db, page.actor(), &request).await {
        Err(WithdrawError::Changed) => {
            let mut errors = FieldErrors::default();
            errors.add("reason", Say::new("withdrawal-changed"));
            let sheet = Sheet {
                extent,
                reason: form.reason,
                errors,
            };
            let drawn = draw(&page, (&db, &config), dataset, sheet).await?;
            return page.show_invalid(&drawn);
        }
        done => done.map_err(AppError::from)?,
    };
    Ok(see_other(&page.path(&format!("/withdrawals/{id}"))))
}

/// The form as it was filled in.
struct Sheet {
    extent: Extent,
    reason: String,
    errors: FieldErrors,
}

async fn draw(
    page: &Page,
    (db, config): (&Db, &Config),
    dataset: Dataset,
    sheet: Sheet,
) -> Result<AskPage, AppError> {
    let lang = page.lang();
    let target = Target {
        dataset: dataset.id,
        extent: sheet.extent,
        locations: config.locations(),
    };
    let found = preview(db, &target).await?;
    let count = |n: usize| n.to_string();
    Ok(AskPage {
        chrome: page.chrome(),
        dataset: dataset.id,
        summary: lang.t_with(
            "withdrawal-summary",
            &[
                ("jobs", count(found.unfinished_jobs())),
                ("models", count(found.models.len())),
                ("keys", count(found.keys.len())),
            ],
        ),
        extent: sheet.extent.to_string(),
        choices: choices(page, db, dataset.id, sheet.extent).await?,
        siblings: siblings(page, &found),
        effects: effects(page, db, &found),
        jobs: job_rows(page, db, &found),
        models: model_rows(page, &found),
        keys: keys(page, &found),
        licensees: licensees(page, &found),
        seen: found.reach.in_short(),
        is_empty: found.reach.is_empty,
        title: dataset.facts.title,
        reason: sheet.reason,
        errors: problems(lang, &sheet.errors),
    })
}

/// Which other versions hold the same files and stay, and what to withdraw where that is not meant.
fn siblings(page: &Page, found: &Preview) -> String {
    let numbers: Vec<String> = found
        .reach
        .siblings
        .iter()
        .map(|sibling| sibling.number.to_string())
        .collect();
    if numbers.is_empty() {
        return String::new();
    }
    page.lang().t_with(
        "withdrawal-siblings",
        &[
            ("count", numbers.len().to_string()),
            ("versions", numbers.join(", ")),
        ],
    )
}

/// The keys: by name for the platform, how many each institution has for others.
fn keys(page: &Page, found: &Preview) -> Vec<Named> {
    if page.actor().is_platform() {
        let named = found.keys.iter().take(MOST_ROWS).map(|key| Named {
            name: key.name.clone(),
            whose: key.institution.clone(),
        });
        return named.collect();
    }
    found
        .keys_by_institution()
        .into_iter()
        .take(MOST_ROWS)
        .map(|(institution, count)| Named {
            name: page
                .lang()
                .t_with("withdrawal-keys-count", &[("keys", count.to_string())]),
            whose: institution.to_owned(),
        })
        .collect()
}

/// The licensees, for the platform alone, which keeps the register; others see how many there are.
fn licensees(page: &Page, found: &Preview) -> Vec<Named> {
    if !page.actor().is_platform() {
        return Vec::new();
    }
    found
        .licensees
        .iter()
        .take(MOST_ROWS)
        .map(|licensee| Named {
            name: licensee.model_name.clone(),
            whose: licensee.name.clone(),
        })
        .collect()
}

/// How much can be withdrawn; only what makes a difference.
async fn choices(
    page: &Page,
    db: &Db,
    dataset: DatasetId,
    chosen: Extent,
) -> Result<Vec<Choice>, AppError> {
    let lang = page.lang();
    let mut conn = db.read().await?;
    let standing = permissions::standing(&mut conn, dataset).await?;
    let versions = store::versions(&mut conn, dataset).await?;
    drop(conn);
    let mut found = vec![(Extent::Dataset, None, String::new())];
    if versions.len() > 1 {
        found.extend(
            versions
                .iter()
                .filter(|version| !matches!(version.status.as_str(), "withdrawn" | "rejected"))
                .map(|version| {
                    (
                        Extent::Version(version.id),
                        Some(version.number),
                        String::new(),
                    )
                }),
        );
    }
    let layers: Vec<Layer> = Layer::ALL
        .iter()
        .copied()
        .filter(|layer| standing.iter().any(|one| one.layer == *layer))
        .collect();
    if layers.len() > 1 {
        found.extend(
            layers
                .iter()
                .map(|layer| (Extent::Layer(*layer), None, String::new())),
        );
    }
    if standing.len() > 1 {
        found.extend(standing.iter().map(|one| {
            let layer = lang.t(&format!("layer-{}", super::parts::dashed(one.layer.name())));
            (
                Extent::Permission(one.id),
                None,
                lang.t_with(
                    "extent-permission-hint",
                    &[("layer", layer), ("id", one.id.to_string())],
                ),
            )
        }));
    }
    Ok(found
        .into_iter()
        .map(|(extent, number, hint)| Choice {
            value: extent.to_string(),
            label: extent_words(lang, extent, number),
            hint,
            is_chosen: extent == chosen,
        })
        .collect())
}

fn effects(page: &Page, db: &Db, found: &Preview) -> Vec<Effect> {
    let (lang, now) = (page.lang(), db.now());
    let at_once = lang.t("effect-at-once");
    let worker = lang.t("effect-by-portal");
    let count = |n: usize| number(lang, i64::try_from(n).unwrap_or(i64::MAX));
    let line = |key: &str, count: String, by_when: &str, by_whom: &str| Effect {
        what: lang.t(&format!("effect-{key}")),
        count,
        follows: lang.t(&format!("effect-{key}-follows")),
        by_when: by_when.to_owned(),
        by_whom: by_whom.to_owned(),
    };
    let delete_by = now + TimeDelta::days(i64::from(found.reach.delete_within_days));
    let delete_by = (!found.reach.fallen.is_empty()).then_some(delete_by);
    let until = |at| lang.t_with("effect-before", &[("day", day(lang, at))]);
    let mut lines = vec![
        line(
            "permissions",
            count(found.reach.permissions.len()),
            &at_once,
            &worker,
        ),
        line("jobs", count(found.unfinished_jobs()), &at_once, &worker),
    ];
    let operator = lang.t("role-operator");
    let models = format!("models-{}", found.reach.consequence.name());
    let (models_when, models_who) = match found.reach.consequence {
        Consequence::Keep | Consequence::Retire => (at_once.clone(), worker.clone()),
        Consequence::Retrain => (
            until(Kind::DecideModels.due(now, delete_by)),
            operator.clone(),
        ),
    };
    lines.push(line(
        &models,
        count(found.models.len()),
        &models_when,
        &models_who,
    ));
    if found.reach.consequence != Consequence::Keep {
        lines.push(line("served", count(found.served()), &at_once, &worker));
    }
    lines.push(line("keys", count(found.keys.len()), &at_once, &worker));
    lines.push(line(
        "licensees",
        count(found.licensees.len()),
        &at_once,
        &worker,
    ));
    if let Some(delete_by) = delete_by {
        let size = format!(
            "{} ({})",
            number(lang, found.copies.files),
            bytes(lang, found.copies.size_bytes)
        );
        lines.push(line("copies", size, &until(delete_by), &worker));
    }
    if !found.reach.siblings.is_empty() {
        lines.push(line("siblings", count(found.reach.siblings.len()), "", ""));
    }
    if !found.models.is_empty() {
        lines.push(line(
            "documents",
            String::new(),
            &until(Kind::UpdateDocuments.due(now, delete_by)),
            &lang.t("role-legal_reviewer"),
        ));
    }
    lines
}
