//! The pages of models.

use actix_web::{get, post, web};
use askama::Template;

use super::{
    evaluation::{self, EvaluationBox},
    evidence, perform,
};
use crate::{
    config::Config,
    db::Db,
    error::AppError,
    ids::ModelId,
    models::{
        deploy, download,
        model::{Kind, Model, Status},
        release,
        scope::{DistributionScope, Limit, LimitKind, binding},
        store,
    },
    permissions::Recipients,
    policy::{self, Action, visible},
    web::{Chrome, Page, PageResult, ProtectedForm, back_with, bytes, filters, moment, short_hash},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(index).service(show).service(act);
}

struct Row {
    href: String,
    name: String,
    kind: String,
    status: String,
    badge: &'static str,
    created: String,
    is_marked: bool,
}

#[derive(Template)]
#[template(path = "models/index.html")]
struct IndexPage {
    chrome: Chrome,
    models: Vec<Row>,
}

#[get("/{lang:nl|en}/models")]
async fn index(page: Page, db: web::Data<Db>) -> PageResult {
    let mut conn = db.read().await?;
    let models = store::list(&mut conn, visible(page.actor(), Action::ViewModel)).await?;
    let (lang, now) = (page.lang(), db.now());
    let models = models
        .into_iter()
        .map(|model| Row {
            href: page.path(&format!("/models/{}", model.id)),
            kind: lang.t(kind_key(&model)),
            status: lang.t(&format!("model-status-{}", model.status.name())),
            badge: badge(model.status),
            created: moment(lang, now, model.created_at),
            is_marked: model.marked.is_some(),
            name: model.name,
        })
        .collect();
    page.show(&IndexPage {
        chrome: page.chrome(),
        models,
    })
}

fn kind_key(model: &Model) -> &'static str {
    match model.kind {
        Kind::Base => "model-kind-base",
        Kind::Adapter { .. } => "model-kind-adapter",
        Kind::Whole { .. } => "model-kind-whole",
    }
}

fn badge(status: Status) -> &'static str {
    match status {
        Status::Registered => "neutral",
        Status::Released => "granted",
        Status::Retired => "refused",
    }
}

struct Fact {
    name: String,
    value: String,
    href: Option<String>,
}

struct FileRow {
    name: String,
    size: String,
    sha256: String,
    /// Where it is fetched, for those who may.
    href: Option<String>,
}

/// A file that the receipt names, to download.
struct Evidence {
    label: String,
    href: String,
}

/// How far the model may go, and what keeps it there.
struct ScopeBox {
    sentences: Vec<String>,
    limits: Vec<LimitRow>,
    recipients: Vec<Choice>,
    allows_commercial_use: bool,
}

struct LimitRow {
    by: String,
    label: String,
    href: Option<String>,
    says: String,
}

struct Choice {
    value: &'static str,
    label: String,
    is_chosen: bool,
}

struct Station {
    what: String,
    label: String,
    href: Option<String>,
    state: &'static str,
}

#[derive(Template)]
#[template(path = "models/show.html")]
struct ShowPage {
    chrome: Chrome,
    id: ModelId,
    name: String,
    status: String,
    badge: &'static str,
    serving: String,
    serving_badge: &'static str,
    marked: Option<String>,
    facts: Vec<Fact>,
    files: Vec<FileRow>,
    stations: Vec<Station>,
    receipt: Option<String>,
    evidence: Vec<Evidence>,
    scope: ScopeBox,
    evaluation: EvaluationBox,
    lineage: String,
    is_base: bool,
    is_from_nothing: bool,
    can_release: bool,
    can_deploy: bool,
    can_stop: bool,
    can_retire: bool,
    example: String,
}

#[get("/{lang:nl|en}/models/{model}")]
async fn show(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: web::Path<(String, ModelId)>,
) -> PageResult {
    let mut conn = db.read().await?;
    let model = store::find(&mut conn, path.1)
        .await?
        .ok_or(AppError::NotFound)?;
    let _permit = policy::check(page.actor(), Action::ViewModel, &model.scope())?;
    let (lang, now) = (page.lang(), db.now());
    let deployment = deploy::state(&mut conn, model.id).await?;
    let files = store::files_of(&mut conn, model.id).await?;
    let receipt = store::receipt(&mut conn, model.id).await?;
    let operates = policy::check(page.actor(), Action::DeployModel, &model.scope()).is_ok();
    let (serving, serving_badge) = match &deployment {
        Some((status, _)) if status == "ready" => ("model-serving-ready", "granted"),
        Some((status, _)) if status == "failed" => ("model-serving-failed", "refused"),
        Some(_) => ("model-serving-wanted", "running"),
        None => ("model-serving-none", "neutral"),
    };
    let mut facts = vec![
        fact(lang.t("model-kind"), lang.t(kind_key(&model))),
        fact(lang.t("model-family"), model.family.clone()),
        fact(lang.t("model-license"), model.license.clone()),
        fact(lang.t("model-created"), moment(lang, now, model.created_at)),
        fact(lang.t("model-weights"), short_hash(&model.weights_sha256)),
    ];
    if let Some(base) = model.kind.base() {
        let base_name = store::find(&mut conn, base).await?.map(|base| base.name);
        facts.push(Fact {
            name: lang.t("model-base"),
            value: base_name.unwrap_or_default(),
            href: Some(page.path(&format!("/models/{base}"))),
        });
    }
    if let Some(job) = model.kind.job() {
        facts.push(Fact {
            name: lang.t("model-job"),
            value: job.to_string(),
            href: Some(page.path(&format!("/jobs/{job}"))),
        });
    }
    let stations = stations(&page, &model);
    let may_download = download::may(page.actor(), &model);
    let scope = scope_box(&page, &store::limits(&mut conn, model.id).await?);
    let evidence = evidence::materials(&mut conn, model.id)
        .await?
        .into_iter()
        .filter(|one| matches!(one.kind.as_str(), "dataset_version" | "permission"))
        .map(|one| {
            let id = one.uri.trim_start_matches("urn:uuid:");
            let label = if one.kind == "permission" {
                let layer = lang.t(&format!("layer-{}", one.name.replace('_', "-")));
                lang.t_with("model-evidence-terms", &[("layer", layer)])
            } else {
                lang.t_with("model-evidence-manifest", &[("title", one.name.clone())])
            };
            let href = format!("/api/v1/models/{}/evidence/{id}", model.id);
            Evidence { label, href }
        })
        .collect();
    let evaluation = evaluation::read(&mut conn, (&page, now), &model).await?;
    let example = format!(
        "from openai import OpenAI\n\nclient = OpenAI(base_url=\"{}/v1\", api_key=\"gptnl_…\")\nanswer = client.chat.completions.create(\n    model=\"{}\",\n    messages=[{{\"role\": \"user\", \"content\": \"Hallo!\"}}],\n)\nprint(answer.choices[0].message.content)",
        config.origin(),
        model.name
    );
    page.show(&ShowPage {
        chrome: page.chrome(),
        id: model.id,
        status: lang.t(&format!("model-status-{}", model.status.name())),
        badge: badge(model.status),
        serving: lang.t(serving),
        serving_badge,
        marked: model.marked.as_ref().map(|(at, _)| {
            let key = match model.quarantine {
                None => "model-marked",
                Some(_) if model.status == Status::Retired => "model-withdrawn",
                Some(_) => "model-quarantined",
            };
            lang.t_with(key, &[("when", moment(lang, now, *at))])
        }),
        facts,
        files: files
            .into_iter()
            .map(|file| FileRow {
                href: may_download
                    .then(|| format!("/api/v1/models/{}/files/{}", model.id, file.name)),
                name: file.name,
                size: bytes(lang, file.size_bytes),
                sha256: file.sha256,
            })
            .collect(),
        stations,
        evidence,
        scope,
        lineage: page.path(&format!("/lineage/model/{}", model.id)),
        receipt: receipt.map(|_| format!("/api/v1/models/{}/receipt", model.id)),
        is_base: model.kind == Kind::Base,
        is_from_nothing: model.kind != Kind::Base && model.kind.base().is_none(),
        can_release: operates
            && model.status == Status::Registered
            && model.marked.is_none()
            && !evaluation.holds_back,
        evaluation,
        can_deploy: operates && model.is_usable() && deployment.is_none(),
        can_stop: operates && deployment.is_some(),
        can_retire: policy::check(page.actor(), Action::RetireModel, &model.scope()).is_ok()
            && model.status != Status::Retired,
        example,
        name: model.name,
    })
}

fn fact(name: String, value: String) -> Fact {
    Fact {
        name,
        value,
        href: None,
    }
}

fn scope_box(page: &Page, limits: &[Limit]) -> ScopeBox {
    let lang = page.lang();
    let scope = DistributionScope::of(limits);
    let rows = binding(limits)
        .into_iter()
        .map(|limit| LimitRow {
            by: lang.t(&format!("scope-by-{}", limit.kind.name())),
            label: limit.label.clone(),
            href: match limit.kind {
                LimitKind::Model => Some(page.path(&format!("/models/{}", limit.id))),
                LimitKind::Job => Some(page.path(&format!("/jobs/{}", limit.id))),
                LimitKind::Licence => Some(page.path(&format!("/datasets/{}", limit.id))),
                LimitKind::Permission => None,
            },
            says: sentences(page, &limit.scope).join(" "),
        })
        .collect();
    ScopeBox {
        sentences: sentences(page, &scope),
        limits: rows,
        recipients: Recipients::ALL
            .iter()
            .filter(|one| **one <= scope.recipients)
            .map(|one| Choice {
                value: one.name(),
                label: lang.t(&format!("recipients-{}", one.name().replace('_', "-"))),
                is_chosen: *one == scope.recipients,
            })
            .collect(),
        allows_commercial_use: scope.allows_commercial_use,
    }
}

/// A scope in words, a sentence each.
fn sentences(page: &Page, scope: &DistributionScope) -> Vec<String> {
    let lang = page.lang();
    let recipients = lang.t(&format!(
        "recipients-{}",
        scope.recipients.name().replace('_', "-")
    ));
    let mut sentences = vec![
        lang.t_with("scope-recipients", &[("recipients", recipients)]),
        lang.t(if scope.allows_commercial_use {
            "scope-commercial"
        } else {
            "scope-not-commercial"
        }),
    ];
    if let Some(territories) = &scope.territories {
        let codes: Vec<_> = territories.iter().map(String::as_str).collect();
        sentences.push(if codes.is_empty() {
            lang.t("scope-nowhere")
        } else {
            lang.t_with("scope-territories", &[("codes", codes.join(", "))])
        });
    }
    if scope.is_share_alike {
        sentences.push(lang.t("scope-share-alike"));
    }
    sentences
}

fn stations(page: &Page, model: &Model) -> Vec<Station> {
    let lang = page.lang();
    let station = |what: &str, label: String, href: Option<String>, state| Station {
        what: lang.t(what),
        label,
        href,
        state,
    };
    let mut stations = Vec::new();
    if let Some(job) = model.kind.job() {
        let href = Some(page.path(&format!("/jobs/{job}")));
        stations.push(station(
            "chain-job",
            lang.t("chain-job-made-it"),
            href,
            "done",
        ));
    }
    let state = if model.marked.is_some() {
        "broken"
    } else {
        "here"
    };
    stations.push(station("chain-model", model.name.clone(), None, state));
    stations.push(station(
        "chain-key",
        lang.t("chain-key-request"),
        Some(page.path("/keys/new")),
        "next",
    ));
    stations
}

/// Release, deploy, stop or retire, by name; each a POST from the model's page.
#[post("/{lang:nl|en}/models/{model}/{act:release|deploy|stop|retire}")]
async fn act(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, ModelId, String)>,
    form: ProtectedForm<release::ReleaseTo>,
) -> PageResult {
    let (_, model, act) = path.into_inner();
    let flash = perform(&db, page.actor(), model, &act, &form.0).await?;
    Ok(back_with(
        &page.path(&format!("/models/{model}")),
        "good",
        flash,
    ))
}
