//! Changing the steps.

use serde::Serialize;

use super::{
    safeguard::{Hook, OnFailure, Safeguards},
    store,
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    error::AppError,
    ids::InstitutionId,
    policy::{self, Action, Actor, Denied, Scope},
    rights_checks::Fetcher,
};

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    #[error("there is no service whose secret could be renewed")]
    NoHook,
    #[error("this is no address that can be asked")]
    Address,
    #[error("the service would judge nothing")]
    JudgesNothing,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for KeepError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<KeepError> for AppError {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::NoHook => Self::conflict("safeguards-no-service"),
            KeepError::Address => Self::invalid("safeguards-address-wrong"),
            KeepError::JudgesNothing => Self::invalid("safeguards-judges-nothing"),
            KeepError::Denied(why) => why.into(),
            KeepError::Store(why) => why.into(),
            KeepError::Commit(why) => why.into(),
        }
    }
}

/// What somebody wants; an empty address means no service.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) filters_prompts: bool,
    pub(super) filters_answers: bool,
    pub(super) hook_url: String,
    pub(super) judges_prompts: bool,
    pub(super) judges_answers: bool,
    pub(super) on_failure: OnFailure,
}

/// What is in force after a change.
pub(super) struct Kept {
    pub(super) steps: Safeguards,
    pub(super) generation: i32,
    /// Whether the service's secret is a new one.
    pub(super) has_new_secret: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Happened<'a> {
    Changed {
        filters_prompts: bool,
        filters_answers: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        hook_url: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        judges_prompts: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        judges_answers: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        on_failure: Option<&'static str>,
        #[serde(skip)]
        institution: InstitutionId,
    },
    Rotated {
        generation: i32,
        #[serde(skip)]
        institution: InstitutionId,
    },
}

impl Event for Happened<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Self::Changed { .. } => "safeguards.changed",
            Self::Rotated { .. } => "safeguards.rotated",
        }
    }

    fn subject(&self) -> Subject {
        let (Self::Changed { institution, .. } | Self::Rotated { institution, .. }) = self;
        Subject {
            kind: "safeguards",
            id: institution.0,
            institution: *institution,
        }
    }
}

/// Sets the steps of the actor's institution; they hold for the next request. A service at another address gets a new
/// secret.
pub(super) async fn set(
    db: &Db,
    fetcher: &Fetcher,
    actor: &Actor,
    wanted: &Wanted,
) -> Result<Kept, KeepError> {
    let institution = actor.institution;
    let permit = policy::check(actor, Action::SetSafeguards, &Scope::of(institution))?;
    let url = match wanted.hook_url.trim() {
        "" => None,
        text => Some(fetcher.parse(text).map_err(|_| KeepError::Address)?),
    };
    if url.is_some() && !wanted.judges_prompts && !wanted.judges_answers {
        return Err(KeepError::JudgesNothing);
    }
    let mut tx = db.write(actor).await?;
    store::lock(&mut tx, institution).await?;
    let (before, generation) = store::of(tx.conn(), institution).await?;
    let before_url = before.hook.as_ref().map(|hook| hook.url.as_str());
    let has_new_secret = url
        .as_ref()
        .is_some_and(|url| Some(url.as_str()) != before_url);
    let generation = if has_new_secret {
        generation.saturating_add(1)
    } else {
        generation
    };
    let steps = Safeguards {
        filters_prompts: wanted.filters_prompts,
        filters_answers: wanted.filters_answers,
        hook: url.map(|url| Hook {
            url: url.into(),
            judges_prompts: wanted.judges_prompts,
            judges_answers: wanted.judges_answers,
            on_failure: wanted.on_failure,
            generation,
        }),
    };
    store::save(&mut tx, institution, &steps, generation).await?;
    let hook = steps.hook.as_ref();
    tx.record(&Happened::Changed {
        filters_prompts: steps.filters_prompts,
        filters_answers: steps.filters_answers,
        hook_url: hook.map(|hook| hook.url.as_str()),
        judges_prompts: hook.map(|hook| hook.judges_prompts),
        judges_answers: hook.map(|hook| hook.judges_answers),
        on_failure: hook.map(|hook| hook.on_failure.name()),
        institution,
    })?;
    tx.commit(permit).await?;
    Ok(Kept {
        steps,
        generation,
        has_new_secret,
    })
}

/// Gives the service a new secret; the one of before is sent no more.
pub(super) async fn rotate(db: &Db, actor: &Actor) -> Result<i32, KeepError> {
    let institution = actor.institution;
    let permit = policy::check(actor, Action::SetSafeguards, &Scope::of(institution))?;
    let mut tx = db.write(actor).await?;
    store::lock(&mut tx, institution).await?;
    let (mut steps, generation) = store::of(tx.conn(), institution).await?;
    let generation = generation.saturating_add(1);
    steps.hook.as_mut().ok_or(KeepError::NoHook)?.generation = generation;
    store::save(&mut tx, institution, &steps, generation).await?;
    tx.record(&Happened::Rotated {
        generation,
        institution,
    })?;
    tx.commit(permit).await?;
    Ok(generation)
}
