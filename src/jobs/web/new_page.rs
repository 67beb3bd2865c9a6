//! The form of a request with everything beside it: what the rules say, what it would need, what the approver will read.

use askama::Template;

use super::{
    super::{
        Compute, Method, RawDraft,
        compute::Site,
        draft::{territory, yes_no},
        estimate_request::places_allowed,
        memory::{Need, roomy},
        request::decide_now,
        settings::method,
    },
    FormProblem, VerdictLine,
    queue::{Compared, expected},
    wizard,
    words::{rules, verdict_line},
};
use crate::{
    datasets::{self, PublishedVersion},
    db::Db,
    error::AppError,
    ids::DatasetVersionId,
    models::{self, Model},
    permissions::{self, COUNTRIES, Recipients, Territory, Use},
    web::{Chrome, FieldErrors, Lang, Page, filters, number},
};

pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) hint: String,
    pub(super) is_chosen: bool,
}

#[derive(Template)]
#[template(path = "jobs/new.html")]
pub(super) struct NewPage {
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

/// The page as it stands with these fields.
pub(super) async fn draw(
    db: &Db,
    page: &Page,
    mut raw: RawDraft,
    errors: &FieldErrors,
    compute: &Compute,
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
    let would_go = would_go(db, (&raw, &bases), &published, compute).await?;
    let WouldGo {
        sites,
        location,
        need,
    } = would_go;
    let wanted = location.and_then(|location| wanted(&raw, &bases, location));
    let (versions, verdicts) = judge(db, lang, &raw, &published, wanted.as_ref()).await?;
    let memory = wizard::memory(lang, need.as_ref(), &sites);
    let estimate = expected(db, lang, sites, (&raw, &published)).await?;
    Ok(NewPage {
        chrome: page.chrome(),
        estimate,
        methods: wizard::methods(lang, chosen),
        wizard: wizard::Wizard::of(lang, (&raw, &compute.names()), errors),
        memory,
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
        runs_in: location.map_or_else(String::new, |location| {
            let place = permissions::place(lang, location);
            lang.t_with("jobs-runs-in", &[("place", place)])
        }),
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

/// Where the job of a form would run.
struct WouldGo<'a> {
    /// Those that fit and where the rules say yes to all that is chosen; where they do nowhere, all that fit.
    sites: Vec<&'a Site>,
    /// Of the first of them with the memory; none, where no place of this portal is known.
    location: Option<Territory>,
    need: Option<Need>,
}

/// As a request is judged.
async fn would_go<'a>(
    db: &Db,
    (raw, bases): (&RawDraft, &[Model]),
    published: &[PublishedVersion],
    compute: &'a Compute,
) -> Result<WouldGo<'a>, AppError> {
    let place = Some(raw.place.as_str()).filter(|place| !place.is_empty());
    let versions: Vec<DatasetVersionId> = published
        .iter()
        .map(|one| one.version)
        .filter(|version| raw.dataset_versions.contains(&version.to_string()))
        .collect();
    let wanted = |location| wanted(raw, bases, location);
    let of = (versions.as_slice(), &wanted);
    let mut conn = db.read().await?;
    let where_to = (place, raw.time_limit_seconds.parse().ok());
    let sites = places_allowed(&mut conn, (compute, where_to), of, db.now()).await?;
    let need = wizard::need(&mut conn, raw, &versions).await?;
    // The rules are told for any place where none fits.
    let told_of = if sites.is_empty() {
        places_allowed(&mut conn, (compute, (None, None)), of, db.now()).await?
    } else {
        sites.clone()
    };
    let needs = need.as_ref().map(Need::bytes);
    let location = roomy(told_of, needs).first().map(|site| site.location);
    Ok(WouldGo {
        sites,
        location,
        need,
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
