//! The page of what is served where.

use actix_web::{get, post, web};
use askama::Template;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{
    super::{
        list::{self, At, Deployment, DeploymentState, Process},
        process::State,
        store,
    },
    Act, drain_process, may_view, perform, replicas, start,
};
use crate::{
    db::Db,
    ids::{DeploymentId, ModelId, ServingProcessId},
    models::Replicas,
    policy::{Action, Visibility, visible},
    web::{
        Chrome, Lang, Page, PageResult, ProtectedForm, back_with, bytes, filters, moment, number,
    },
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(index)
        .service(start_form)
        .service(act_form)
        .service(drain_form);
}

const PATH: &str = "/admin/deployments";
/// Deployments on one page.
const ROWS: usize = 100;

struct PlaceLine {
    name: String,
    state: String,
    badge: &'static str,
    load: String,
    message: String,
}

struct Row {
    id: DeploymentId,
    href: String,
    name: String,
    state: String,
    badge: &'static str,
    /// Why it waits; empty where it does not.
    why: String,
    count: String,
    replicas: i32,
    places: Vec<PlaceLine>,
    can_scale: bool,
}

struct ProcessRow {
    id: ServingProcessId,
    name: String,
    address: String,
    state: String,
    badge: &'static str,
    models: Vec<String>,
    load: String,
    room: String,
    takes: String,
    seen: String,
    seen_exact: String,
    can_drain: bool,
    can_resume: bool,
}

struct Choice {
    value: ModelId,
    label: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "serving/deployments.html")]
struct DeploymentsPage {
    chrome: Chrome,
    listed: Vec<Row>,
    /// Where the next page begins.
    next: Option<String>,
    processes: Vec<ProcessRow>,
    deployable: Vec<Choice>,
    most: i32,
    may_act: bool,
}

#[derive(Deserialize)]
struct Asked {
    after: Option<String>,
}

#[get("/{lang:nl|en}/admin/deployments")]
async fn index(page: Page, db: web::Data<Db>, asked: web::Query<Asked>) -> PageResult {
    may_view(page.actor())?;
    let mut conn = db.read().await?;
    let (lang, now) = (page.lang(), db.now());
    let after = asked.after.as_deref();
    let (listed, has_more) = list::deployments(&mut conn, after, ROWS).await?;
    let next = listed.last().filter(|_| has_more).map(|last| {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("after", &last.name)
            .finish();
        page.path(&format!("{PATH}?{query}"))
    });
    let processes = list::processes(&mut conn).await?;
    let deployable = store::deployable(&mut conn).await?;
    let may_act = visible(page.actor(), Action::DeployModel) != Visibility::Nothing;
    page.show(&DeploymentsPage {
        chrome: page.chrome(),
        listed: listed.into_iter().map(|one| row(&page, one)).collect(),
        next,
        processes: processes
            .into_iter()
            .map(|one| process_row(lang, now, one))
            .collect(),
        deployable: deployable
            .into_iter()
            .map(|(value, label)| Choice {
                value,
                label,
                is_chosen: false,
            })
            .collect(),
        most: Replicas::MOST,
        may_act,
    })
}

fn row(page: &Page, one: Deployment) -> Row {
    let lang = page.lang();
    let count = [
        ("ready", one.ready.to_string()),
        ("wanted", one.wanted.to_string()),
    ];
    Row {
        id: one.id,
        href: page.path(&format!("/models/{}", one.model)),
        name: one.name,
        state: lang.t(&format!("deployment-state-{}", one.state.name())),
        badge: match one.state {
            DeploymentState::Ready => "granted",
            DeploymentState::Partly | DeploymentState::Loading => "running",
            DeploymentState::Waiting => "waiting-for-you",
            DeploymentState::Failed => "refused",
            DeploymentState::Draining => "neutral",
        },
        why: one.why.map_or_else(String::new, |why| {
            lang.t(&format!("deployment-why-{}", why.name()))
        }),
        count: lang.t_with("deployment-count", &count),
        replicas: one.replicas,
        places: one.places.into_iter().map(|at| place(lang, at)).collect(),
        can_scale: one.state != DeploymentState::Draining,
    }
}

fn place(lang: Lang, at: At) -> PlaceLine {
    PlaceLine {
        name: at.name,
        state: lang.t(&format!("serving-place-{}", at.state)),
        badge: match at.state {
            "ready" => "granted",
            "loading" => "running",
            "failed" | "gone" => "refused",
            _ => "neutral",
        },
        load: lang.t_with("serving-load", &[("count", at.load.to_string())]),
        message: at.message.unwrap_or_default(),
    }
}

fn process_row(lang: Lang, now: DateTime<Utc>, one: Process) -> ProcessRow {
    let lives = matches!(one.state, State::Active | State::Draining);
    ProcessRow {
        id: one.id,
        name: one.name,
        address: one.address,
        state: lang.t(&format!("serving-process-{}", one.state.name())),
        badge: match one.state {
            State::Active => "granted",
            State::Draining | State::Leaving => "running",
            State::Gone => "refused",
        },
        load: format!(
            "{} · {}",
            number(lang, i64::from(one.running)),
            number(lang, i64::from(one.waiting))
        ),
        room: one
            .room_bytes
            .map_or_else(|| lang.t("serving-room-unknown"), |room| bytes(lang, room)),
        takes: if one.takes.is_empty() {
            lang.t("serving-takes-all")
        } else {
            one.takes.join(", ")
        },
        models: one.models,
        seen: moment(lang, now, one.seen_at),
        seen_exact: one.seen_at.to_rfc3339(),
        can_drain: lives && !one.is_drained,
        can_resume: lives && one.is_drained,
    }
}

#[derive(Deserialize)]
struct StartForm {
    model: ModelId,
    replicas: i64,
}

#[post("/{lang:nl|en}/admin/deployments")]
async fn start_form(page: Page, db: web::Data<Db>, form: ProtectedForm<StartForm>) -> PageResult {
    may_view(page.actor())?;
    let count = replicas(Some(form.0.replicas))?;
    start(&db, page.actor(), form.0.model, Some(count)).await?;
    Ok(back_with(&page.path(PATH), "good", "flash-model-deployed"))
}

#[derive(Deserialize)]
struct ActForm {
    replicas: Option<i64>,
}

#[post("/{lang:nl|en}/admin/deployments/{deployment}/{act:scale|drain|stop}")]
async fn act_form(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DeploymentId, Act)>,
    form: ProtectedForm<ActForm>,
) -> PageResult {
    let (_, deployment, act) = path.into_inner();
    let told = perform(&db, page.actor(), (deployment, act), form.0.replicas).await?;
    Ok(back_with(&page.path(PATH), "good", told))
}

#[derive(Deserialize)]
struct Nothing {}

#[post("/{lang:nl|en}/admin/deployments/processes/{process}/{act:drain|resume}")]
async fn drain_form(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, ServingProcessId, String)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    let (_, process, act) = path.into_inner();
    let told = drain_process(&db, page.actor(), (process, act == "drain")).await?;
    Ok(back_with(&page.path(PATH), "good", told))
}
