//! The documents of one model for those who work on it: what is missing, prepare, publish, decide.

use actix_web::{get, post, web};
use askama::Template;
use serde::Deserialize;

use super::{
    drafts,
    draw::{self, MissingView},
    public::{DocumentPage, LinkView},
    visible_model,
};
use crate::{
    db::Db,
    disclosures::{
        Conclusion, Document, decide_modification,
        document::{decimal, scientific},
        kind::Kind,
        prepare, publish,
        ratio::Standing,
        return_to_operator, store,
    },
    error::{AppError, Say},
    ids::{DisclosureId, ModelId},
    models,
    policy::{self, Action, Scope},
    web::{Chrome, FieldErrors, Page, PageResult, ProtectedForm, Text, back_with, filters, moment},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(show)
        .service(freeze)
        .service(decide)
        .service(conclude)
        .service(draft);
}

struct Doc {
    title: String,
    href: String,
    missing: Vec<MissingView>,
    readers: String,
}

struct VersionRow {
    number: i32,
    badge: &'static str,
    state: String,
    reason: String,
    documents: Vec<LinkView>,
}

/// What waits for the reader's decision.
struct Pending {
    id: DisclosureId,
    number: i32,
}

struct Choice {
    value: &'static str,
    label: String,
    hint: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "disclosures/model.html")]
struct ModelPage {
    chrome: Chrome,
    id: ModelId,
    name: String,
    documents: Vec<Doc>,
    missing: usize,
    /// How far the model was modified, as a sentence.
    ratio: String,
    standing: String,
    standing_badge: &'static str,
    needs_decision: bool,
    conclusions: Vec<Choice>,
    due: Option<String>,
    versions: Vec<VersionRow>,
    can_prepare: bool,
    pending: Option<Pending>,
    own_pending: bool,
    can_decide: bool,
    reason_error: String,
    reason: String,
}

/// Of a base model that was made elsewhere: why there are no documents of ours, and where its maker tells of it.
#[derive(Template)]
#[template(path = "disclosures/made_elsewhere.html")]
struct BasePage {
    chrome: Chrome,
    id: ModelId,
    name: String,
    evidence: Option<String>,
    summary: Option<String>,
}

async fn draw_page(page: &Page, db: &Db, id: ModelId) -> Result<ModelPage, AppError> {
    let (lang, now, actor) = (page.lang(), db.now(), page.actor());
    let (model, documents) = drafts(db, actor, id).await?;
    let mut conn = db.read().await?;
    let ledger = store::ledger(&mut conn, id, now)
        .await?
        .ok_or(AppError::NotFound)?;
    let ratio = ledger.ratio();
    let standing = ratio.standing();
    let known = store::of_model(&mut conn, id).await?;
    let newest_published = known.iter().find(|one| one.published_at().is_some());
    let due = match newest_published {
        Some(version) => store::dues(&mut conn, version.id).await?.first().copied(),
        None => None,
    };
    let scope = Scope::of(model.institution);
    let undecided = known.first().filter(|newest| newest.decision.is_none());
    let mut missing: Vec<String> = documents
        .iter()
        .flat_map(Document::missing)
        .map(|one| one.field)
        .collect();
    missing.sort_unstable();
    missing.dedup();
    let is_decider = policy::check(actor, Action::PublishDisclosure, &scope).is_ok();
    let pending = undecided.filter(|version| {
        let scope = scope.requested_by(Some(version.prepared_by));
        policy::check(actor, Action::PublishDisclosure, &scope).is_ok()
    });
    Ok(ModelPage {
        chrome: page.chrome(),
        id,
        name: model.name.clone(),
        documents: documents
            .iter()
            .map(|document| Doc {
                title: document.title.of_lang(lang).to_owned(),
                href: page.path(&format!(
                    "/models/{id}/disclosures/{}",
                    document.kind.name()
                )),
                missing: document
                    .missing()
                    .iter()
                    .map(|one| {
                        draw::missing_view(lang, one.label.of_lang(lang), &one.who, &one.href)
                    })
                    .collect(),
                readers: lang.t(if document.kind.is_public() {
                    "disclosure-readers-everybody"
                } else {
                    "disclosure-readers-model"
                }),
            })
            .collect(),
        missing: missing.len(),
        ratio: lang.t_with(
            "disclosure-ratio-now",
            &[
                ("flop", scientific(lang, ratio.cumulative_flop)),
                ("reference", scientific(lang, ratio.reference_flop)),
                ("percent", decimal(lang, ratio.ratio * 100.0, 4)),
            ],
        ),
        standing: lang.t(&format!("disclosure-standing-{}", standing.name())),
        standing_badge: match standing {
            Standing::Small => "granted",
            Standing::Notable => "neutral",
            Standing::Decisive => "refused",
        },
        needs_decision: standing == Standing::Decisive && ledger.counting_decision().is_none(),
        conclusions: Conclusion::ALL
            .into_iter()
            .map(|one| Choice {
                value: one.name(),
                label: lang.t(&format!(
                    "disclosure-conclusion-{}",
                    one.name().replace('_', "-")
                )),
                hint: String::new(),
                is_chosen: false,
            })
            .collect(),
        due: due.map(|(reason, _)| {
            lang.t(&format!(
                "disclosure-due-{}",
                reason.name().replace('_', "-")
            ))
        }),
        versions: known
            .iter()
            .map(|version| {
                let (key, badge, when) = match (&version.decision, version.published_at()) {
                    (_, Some(at)) => ("disclosure-state-published", "granted", at),
                    (Some(decision), None) => ("disclosure-state-returned", "refused", decision.at),
                    (None, None) => ("disclosure-state-prepared", "running", version.prepared_at),
                };
                VersionRow {
                    number: version.number,
                    badge,
                    state: lang.t_with(
                        key,
                        &[
                            ("version", version.number.to_string()),
                            ("when", moment(lang, now, when)),
                        ],
                    ),
                    reason: version
                        .decision
                        .as_ref()
                        .map(|decision| decision.reason.clone())
                        .unwrap_or_default(),
                    documents: Kind::ALL
                        .into_iter()
                        .map(|kind| LinkView {
                            label: draw::title(lang, kind),
                            href: page.path(&format!(
                                "/disclosures/{}/{}",
                                version.id,
                                kind.name()
                            )),
                            is_current: false,
                        })
                        .collect(),
                }
            })
            .collect(),
        can_prepare: policy::check(actor, Action::PrepareDisclosure, &scope).is_ok(),
        own_pending: is_decider && undecided.is_some() && pending.is_none(),
        pending: pending.map(|version| Pending {
            id: version.id,
            number: version.number,
        }),
        can_decide: policy::check(actor, Action::DecideModification, &scope).is_ok(),
        reason_error: String::new(),
        reason: String::new(),
    })
}

#[get("/{lang:nl|en}/models/{model}/disclosures")]
async fn show(page: Page, db: web::Data<Db>, path: web::Path<(String, ModelId)>) -> PageResult {
    let mut conn = db.read().await?;
    let model = visible_model(&mut conn, page.actor(), path.1).await?;
    if model.kind == models::Kind::Base {
        let known = store::base_facts(&mut conn, model.id, db.now()).await?;
        return page.show(&BasePage {
            chrome: page.chrome(),
            id: model.id,
            name: model.name,
            evidence: known.as_ref().map(|known| known.facts.evidence_url.clone()),
            summary: known.and_then(|known| known.facts.summary_url),
        });
    }
    drop(conn);
    let drawn = draw_page(&page, &db, path.1).await?;
    page.show(&drawn)
}

#[derive(Deserialize)]
struct Nothing {}

/// Freezes the next version.
#[post("/{lang:nl|en}/models/{model}/disclosures")]
async fn freeze(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, ModelId)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    drafts(&db, page.actor(), path.1).await?;
    prepare(&db, page.actor(), path.1).await?;
    Ok(back_with(
        &page.path(&format!("/models/{}/disclosures", path.1)),
        "good",
        "flash-disclosure-prepared",
    ))
}

#[derive(Deserialize)]
struct DecisionForm {
    disclosure: DisclosureId,
    /// `publish` or `return`.
    decision: String,
    #[serde(default)]
    reason: String,
}

/// The reason of a decision, one that says something.
pub(super) fn reason(errors: &mut FieldErrors, raw: &str) -> String {
    let bounds = Text {
        least: 1,
        most: 2000,
    };
    errors.text("reason", raw, bounds)
}

/// Publishes or returns what was prepared.
#[post("/{lang:nl|en}/models/{model}/disclosures/decide")]
async fn decide(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, ModelId)>,
    ProtectedForm(form): ProtectedForm<DecisionForm>,
) -> PageResult {
    let id = path.1;
    drafts(&db, page.actor(), id).await?;
    let flash = match form.decision.as_str() {
        "publish" => {
            publish(&db, page.actor(), form.disclosure).await?;
            "flash-disclosure-published"
        }
        "return" => {
            let mut errors = FieldErrors::default();
            let why = reason(&mut errors, &form.reason);
            if let Some(say) = errors.of("reason") {
                let mut drawn = draw_page(&page, &db, id).await?;
                drawn.reason_error = page.lang().say(say);
                drawn.reason = form.reason;
                return page.show_invalid(&drawn);
            }
            return_to_operator(&db, page.actor(), form.disclosure, &why).await?;
            "flash-disclosure-returned"
        }
        _ => return Err(AppError::Invalid(Say::new("form-unreadable")).into()),
    };
    let back = page.path(&format!("/models/{id}/disclosures"));
    Ok(back_with(&back, "good", flash))
}

#[derive(Deserialize)]
struct ConclusionForm {
    #[serde(default)]
    conclusion: String,
    #[serde(default)]
    conclusion_reason: String,
}

/// Puts the decision on a heavy modification on record.
#[post("/{lang:nl|en}/models/{model}/disclosures/modification")]
async fn conclude(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, ModelId)>,
    ProtectedForm(form): ProtectedForm<ConclusionForm>,
) -> PageResult {
    let id = path.1;
    drafts(&db, page.actor(), id).await?;
    let conclusion: Conclusion = form
        .conclusion
        .parse()
        .map_err(|_| AppError::invalid("disclosure-conclusion-needed"))?;
    let mut errors = FieldErrors::default();
    let why = reason(&mut errors, &form.conclusion_reason);
    if !errors.is_empty() {
        return Err(AppError::invalid("disclosure-conclusion-needed").into());
    }
    decide_modification(&db, page.actor(), id, conclusion, &why).await?;
    Ok(back_with(
        &page.path(&format!("/models/{id}/disclosures")),
        "good",
        "flash-disclosure-modification-decided",
    ))
}

/// A document as it would be now.
#[get("/{lang:nl|en}/models/{model}/disclosures/{kind}")]
async fn draft(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, ModelId, String)>,
) -> PageResult {
    let (_, id, kind) = path.into_inner();
    let kind: Kind = kind.parse().map_err(|_| AppError::NotFound)?;
    let lang = page.lang();
    let (model, documents) = drafts(&db, page.actor(), id).await?;
    let document = documents
        .iter()
        .find(|document| document.kind == kind)
        .ok_or(AppError::NotFound)?;
    page.show(&DocumentPage {
        title: document.title.of_lang(lang).to_owned(),
        based_on: document.based_on.of_lang(lang).to_owned(),
        model: model.name,
        back: Some(page.path(&format!("/models/{id}/disclosures"))),
        state: lang.t("disclosure-state-draft"),
        documents: Kind::ALL
            .into_iter()
            .map(|one| LinkView {
                label: draw::title(lang, one),
                href: page.path(&format!("/models/{id}/disclosures/{}", one.name())),
                is_current: one == kind,
            })
            .collect(),
        sections: draw::sections(lang, document),
        json: format!("/api/v1/models/{id}/disclosures/{}", kind.name()),
        ..DocumentPage::draft(page.chrome())
    })
}
