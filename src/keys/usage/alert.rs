//! Telling people before a budget of tokens ends, and when it has.

use std::time::Duration;

use quota::Window;
use serde::Serialize;

use super::{
    pace::{NodeKind, Pace},
    store,
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    ids::InstitutionId,
    notices::{About, Notice, Recipient, tell_all},
    policy::{self, Action, Actor, Denied, Role, Scope, Visibility},
};

/// How often it is looked at.
pub const ALERT_EVERY: Duration = Duration::from_secs(60);

/// At how many percent somebody is told.
const AT: [i64; 2] = [80, 100];

/// Why nobody could be told.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for AlertError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[derive(Serialize)]
struct Told<'a> {
    kind: &'static str,
    name: &'a str,
    period: &'static str,
    percent: i64,
    used: i64,
    cap: i64,
    #[serde(skip)]
    node: uuid::Uuid,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Told<'_> {
    fn kind(&self) -> &'static str {
        "keys.budget_told"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "quota",
            id: self.node,
            institution: self.institution,
        }
    }
}

/// The chore: tells managers, and of a key who asked for it, once a period at 80 and once at 100 percent.
///
/// # Errors
/// Where the database is away; the next round tells.
pub async fn tell_of_budgets(db: &Db) -> Result<(), AlertError> {
    let paces = {
        let mut conn = db.read().await?;
        let least = AT.first().copied().unwrap_or_default() as f64;
        store::paces(&mut conn, Visibility::All, db.now(), least).await?
    };
    if paces.is_empty() {
        return Ok(());
    }
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let mut tx = db.write(&actor).await?;
    let mut is_any = false;
    for pace in &paces {
        // Who is at the end need not be told that it is near.
        let Some(at) = AT.into_iter().rev().find(|at| pace.percent() >= *at) else {
            continue;
        };
        if tell_all(&mut tx, &notices(pace, at)).await?.is_empty() {
            continue;
        }
        is_any = true;
        tx.record(&Told {
            kind: pace.kind.name(),
            name: &pace.name,
            period: pace.window.name(),
            percent: at,
            used: pace.used,
            cap: pace.cap,
            node: pace.node,
            institution: pace.institution,
        })?;
    }
    if is_any {
        tx.commit(permit).await?;
    }
    Ok(())
}

fn notices(pace: &Pace, at: i64) -> Vec<Notice> {
    let institution = pace.institution;
    let mut recipients = vec![(
        "manager",
        Recipient::Role {
            institution,
            role: Role::Manager,
        },
    )];
    if let Some(user) = pace.requested_by {
        recipients.push(("holder", Recipient::User { institution, user }));
    }
    let kind = match (pace.window, at) {
        (Window::Month, 100) => "budget-month-ended",
        (Window::Month, _) => "budget-month-near",
        (_, 100) => "budget-day-ended",
        (_, _) => "budget-day-near",
    };
    let about = About {
        kind: "quota",
        id: pace.node,
    };
    let link = match pace.kind {
        NodeKind::Key => format!("/keys/{}", pace.node),
        NodeKind::Institution | NodeKind::Project => "/usage".to_owned(),
    };
    recipients
        .into_iter()
        .map(|(who, to)| {
            Notice::new(kind, to, about)
                .with("name", &pace.name)
                .with("percent", pace.percent())
                .with("cap", pace.cap)
                .link(link.as_str())
                .once(format!(
                    "{kind}:{}:{}:{who}",
                    pace.node,
                    pace.starts_at.timestamp()
                ))
        })
        .collect()
}
