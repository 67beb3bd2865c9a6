//! What nobody acknowledged in time is told to who can do something about it.

use super::{
    acknowledge::Happened,
    notice::{About, Notice, Recipient, Shown},
    store::{self, Filter},
    tell::tell_all,
};
use crate::{
    db::{CommitError, Db, StoreError},
    ids::InstitutionId,
    institutions,
    policy::{self, Action, Actor, Denied, Role, Scope},
};

/// Why the sweep stopped; the rest is swept next time.
#[derive(Debug, thiserror::Error)]
pub(super) enum EscalateError {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for EscalateError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Tells the platform's admins and operators, and the manager of the recipient's institution.
pub(super) async fn sweep(db: &Db) -> Result<(), EscalateError> {
    let Some(platform) = institutions::find_platform(db).await? else {
        return Ok(());
    };
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let mut tx = db.write(&actor).await?;
    let mut any = false;
    for id in store::overdue(&mut tx).await? {
        let Some(notice) = store::list(tx.conn(), Filter::One(id)).await?.pop() else {
            continue;
        };
        if store::escalate(&mut tx, id).await? {
            any = true;
            tell_all(&mut tx, &reports(&notice, platform.id)).await?;
            tx.record(&Happened::to(&notice, true))?;
        }
    }
    if any {
        tx.commit(permit).await?;
    }
    Ok(())
}

/// To the platform's admins and operators always, and to the manager of the institution that was told.
fn reports(notice: &Shown, platform: InstitutionId) -> Vec<Notice> {
    let mut to = vec![(platform, Role::Admin), (platform, Role::Operator)];
    if let Some(institution) = notice.institution
        && institution != platform
    {
        to.push((institution, Role::Manager));
    }
    to.into_iter()
        .map(|(institution, role)| {
            let about = About {
                kind: "notice",
                id: notice.id.0,
            };
            Notice::new("escalated", Recipient::Role { institution, role }, about)
                .with_title_of("title", notice)
                .with("to", &notice.to)
                .with_day("due", notice.acknowledge_by.unwrap_or(notice.created_at))
                .link(notice.link.clone())
                .once(format!(
                    "escalated:{}:{institution}:{}",
                    notice.id,
                    role.name()
                ))
        })
        .collect()
}
