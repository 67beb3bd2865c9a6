//! What several of these pages show.

use super::super::{reach::Preview, scope::Extent};
use crate::{
    datasets,
    db::Db,
    error::AppError,
    ids::DatasetId,
    jobs::JobBrief,
    policy::{self, Action, Actor},
    web::{FieldErrors, Lang, Page, Text, moment},
};

/// A job of a table.
pub(super) struct JobRow {
    pub(super) title: String,
    pub(super) institution: String,
    pub(super) status: String,
    pub(super) when: String,
}

/// A model of a table.
pub(super) struct ModelRow {
    pub(super) name: String,
    pub(super) institution: String,
    pub(super) serving: String,
}

/// Rows of one table that are drawn at most; the counts say how many there are.
pub(super) const MOST_ROWS: usize = 100;

pub(super) fn job_rows(page: &Page, db: &Db, found: &Preview) -> Vec<JobRow> {
    let lang = page.lang();
    found
        .jobs
        .iter()
        .map(|job| JobRow {
            title: title_for(page, job),
            institution: job.institution_name.clone(),
            status: lang.t(&format!("jobs-status-{}", job.status.name())),
            when: moment(lang, db.now(), job.requested_at),
        })
        .collect()
}

pub(super) fn model_rows(page: &Page, found: &Preview) -> Vec<ModelRow> {
    let lang = page.lang();
    found
        .models
        .iter()
        .take(MOST_ROWS)
        .map(|model| ModelRow {
            name: known(page, model.name_for(page.actor())),
            institution: model.institution.clone(),
            serving: lang.t(if model.is_served {
                "model-serving-ready"
            } else {
                "model-serving-none"
            }),
        })
        .collect()
}

/// A job's title for its own institution and the platform; what it is for, for others.
fn title_for(page: &Page, job: &JobBrief) -> String {
    if page.actor().is_platform() || page.actor().institution == job.institution {
        return job.title.clone();
    }
    let lang = page.lang();
    let purpose = lang.t(&format!("purpose-{}", dashed(job.purpose.name())));
    lang.t_with("contribution-job-for", &[("purpose", purpose)])
}

/// A model's name, or that it has none that may be known.
pub(super) fn known(page: &Page, name: Option<&str>) -> String {
    name.map_or_else(|| page.lang().t("withdrawal-model-unnamed"), str::to_owned)
}

/// Something wrong with a field.
pub(super) struct Problem {
    pub(super) field: &'static str,
    pub(super) text: String,
}

pub(super) fn problems(lang: Lang, errors: &FieldErrors) -> Vec<Problem> {
    errors
        .iter()
        .map(|(field, say)| Problem {
            field,
            text: lang.say(say),
        })
        .collect()
}

/// The dataset, where `actor` may withdraw or revoke permission for it.
pub(super) async fn withdrawable(
    db: &Db,
    actor: &Actor,
    id: DatasetId,
) -> Result<datasets::Dataset, AppError> {
    let dataset = datasets::find(db, id).await?.ok_or(AppError::NotFound)?;
    // Whoever may not even see it hears that it is not there.
    let _seen = policy::check(actor, Action::ViewDataset, &dataset.scope())?;
    let _permit = super::super::cascade::leave(actor, dataset.institution)?;
    Ok(dataset)
}

/// A reason, as people give one.
pub(super) fn reason(errors: &mut FieldErrors, raw: &str) -> String {
    let bounds = Text {
        least: 1,
        most: 2000,
    };
    errors.text("reason", raw, bounds)
}

/// How much is withdrawn, in words.
pub(super) fn extent_words(lang: Lang, extent: Extent, version_number: Option<i32>) -> String {
    match extent {
        Extent::Dataset => lang.t("extent-dataset"),
        Extent::Version(_) => lang.t_with(
            "extent-version",
            &[("number", version_number.unwrap_or_default().to_string())],
        ),
        Extent::Layer(layer) => lang.t_with(
            "extent-layer",
            &[("layer", lang.t(&format!("layer-{}", dashed(layer.name()))))],
        ),
        Extent::Permission(_) => lang.t("extent-permission"),
    }
}

/// Words of the database as parts of keys of texts.
pub(super) fn dashed(word: &str) -> String {
    word.replace('_', "-")
}
