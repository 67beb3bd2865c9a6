//! The request: purpose, datasets, compute and summary on one page, with what the rules say before it is sent.

use actix_web::{get, post, web};
use askama::Template;

use super::{
    super::{
        Compute, Draft, JobError, Method, RawDraft, RawSettings,
        draft::{territory, yes_no},
        find_visible,
        request::{self, decide_now},
        settings::method,
        store,
    },
    FormProblem, VerdictLine,
    queue::{Compared, expected},
    wizard,
    words::{rules, verdict_line},
};
use crate::{
    config::Config,
    datasets::{self, PublishedVersion},
    db::Db,
    error::{AppError, Say},
    ids::JobId,
    models::{self, Model},
    permissions::{self, COUNTRIES, Recipients, Territory, Use},
    policy::{self, Action, Scope},
    web::{Chrome, FieldErrors, Lang, Page, PageResult, ProtectedForm, back_with, filters, number},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(blank).service(send);
}

pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) hint: String,
    pub(super) is_chosen: bool,
}

#[derive(Template)]
#[template(path = "jobs/new.html")]
struct NewPage {
    chrome: Chrome,
    raw: RawDraft,
    methods: Vec<Choice>,
    wizard: wizard::Wizard,
    /// What the work will hold in memory; empty where nobody can say.
    memory: String,
    commercial: Vec<Choice>,
    recipients: Vec<Choice>,
    territories: Vec<Choice>,
    /// Where the data would be processed, in words.
    runs_in: String,
    bases: Vec<Choice>,
    versions: Vec<Choice>,
    /// What the rules say to the chosen datasets.
    verdicts: Vec<VerdictLine>,
    /// What it would need.
    estimate: Option<Compared>,
    /// What the approver will read.
    statement: String,
    errors: Vec<FormProblem>,
}

impl NewPage {
    fn error(&self, field: &str) -> &str {
        self.errors
            .iter()
            .find(|error| error.field == field)
            .map_or("", |error| error.text.as_str())
    }
}

/// The form; fields in the address are filled in.
#[get("/{lang:nl|en}/jobs/new")]
async fn blank(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    compute: web::Data<Compute>,
    request: actix_web::HttpRequest,
) -> PageResult {
    may_request(&page)?;
    let location = config.training.location;
    let query = request.query_string();
    let given: Fields =
        serde_html_form::from_str(query).map_err(|_| AppError::invalid("form-unreadable"))?;
    let from = given.iter().find(|(name, _)| name == "from");
    let raw = match from {
        Some((_, job)) => alike(&db, &page, job).await?,
        None => or_fresh(draft_of(&given)),
    };
    let shown = draw(
        &db,
        &page,
        raw,
        &FieldErrors::default(),
        (location, &compute),
    )
    .await?;
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
    let versions = store::input_versions(&mut conn, job.id).await?;
    Ok(RawDraft::of(&job, &versions))
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
    config: web::Data<Config>,
    compute: web::Data<Compute>,
    ProtectedForm(fields): ProtectedForm<Fields>,
) -> PageResult {
    may_request(&page)?;
    let location = config.training.location;
    let mut raw = draft_of(&fields);
    if method(&raw).is_some_and(|method| !method.has_base()) {
        // The form always names one; a model from nothing has none.
        raw.base_model.clear();
    }
    if fields
        .iter()
        .any(|(name, value)| name == "action" && value == "check")
    {
        let shown = draw(
            &db,
            &page,
            raw,
            &FieldErrors::default(),
            (location, &compute),
        )
        .await?;
        return page.show(&shown);
    }
    let draft = match Draft::parse(&raw) {
        Ok(draft) => draft,
        Err(errors) => {
            let shown = draw(&db, &page, raw, &errors, (location, &compute)).await?;
            return page.show_invalid(&shown);
        }
    };
    match request::request(&db, page.actor(), &draft, &compute).await {
        Ok(id) => {
            let path = page.path(&format!("/jobs/{id}"));
            Ok(back_with(&path, "good", "flash-job-requested"))
        }
        Err(error @ (JobError::NotPermitted(_) | JobError::UnknownBase)) => {
            let mut errors = FieldErrors::default();
            match error {
                JobError::UnknownBase => errors.add("base_model", Say::new("jobs-unknown-base")),
                _ => errors.add("dataset_versions", Say::new("jobs-not-permitted")),
            }
            let shown = draw(&db, &page, raw, &errors, (location, &compute)).await?;
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

async fn draw(
    db: &Db,
    page: &Page,
    mut raw: RawDraft,
    errors: &FieldErrors,
    (location, compute): (Territory, &Compute),
) -> Result<NewPage, AppError> {
    let lang = page.lang();
    let bases = models::base_models(db).await?;
    if raw.base_model.is_empty()
        && let Some(first) = bases.first()
    {
        raw.base_model = first.id.to_string();
    }
    let published = datasets::published(db).await?;
    let chosen = method(&raw);
    let wanted = wanted(&raw, &bases, location);
    let (versions, verdicts) = judge(db, lang, &raw, &published, wanted.as_ref()).await?;
    let estimate = expected(db, lang, compute, (&raw, &published)).await?;
    Ok(NewPage {
        chrome: page.chrome(),
        estimate,
        methods: wizard::methods(lang, chosen),
        wizard: wizard::Wizard::of(lang, &raw, errors),
        memory: wizard::memory(lang, &raw),
        commercial: ["no", "yes"]
            .map(|value| {
                choice(
                    value,
                    lang.t(&format!("commercial-{value}")),
                    &raw.is_commercial,
                )
            })
            .into(),
        recipients: Recipients::ALL
            .iter()
            .map(|one| {
                let key = format!("recipients-{}", one.name().replace('_', "-"));
                choice(one.name(), lang.t(&key), &raw.recipients)
            })
            .collect(),
        territories: territories(lang, &raw.territory),
        runs_in: lang.t_with(
            "jobs-runs-in",
            &[("place", permissions::place(lang, location))],
        ),
        statement: statement(page, &raw, &bases),
        bases: bases
            .iter()
            .map(|base| choice(&base.id.to_string(), base.name.clone(), &raw.base_model))
            .collect(),
        versions,
        verdicts,
        errors: errors
            .iter()
            .map(|(field, say)| FormProblem {
                field,
                text: lang.say(say),
            })
            .collect(),
        raw,
    })
}

/// Every place a result may be used in, the nearest first.
fn territories(lang: Lang, chosen: &str) -> Vec<Choice> {
    ["NL", "EU", "EEA", "world"]
        .into_iter()
        .chain(COUNTRIES.split(' ').filter(|code| *code != "NL"))
        .filter_map(|code| {
            let place = code.parse().ok()?;
            Some(choice(code, permissions::place(lang, place), chosen))
        })
        .collect()
}

pub(super) fn choice(value: &str, label: String, chosen: &str) -> Choice {
    Choice {
        value: value.to_owned(),
        label,
        hint: String::new(),
        is_chosen: value == chosen,
    }
}

/// What is asked of the permissions, as far as the form says it.
fn wanted(raw: &RawDraft, bases: &[Model], location: Territory) -> Option<Use> {
    let method = method(raw)?;
    let family = if method.has_base() {
        let base = bases
            .iter()
            .find(|base| base.id.to_string() == raw.base_model)?;
        base.family.as_str()
    } else {
        models::NEW_FAMILY
    };
    Some(Use {
        purpose: method.purpose(),
        recipients: raw.recipients.parse().ok()?,
        is_commercial: yes_no(&raw.is_commercial)?,
        model_family: family.to_owned(),
        processing_location: location,
        territory: territory(&raw.territory)?,
    })
}

/// Every dataset as a choice, with the verdict beside it; and the verdicts on those chosen.
async fn judge(
    db: &Db,
    lang: Lang,
    raw: &RawDraft,
    published: &[PublishedVersion],
    wanted: Option<&Use>,
) -> Result<(Vec<Choice>, Vec<VerdictLine>), AppError> {
    let mut conn = db.read().await?;
    let (mut choices, mut verdicts) = (Vec::new(), Vec::new());
    for one in published {
        let value = one.version.to_string();
        let is_chosen = raw.dataset_versions.contains(&value);
        let verdict = match wanted {
            Some(wanted) => decide_now(&mut conn, one.version, wanted, db.now()).await?,
            None => None,
        };
        let label = format!("{} ({})", one.title, one.institution);
        let mut hint = lang.t_with(
            "jobs-dataset-hint",
            &[
                ("documents", number(lang, one.documents)),
                ("licence", one.license.clone()),
            ],
        );
        if let Some(verdict) = &verdict {
            let mark = if verdict.is_allowed { "✓" } else { "✗" };
            hint = format!("{hint} {mark} {}", rules(lang, verdict));
            if is_chosen {
                verdicts.push(verdict_line(lang, label.clone(), verdict));
            }
        }
        choices.push(Choice {
            value,
            label,
            hint,
            is_chosen,
        });
    }
    Ok((choices, verdicts))
}

/// What the approver sees: the request as one sentence.
fn statement(page: &Page, raw: &RawDraft, bases: &[Model]) -> String {
    let lang = page.lang();
    let method = method(raw).unwrap_or(Method::Lora);
    let base = bases
        .iter()
        .find(|base| base.id.to_string() == raw.base_model);
    let base = match base {
        _ if !method.has_base() => String::new(),
        Some(base) => base.name.clone(),
        None => return lang.t("jobs-no-base"),
    };
    let profit = if raw.is_commercial == "yes" {
        "permission-with-profit"
    } else {
        "permission-without-profit"
    };
    let recipients = raw.recipients.parse().unwrap_or(Recipients::Consortium);
    let recipients = format!("recipients-{}", recipients.name().replace('_', "-"));
    lang.t_with(
        &format!("jobs-statement-{}", method.name()),
        &[
            (
                "who",
                page.chrome()
                    .user
                    .map(|user| user.institution)
                    .unwrap_or_default(),
            ),
            ("base", base),
            ("count", raw.dataset_versions.len().to_string()),
            ("recipients", lang.t(&recipients)),
            ("profit", lang.t(profit)),
        ],
    )
}
