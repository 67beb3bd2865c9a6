//! Everything about a withdrawal, as far as whoever looks may know it.

use super::super::{
    duty::Kind,
    store::{self, Duty, MadeOfModel, Progress, Stops, Withdrawal},
};
use crate::{
    db::Db,
    error::AppError,
    ids::{DatasetId, WithdrawalId},
    notices::{self, Shown},
    policy::{self, Action, Actor, Scope},
};

/// Everything about a withdrawal that whoever looks may know.
pub(super) struct Whole {
    pub(super) withdrawal: Withdrawal,
    /// Where somebody of another institution looks, who curated data of their own from it: their dataset.
    pub(super) curated: Option<(DatasetId, String)>,
    pub(super) stops: Vec<Stops>,
    pub(super) models: Vec<MadeOfModel>,
    pub(super) duties: Vec<Duty>,
    pub(super) copies: Vec<Progress>,
    pub(super) notices: Vec<Shown>,
}

/// A withdrawal, where `actor` may see it: whole for the owner of the data and the platform, and what it does to
/// theirs for who curated data from it.
pub(super) async fn whole(db: &Db, actor: &Actor, id: WithdrawalId) -> Result<Whole, AppError> {
    let mut conn = db.read().await?;
    let withdrawal = store::find(&mut conn, id)
        .await?
        .ok_or(AppError::NotFound)?;
    let scope = Scope::of(withdrawal.institution);
    let mut curated = None;
    if let Err(denied) = policy::check(actor, Action::ViewWithdrawal, &scope) {
        curated = store::curated_by(&mut conn, id, actor.institution).await?;
        if curated.is_none() {
            return Err(denied.into());
        }
        let _permit = policy::check(actor, Action::ViewWithdrawal, &Scope::of(actor.institution))?;
    }
    let mut found = Whole {
        stops: store::stops_of(&mut conn, id).await?,
        models: store::models_of(&mut conn, id).await?,
        duties: store::duties(&mut conn, id).await?,
        copies: store::items_of(&mut conn, id).await?,
        notices: notices::list(&mut conn, notices::Filter::About(id.0)).await?,
        curated,
        withdrawal,
    };
    if !actor.is_platform() {
        found.narrow(actor);
    }
    Ok(found)
}

impl Whole {
    /// Leaves out what people of a partner may not know of others.
    fn narrow(&mut self, actor: &Actor) {
        if self.curated.is_some() {
            self.stops.clear();
            self.models.retain(|model| model.owner == actor.institution);
            self.duties.retain(|duty| duty.kind == Kind::Purge);
            self.copies
                .retain(|copy| copy.owner == Some(actor.institution.0));
            self.notices
                .retain(|notice| notice.institution == Some(actor.institution));
        }
        for model in &mut self.models {
            if !model.was_released && model.owner != actor.institution {
                model.name = None;
            }
        }
        for notice in &mut self.notices {
            if notice.institution != Some(actor.institution) {
                *notice = notice.clone().without_names();
            }
        }
    }
}
