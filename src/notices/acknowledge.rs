//! Somebody says that they read a notice.

use serde::Serialize;
use uuid::Uuid;

use super::{
    notice::Shown,
    store::{self, Filter},
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    error::AppError,
    ids::{InstitutionId, NoticeId},
    policy::{self, Action, Actor, Denied, Scope},
};

/// Why nothing was noted.
#[derive(Debug, thiserror::Error)]
pub enum AcknowledgeError {
    #[error("there is no notice {0} for this person")]
    NotFound(NoticeId),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for AcknowledgeError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<AcknowledgeError> for AppError {
    fn from(error: AcknowledgeError) -> Self {
        match error {
            AcknowledgeError::NotFound(_) => Self::NotFound,
            AcknowledgeError::Denied(why) => why.into(),
            AcknowledgeError::Store(why) => why.into(),
            AcknowledgeError::Commit(why) => why.into(),
        }
    }
}

/// That a notice was read, or that nobody read it in time.
#[derive(Debug, Serialize)]
pub(super) struct Happened {
    kind: String,
    #[serde(skip)]
    is_escalated: bool,
    #[serde(skip)]
    notice: NoticeId,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Happened {
    pub(super) fn to(notice: &Shown, is_escalated: bool) -> Self {
        Self {
            kind: notice.kind.clone(),
            is_escalated,
            notice: notice.id,
            institution: notice.institution.unwrap_or(InstitutionId(Uuid::nil())),
        }
    }
}

impl Event for Happened {
    fn kind(&self) -> &'static str {
        if self.is_escalated {
            "notices.escalated"
        } else {
            "notices.acknowledged"
        }
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "notice",
            id: self.notice.0,
            institution: self.institution,
        }
    }
}

/// Notes that a notice was read by one of those it is for. Once done, again is fine.
///
/// # Errors
/// [`AcknowledgeError::NotFound`] also for a notice that is for somebody else.
pub async fn acknowledge(db: &Db, actor: &Actor, id: NoticeId) -> Result<(), AcknowledgeError> {
    let mut tx = db.write(actor).await?;
    let notice = store::list(tx.conn(), Filter::OneFor(id, actor))
        .await?
        .pop()
        .ok_or(AcknowledgeError::NotFound(id))?;
    let scope = Scope::of(notice.institution.unwrap_or(actor.institution));
    let permit = policy::check(actor, Action::ReadNotice, &scope)?;
    if store::acknowledge(&mut tx, id, Some(actor.user)).await? {
        tx.record(&Happened::to(&notice, false))?;
        tx.commit(permit).await?;
    }
    Ok(())
}

/// Notes that a notice to an address outside was read by who holds the link that was mailed there; the caller
/// has checked the link's token. Answers the notice.
pub(super) async fn confirm(db: &Db, id: NoticeId) -> Result<Shown, AcknowledgeError> {
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let mut tx = db.write(&actor).await?;
    let notice = store::list(tx.conn(), Filter::One(id))
        .await?
        .pop()
        .ok_or(AcknowledgeError::NotFound(id))?;
    if store::acknowledge(&mut tx, id, None).await? {
        tx.record(&Happened::to(&notice, false))?;
        tx.commit(permit).await?;
    }
    Ok(notice)
}
