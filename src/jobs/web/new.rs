//! The request: purpose, datasets, compute and summary on one page, with what the rules say before it is sent.

use actix_web::{get, post, web};

use super::{
    super::{
        Compute, Draft, JobError, RawDraft, RawSettings, find_visible, request, settings::method,
        store,
    },
    new_page::draw,
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::JobId,
    policy::{self, Action, Scope},
    web::{FieldErrors, Page, PageResult, ProtectedForm, back_with},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(blank).service(send);
}

/// The form; fields in the address are filled in.
#[get("/{lang:nl|en}/jobs/new")]
async fn blank(
    page: Page,
    db: web::Data<Db>,
    compute: web::Data<Compute>,
    request: actix_web::HttpRequest,
) -> PageResult {
    may_request(&page)?;
    let query = request.query_string();
    let given: Fields =
        serde_html_form::from_str(query).map_err(|_| AppError::invalid("form-unreadable"))?;
    let from = given.iter().find(|(name, _)| name == "from");
    let raw = match from {
        Some((_, job)) => alike(&db, &page, job).await?,
        None => or_fresh(draft_of(&given)),
    };
    let shown = draw(&db, &page, raw, &FieldErrors::default(), &compute).await?;
    page.show(&shown)
}

/// The fields of a form as they came, in order.
type Fields = Vec<(String, String)>;

fn draft_of(fields: &Fields) -> RawDraft {
    let all = |name: &str| {
        let values = fields.iter().filter(|(field, _)| field == name);
        values.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let one = |name: &str| all(name).into_iter().next().unwrap_or_default();
    let mut settings = RawSettings {
        target_modules: all("target_modules"),
        ..RawSettings::default()
    };
    for (name, text) in settings.texts() {
        *text = one(name);
    }
    RawDraft {
        title: one("title"),
        motivation: one("motivation"),
        purpose: one("purpose"),
        is_commercial: one("is_commercial"),
        recipients: one("recipients"),
        territory: one("territory"),
        base_model: one("base_model"),
        dataset_versions: all("dataset_versions"),
        epochs: one("epochs"),
        max_steps: one("max_steps"),
        rank: one("rank"),
        learning_rate: one("learning_rate"),
        sequence_length: one("sequence_length"),
        batch_size: one("batch_size"),
        place: one("place"),
        time_limit_seconds: one("time_limit_seconds"),
        settings,
    }
}

/// The request that another job was asked for with.
async fn alike(db: &Db, page: &Page, job: &str) -> Result<RawDraft, AppError> {
    let id: JobId = job.parse().map_err(|_| AppError::NotFound)?;
    let job = find_visible(db, page.actor(), id)
        .await?
        .ok_or(AppError::NotFound)?;
    let mut conn = db.read().await?;
    // What was measured on alone is not to be learnt from.
    let measured_on = store::validation_versions(&mut conn, job.id).await?;
    let mut versions = store::input_versions(&mut conn, job.id).await?;
    versions.retain(|version| !measured_on.contains(version));
    let mut raw = RawDraft::of(&job, &versions);
    if let Some(asked) = store::asked_of_queue(&mut conn, job.id).await? {
        raw.place = asked.place.unwrap_or_default();
        raw.time_limit_seconds = asked
            .time_limit_seconds
            .map(|seconds| seconds.to_string())
            .unwrap_or_default();
    }
    Ok(raw)
}

/// A form as it is first shown, with what was given.
pub(super) fn or_fresh(given: RawDraft) -> RawDraft {
    let fresh = RawDraft::fresh();
    let or = |given: String, fresh: String| if given.is_empty() { fresh } else { given };
    RawDraft {
        is_commercial: or(given.is_commercial, fresh.is_commercial),
        recipients: or(given.recipients, fresh.recipients),
        territory: or(given.territory, fresh.territory),
        epochs: or(given.epochs, fresh.epochs),
        rank: or(given.rank, fresh.rank),
        sequence_length: or(given.sequence_length, fresh.sequence_length),
        batch_size: or(given.batch_size, fresh.batch_size),
        ..given
    }
}

#[post("/{lang:nl|en}/jobs/new")]
async fn send(
    page: Page,
    db: web::Data<Db>,
    compute: web::Data<Compute>,
    ProtectedForm(fields): ProtectedForm<Fields>,
) -> PageResult {
    may_request(&page)?;
    let mut raw = draft_of(&fields);
    if method(&raw).is_some_and(|method| !method.has_base()) {
        // The form always names one; a model from nothing has none.
        raw.base_model.clear();
    }
    if fields
        .iter()
        .any(|(name, value)| name == "action" && value == "check")
    {
        let shown = draw(&db, &page, raw, &FieldErrors::default(), &compute).await?;
        return page.show(&shown);
    }
    let draft = match Draft::parse(&raw) {
        Ok(draft) => draft,
        Err(errors) => {
            let shown = draw(&db, &page, raw, &errors, &compute).await?;
            return page.show_invalid(&shown);
        }
    };
    match request(&db, page.actor(), &draft, &compute).await {
        Ok(id) => {
            let path = page.path(&format!("/jobs/{id}"));
            Ok(back_with(&path, "good", "flash-job-requested"))
        }
        Err(
            error @ (JobError::NotPermitted(_)
            | JobError::UnknownBase
            | JobError::UnknownPlace
            | JobError::DoesNotFit(_)),
        ) => {
            let mut errors = FieldErrors::default();
            match error {
                JobError::DoesNotFit(why) => errors.add("sequence_length", why.say()),
                JobError::UnknownPlace => errors.add("place", Say::new("jobs-unknown-place")),
                JobError::UnknownBase => errors.add("base_model", Say::new("jobs-unknown-base")),
                _ => errors.add("dataset_versions", Say::new("jobs-not-permitted")),
            }
            let shown = draw(&db, &page, raw, &errors, &compute).await?;
            page.show_invalid(&shown)
        }
        Err(error) => Err(AppError::from(error).into()),
    }
}

fn may_request(page: &Page) -> Result<(), AppError> {
    let own = Scope::of(page.actor().institution);
    let _permit = policy::check(page.actor(), Action::RequestJob, &own)?;
    Ok(())
}
