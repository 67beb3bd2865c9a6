//! The pages of models.

use actix_web::{get, post, web};
use askama::Template;
use serde::Deserialize;

use super::perform;
use crate::{
    config::Config,
    db::Db,
    error::AppError,
    ids::ModelId,
    models::{
        deploy,
        model::{Kind, Model, Status},
        store,
    },
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
    if let Kind::Adapter { base, job } = &model.kind {
        let base_name = store::find(&mut conn, *base).await?.map(|base| base.name);
        facts.push(Fact {
            name: lang.t("model-base"),
            value: base_name.unwrap_or_default(),
            href: Some(page.path(&format!("/models/{base}"))),
        });
        facts.push(Fact {
            name: lang.t("model-job"),
            value: job.to_string(),
            href: Some(page.path(&format!("/jobs/{job}"))),
        });
    }
    let stations = stations(&page, &model);
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
                name: file.name,
                size: bytes(lang, file.size_bytes),
                sha256: file.sha256,
            })
            .collect(),
        stations,
        receipt: receipt.map(|_| format!("/api/v1/models/{}/receipt", model.id)),
        can_release: operates && model.status == Status::Registered && model.marked.is_none(),
        can_deploy: operates && model.is_usable() && deployment.is_none(),
        can_stop: operates && deployment.is_some(),
        can_retire: operates && model.status != Status::Retired,
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

fn stations(page: &Page, model: &Model) -> Vec<Station> {
    let lang = page.lang();
    let station = |what: &str, label: String, href: Option<String>, state| Station {
        what: lang.t(what),
        label,
        href,
        state,
    };
    let mut stations = Vec::new();
    if let Kind::Adapter { job, .. } = &model.kind {
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

#[derive(Deserialize)]
struct Nothing {}

/// Release, deploy, stop or retire, by name; each a POST from the model's page.
#[post("/{lang:nl|en}/models/{model}/{act:release|deploy|stop|retire}")]
async fn act(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, ModelId, String)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    let (_, model, act) = path.into_inner();
    let flash = perform(&db, page.actor(), model, &act).await?;
    Ok(back_with(
        &page.path(&format!("/models/{model}")),
        "good",
        flash,
    ))
}
