//! Telling people that the log is broken.

use serde::Serialize;

use super::walk::Problem;
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    ids::InstitutionId,
    institutions,
    notices::{About, Notice, Recipient, tell},
    permissions::sha256_hex,
    policy::{self, Action, Actor, Denied, Role, Scope},
};

/// Why nobody was told.
#[derive(Debug, thiserror::Error)]
pub enum AlarmError {
    /// The system itself may not; our own mistake.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The database refused, or is away.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was not committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for AlarmError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[derive(Debug, Serialize)]
struct FoundBroken {
    problem: String,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for FoundBroken {
    fn kind(&self) -> &'static str {
        "audit.found_broken"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "institution",
            id: self.institution.0,
            institution: self.institution,
        }
    }
}

/// Tells the admins and auditors of the platform what is wrong with the log, each thing once.
///
/// # Errors
/// [`AlarmError`]; nobody was told then.
pub async fn alarm(db: &Db, problem: &Problem) -> Result<(), AlarmError> {
    let Some(platform) = institutions::find_platform(db).await? else {
        return Ok(());
    };
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let problem = problem.to_string();
    let mut tx = db.write(&actor).await?;
    let about = About {
        kind: "audit",
        id: platform.id.0,
    };
    let mut is_news = false;
    for role in [Role::Admin, Role::Auditor] {
        let to = Recipient::Role {
            institution: platform.id,
            role,
        };
        let notice = Notice::new("audit-broken", to, about)
            .with("problem", &problem)
            .link("/audit")
            .once(format!("audit-broken:{role:?}:{}", sha256_hex(&problem)));
        is_news |= tell(&mut tx, &notice).await?.is_some();
    }
    if is_news {
        tx.record(&FoundBroken {
            problem,
            institution: platform.id,
        })?;
        tx.commit(permit).await?;
    }
    Ok(())
}
