//! Who may do what. Every rule of authorisation in the portal stands in [`check`] and [`visible`].
//!
//! Whether *data* may be used is another question and is answered by `permission_policy::decide`.

mod action;
mod role;

use std::marker::PhantomData;

use uuid::Uuid;

pub use self::{
    action::Action,
    role::{Actor, Role, UnknownRole},
};
use crate::ids::{InstitutionId, UserId};

/// The facts about the thing acted on that the rules look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// The institution that the thing belongs to.
    pub owner: InstitutionId,
    /// Who handed it in or asked for it, if anybody has.
    pub requested_by: Option<UserId>,
    /// Who did the other review of the same submission, if it was done.
    pub reviewed_by: Option<UserId>,
    /// Whether every signed-in partner may see it: an approved dataset, a base model.
    pub is_published: bool,
}

impl Scope {
    /// A thing of `owner` with nothing else to it.
    #[must_use]
    pub fn of(owner: InstitutionId) -> Self {
        Self {
            owner,
            requested_by: None,
            reviewed_by: None,
            is_published: false,
        }
    }

    /// Says who asked for it.
    #[must_use]
    pub fn requested_by(mut self, user: Option<UserId>) -> Self {
        self.requested_by = user;
        self
    }
}

/// Why an action was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("your role does not allow this")]
    Role,
    #[error("this belongs to another institution")]
    OtherInstitution,
    #[error("nobody decides on their own request")]
    OwnRequest,
    #[error("data and rights of one submission are reviewed by two people")]
    SecondReview,
}

/// Proof that [`check`] allowed the action. Only this module makes one.
#[must_use]
#[derive(Debug)]
pub struct Permit(PhantomData<()>);

/// Decides whether `actor` may do `action` to the thing that `scope` describes.
///
/// # Errors
/// [`Denied`] with the reason; `OtherInstitution` is to be answered as "not found".
pub fn check(actor: &Actor, action: Action, scope: &Scope) -> Result<Permit, Denied> {
    use Role::{
        Admin, Auditor, Contributor, Developer, LegalReviewer, Manager, Operator, PrivacyOfficer,
        Researcher, Steward, System,
    };
    let here = |roles: &[Role]| in_own_institution(actor, roles, scope);
    let platform = |roles: &[Role]| on_platform(actor, roles, scope);
    let partner = [Contributor, Manager, PrivacyOfficer, Researcher, Developer];
    let seers = [Steward, LegalReviewer, Operator, Admin, Auditor, System];
    match action {
        Action::RegisterDataset | Action::EditDataset | Action::SubmitDataset => {
            here(&[Contributor, Manager])
        }
        Action::GivePermission | Action::WithdrawPermission => here(&[Manager]),
        Action::CheckRights => {
            here(&[Contributor, Manager]).or_else(|_| platform(&[Steward, LegalReviewer]))
        }
        Action::ChangeLicence => here(&[Manager]).or_else(|_| platform(&[LegalReviewer])),
        Action::FillPrivacy => here(&[Contributor, Manager]),
        Action::SignPrivacy => here(&[PrivacyOfficer]).and_then(|()| not_own(actor, scope)),
        Action::ViewAgreement => here(&[Contributor, Manager, PrivacyOfficer]).or_else(|denied| {
            platform(&[LegalReviewer, Admin, Auditor, System]).map_err(|_| denied)
        }),
        Action::EditAgreement => here(&[Contributor, Manager]),
        Action::WorkOnAgreement => here(&[Contributor, Manager])
            .or_else(|denied| platform(&[LegalReviewer]).map_err(|_| denied)),
        Action::ConfirmAgreement => here(&[Manager]).and_then(|()| not_both_parties(actor, scope)),
        Action::RevokePermission => platform(&[LegalReviewer]),
        Action::ConfirmLift => platform(&[LegalReviewer]).and_then(|()| not_own(actor, scope)),
        Action::ViewWithdrawal => here(&[Manager, Contributor, PrivacyOfficer]).or_else(|denied| {
            platform(&[LegalReviewer, Operator, Admin, Auditor]).map_err(|_| denied)
        }),
        Action::EndDuty => platform(&[Operator, LegalReviewer]),
        Action::ViewLicensees => platform(&[Operator, Admin, LegalReviewer, Auditor]),
        Action::ManageLicensees => platform(&[Operator, Admin]),
        Action::ViewDataset | Action::ViewModel => {
            if scope.is_published {
                Ok(())
            } else {
                here(&partner).or_else(|denied| platform(&seers).map_err(|_| denied))
            }
        }
        Action::ViewJob => here(&[Manager, Researcher]).or_else(|denied| {
            platform(&[Operator, LegalReviewer, Admin, Auditor, System]).map_err(|_| denied)
        }),
        Action::ReviewData => platform(&[Steward]).and_then(|()| not_own(actor, scope)),
        Action::ReviewRights => platform(&[LegalReviewer]).and_then(|()| not_own(actor, scope)),
        Action::RequestJob => here(&[Researcher, Manager]),
        Action::ApproveJob => platform(&[Operator]).and_then(|()| not_own(actor, scope)),
        Action::CancelJob => here(&[Researcher, Manager])
            .or_else(|denied| platform(&[Operator, Admin, System]).map_err(|_| denied)),
        Action::RaiseJob => platform(&[Operator]),
        Action::LowerJob => {
            here(&[Researcher, Manager]).or_else(|denied| platform(&[Operator]).map_err(|_| denied))
        }
        Action::ViewPlaces => platform(&[Operator, Admin, Auditor, System]),
        Action::ViewBudget => here(&[Manager, Researcher])
            .or_else(|denied| platform(&[Operator, Admin, Auditor, System]).map_err(|_| denied)),
        Action::SetBudget => platform(&[Admin]),
        Action::SetPrice => platform(&[Operator, Admin]),
        Action::EvaluateModel => {
            here(&[Researcher, Manager]).or_else(|denied| platform(&[Operator]).map_err(|_| denied))
        }
        Action::ReleaseModel => platform(&[Operator]),
        Action::DeployModel | Action::DrainServing => platform(&[Operator, Admin]),
        Action::ViewServing => platform(&[Operator, Admin, Auditor, System]),
        Action::RetireModel => {
            here(&[Manager]).or_else(|denied| platform(&[Operator]).map_err(|_| denied))
        }
        Action::DownloadModel => {
            here(&[Manager, Researcher]).or_else(|denied| platform(&[Operator]).map_err(|_| denied))
        }
        Action::RegisterBaseModel => platform(&[Operator, Admin, System]),
        Action::DescribeProvider => platform(&[Admin]),
        Action::PrepareDisclosure => platform(&[Operator]),
        Action::PublishDisclosure => {
            platform(&[LegalReviewer]).and_then(|()| not_own(actor, scope))
        }
        Action::DecideModification => platform(&[LegalReviewer]),
        Action::RequestKey => here(&[Developer, Researcher, Manager]),
        Action::ViewKey | Action::ViewUsage => here(&[Developer, Researcher, Manager])
            .or_else(|denied| platform(&[Admin, Auditor]).map_err(|_| denied)),
        Action::ApproveKey | Action::ShareBudget => here(&[Manager])
            .or_else(|denied| platform(&[Admin]).map_err(|_| denied))
            .and_then(|()| not_own(actor, scope)),
        Action::RevealKey => {
            here(&[Developer, Researcher, Manager]).and_then(|()| own(actor, scope))
        }
        Action::RevokeKey => here(&[Developer, Researcher, Manager])
            .or_else(|denied| platform(&[Admin]).map_err(|_| denied)),
        // Whoever holds the secret shows that it is out; the verb checks the secret.
        Action::RevokeLeakedKey => Ok(()),
        Action::AcceptModelTerms | Action::SetSafeguards => here(&[Manager]),
        Action::ManageWebhooks => here(&[Manager, Developer, Researcher]),
        Action::ViewStatements => here(&[Contributor, Manager]).or_else(|denied| {
            platform(&[LegalReviewer, Admin, Auditor, System]).map_err(|_| denied)
        }),
        Action::ViewAudit => here(&[Manager, PrivacyOfficer]).or_else(|denied| {
            platform(&[LegalReviewer, Operator, Admin, Auditor]).map_err(|_| denied)
        }),
        Action::ReadNotice => here(&Role::ALL),
        Action::ManageInstitutions => platform(&[Admin]),
        // Nobody has to sign in to say that something is wrong.
        Action::FileComplaint => Ok(()),
        Action::ListComplaints => here(&[PrivacyOfficer, Manager])
            .or_else(|denied| platform(&[Steward, LegalReviewer]).map_err(|_| denied)),
        Action::HandlePrivacyRequest => platform(&[Steward]),
        Action::HandleRightsComplaint => platform(&[LegalReviewer]),
        Action::DecideOnRefusal => {
            platform(&[Steward, LegalReviewer]).and_then(|()| not_own(actor, scope))
        }
        Action::AdviseOnComplaint => here(&[PrivacyOfficer, Manager]),
        Action::RunSystem => platform(&[System]),
    }
    .map(|()| Permit(PhantomData))
}

fn in_own_institution(actor: &Actor, roles: &[Role], scope: &Scope) -> Result<(), Denied> {
    if actor.institution != scope.owner {
        Err(Denied::OtherInstitution)
    } else if roles.iter().any(|role| actor.is(*role)) {
        Ok(())
    } else {
        Err(Denied::Role)
    }
}

fn on_platform(actor: &Actor, roles: &[Role], scope: &Scope) -> Result<(), Denied> {
    if roles.iter().any(|role| actor.is(*role)) {
        Ok(())
    } else if actor.is_platform() || actor.institution == scope.owner || scope.is_published {
        Err(Denied::Role)
    } else {
        Err(Denied::OtherInstitution)
    }
}

fn not_own(actor: &Actor, scope: &Scope) -> Result<(), Denied> {
    if scope.requested_by == Some(actor.user) {
        Err(Denied::OwnRequest)
    } else if scope.reviewed_by == Some(actor.user) {
        Err(Denied::SecondReview)
    } else {
        Ok(())
    }
}

fn not_both_parties(actor: &Actor, scope: &Scope) -> Result<(), Denied> {
    if scope.reviewed_by == Some(actor.user) {
        Err(Denied::SecondReview)
    } else {
        Ok(())
    }
}

fn own(actor: &Actor, scope: &Scope) -> Result<(), Denied> {
    if scope.requested_by == Some(actor.user) {
        Ok(())
    } else {
        Err(Denied::Role)
    }
}

/// Which rows of a kind a list may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Every institution's.
    All,
    /// One institution's.
    Institution(InstitutionId),
    /// None.
    Nothing,
}

impl Visibility {
    /// For a WHERE of the form `$1::uuid IS NULL OR institution_id = $1`; `None` is everything.
    /// [`Visibility::Nothing`] becomes an id that nothing has.
    #[must_use]
    pub fn filter(self) -> Option<Uuid> {
        match self {
            Self::All => None,
            Self::Institution(id) => Some(id.0),
            Self::Nothing => Some(Uuid::max()),
        }
    }
}

/// What `actor` may see in lists of things on which `action` is the right to look.
#[must_use]
pub fn visible(actor: &Actor, action: Action) -> Visibility {
    let elsewhere = Scope::of(InstitutionId(Uuid::max()));
    let here = Scope::of(actor.institution);
    if check(actor, action, &elsewhere).is_ok() {
        Visibility::All
    } else if check(actor, action, &here).is_ok() {
        Visibility::Institution(actor.institution)
    } else {
        Visibility::Nothing
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// The whole matrix as one table: a change of a rule is a change of this snapshot.
    #[test]
    fn the_matrix() {
        let mut table = String::new();
        for action in Action::ALL {
            for role in Role::ALL {
                let actor = Actor {
                    user: UserId::fresh(),
                    institution: InstitutionId::fresh(),
                    roles: vec![role],
                };
                let own = Scope::of(actor.institution);
                let asked = own.requested_by(Some(actor.user));
                let other = Scope::of(InstitutionId::fresh()).requested_by(Some(UserId::fresh()));
                let mut cells = Vec::new();
                for (whose, scope) in [("own", own), ("asked", asked), ("other", other)] {
                    let verdict = check(&actor, action, &scope)
                        .map_or_else(|denied| format!("{denied:?}"), |_| "yes".into());
                    cells.push(format!("{whose}: {verdict:<16}"));
                }
                writeln!(
                    table,
                    "{:<18} {:<14} {}",
                    format!("{action:?}"),
                    role.name(),
                    cells.join(" ")
                )
                .unwrap();
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn nobody_holds_the_systems_role_by_name() {
        assert!("system".parse::<Role>().is_err());
    }

    #[test]
    fn a_partner_sees_only_their_own_jobs() {
        let actor = Actor {
            user: UserId::fresh(),
            institution: InstitutionId::fresh(),
            roles: vec![Role::Researcher],
        };
        assert_eq!(
            visible(&actor, Action::ViewJob),
            Visibility::Institution(actor.institution)
        );
    }
}
