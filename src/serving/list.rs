//! How everything stands, for people and programs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    placement::{self, Standing, Why},
    process::State,
    store::{self, ListedDeployment, ListedPlace, ListedProcess},
};
use crate::{
    db::StoreError,
    ids::{DeploymentId, ModelId, ServingProcessId},
};

/// A model that is to be served, with where it is.
pub(super) struct Deployment {
    pub(super) id: DeploymentId,
    pub(super) model: ModelId,
    pub(super) name: String,
    pub(super) state: DeploymentState,
    /// What was asked for.
    pub(super) replicas: i32,
    /// In how many processes it should be, also for its adapters.
    pub(super) wanted: usize,
    pub(super) ready: usize,
    pub(super) why: Option<Why>,
    pub(super) places: Vec<At>,
    pub(super) created_at: DateTime<Utc>,
}

/// How a deployment stands, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeploymentState {
    /// Everywhere that it should be.
    Ready,
    /// Somewhere, and not everywhere yet.
    Partly,
    Loading,
    /// It has no place, and none is coming.
    Waiting,
    Failed,
    Draining,
}

impl DeploymentState {
    /// The name in the API and in texts (`deployment-state-{name}`).
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Partly => "partly",
            Self::Loading => "loading",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Draining => "draining",
        }
    }
}

/// A place with the program that it is in.
pub(super) struct At {
    pub(super) process: ServingProcessId,
    pub(super) name: String,
    /// `loading`, `ready`, `failed`, `leaving` or `gone`.
    pub(super) state: &'static str,
    pub(super) message: Option<String>,
    /// Answers that run or wait in the whole program.
    pub(super) load: i32,
}

/// A program that serves, with what it has.
pub(super) struct Process {
    pub(super) id: ServingProcessId,
    pub(super) name: String,
    pub(super) address: String,
    pub(super) state: State,
    pub(super) is_drained: bool,
    pub(super) takes: Vec<String>,
    pub(super) room_bytes: Option<i64>,
    pub(super) running: i32,
    pub(super) waiting: i32,
    pub(super) seen_at: DateTime<Utc>,
    /// Names of models, in order.
    pub(super) models: Vec<String>,
}

/// A page of deployments, and whether there are more.
pub(super) async fn deployments(
    conn: &mut PgConnection,
    after: Option<&str>,
    limit: usize,
) -> Result<(Vec<Deployment>, bool), StoreError> {
    let asked = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let mut listed = store::listed_deployments(conn, after, asked).await?;
    let has_more = listed.len() > limit;
    listed.truncate(limit);
    let standing = placement::arrange(&store::stand(conn).await?).standing;
    let processes: BTreeMap<_, _> = store::listed_processes(conn)
        .await?
        .into_iter()
        .map(|process| (process.id, process))
        .collect();
    let mut places: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for place in store::listed_places(conn).await? {
        places.entry(place.deployment).or_default().push(place);
    }
    let all = listed
        .into_iter()
        .map(|one| {
            let places = places.remove(&one.id).unwrap_or_default();
            let places = places
                .into_iter()
                .filter_map(|place| at(&processes, place))
                .collect();
            deployment(one, places, &standing)
        })
        .collect();
    Ok((all, has_more))
}

fn at(processes: &BTreeMap<ServingProcessId, ListedProcess>, place: ListedPlace) -> Option<At> {
    let process = processes.get(&place.process)?;
    let state = match place.state.as_str() {
        _ if process.is_gone => "gone",
        _ if place.left_at.is_some() || process.is_leaving => "leaving",
        "ready" => "ready",
        "failed" => "failed",
        _ => "loading",
    };
    Some(At {
        process: place.process,
        name: process.name.clone(),
        state,
        message: place.message,
        load: process.running.saturating_add(process.waiting),
    })
}

fn deployment(
    one: ListedDeployment,
    places: Vec<At>,
    standing: &BTreeMap<DeploymentId, Standing>,
) -> Deployment {
    let standing = standing.get(&one.id);
    let wanted = standing.map_or(0, |standing| standing.wanted);
    let ready = places.iter().filter(|at| at.state == "ready").count();
    let is_any = |state: &str| places.iter().any(|at| at.state == state);
    let state = if one.draining_at.is_some() {
        DeploymentState::Draining
    } else if ready >= wanted {
        DeploymentState::Ready
    } else if ready > 0 {
        DeploymentState::Partly
    } else if is_any("loading") {
        DeploymentState::Loading
    } else if is_any("failed") {
        DeploymentState::Failed
    } else {
        DeploymentState::Waiting
    };
    Deployment {
        id: one.id,
        model: one.model,
        name: one.name,
        state,
        replicas: one.replicas,
        wanted,
        ready,
        why: standing.and_then(|standing| standing.why),
        places,
        created_at: one.created_at,
    }
}

/// Every program that lives, and those that went within the hour.
pub(super) async fn processes(conn: &mut PgConnection) -> Result<Vec<Process>, StoreError> {
    let mut models: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (process, model) in store::models_of_processes(conn).await? {
        models.entry(process).or_default().push(model);
    }
    let listed = store::listed_processes(conn).await?;
    let process = |one: ListedProcess| Process {
        state: State::of(one.is_gone, one.is_leaving, one.drained_at.is_some()),
        is_drained: one.drained_at.is_some(),
        models: models.remove(&one.id).unwrap_or_default(),
        id: one.id,
        name: one.name,
        address: one.address,
        takes: one.takes,
        room_bytes: one.room_bytes,
        running: one.running,
        waiting: one.waiting,
        seen_at: one.seen_at,
    };
    Ok(listed.into_iter().map(process).collect())
}

impl Why {
    /// The name in the API and in texts (`deployment-why-{name}`).
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NoProcess => "no-process",
            Self::NotTaken => "not-taken",
            Self::NoRoom => "no-room",
            Self::TooFew => "too-few",
            Self::NoBase => "no-base",
            Self::Failed => "failed",
        }
    }
}
