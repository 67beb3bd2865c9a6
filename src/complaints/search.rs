//! Who may look into which documents for a case.

use sqlx::PgConnection;

use super::{
    case::{Case, Status},
    error::ComplaintError,
    store,
};
use crate::{
    ids::InstitutionId,
    policy::{self, Action, Actor, Permit, Scope},
};

/// What of a case somebody may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// All of it, and documents of everybody: who handles it.
    Handler,
    /// All of it, to agree or not with what was written: the second person.
    Second,
    /// What is asked, and documents of one's own institution.
    Institution([InstitutionId; 1]),
}

impl Reader {
    /// Within which institutions documents are shown; none: in all.
    pub(super) fn within(&self) -> Option<&[InstitutionId]> {
        match self {
            Self::Handler | Self::Second => None,
            Self::Institution(own) => Some(own),
        }
    }

    /// Whether documents of `institution` are shown.
    pub(super) fn may_read(&self, institution: InstitutionId) -> bool {
        self.within().is_none_or(|own| own.contains(&institution))
    }

    /// Whether it is shown who asks and how to reach them.
    pub(super) fn sees_contact(self) -> bool {
        match self {
            Self::Handler | Self::Second => true,
            Self::Institution(_) => false,
        }
    }
}

/// What `actor` may see of a case.
///
/// # Errors
/// [`ComplaintError::NotFound`] for who does not need to know of it.
pub(super) async fn reader(
    conn: &mut PgConnection,
    actor: &Actor,
    case: &Case,
) -> Result<(Permit, Reader), ComplaintError> {
    if let Ok(permit) = policy::check(actor, case.action(), &case.scope()) {
        return Ok((permit, Reader::Handler));
    }
    let own = Scope::of(actor.institution);
    if let Ok(permit) = policy::check(actor, Action::AdviseOnComplaint, &own)
        && store::involved(conn, case.id)
            .await?
            .contains(&actor.institution)
    {
        return Ok((permit, Reader::Institution([actor.institution])));
    }
    let is_second =
        case.status == Status::Prepared || case.decided.is_some_and(|done| done.by == actor.user);
    if is_second
        && let Ok(permit) =
            policy::check(actor, Action::DecideOnRefusal, &Scope::of(case.institution))
    {
        return Ok((permit, Reader::Second));
    }
    Err(ComplaintError::NotFound)
}
