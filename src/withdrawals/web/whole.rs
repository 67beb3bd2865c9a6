//! Everything about a withdrawal, as far as whoever looks may know it.

use super::super::{
    duty::Kind,
    store::{self, Duty, ItemCounts, MadeOfModel, Progress, Stops, Withdrawal},
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
    /// The first of them, of so many.
    pub(super) models: Vec<MadeOfModel>,
    pub(super) models_all: i64,
    pub(super) duties: Vec<Duty>,
    /// The first of them, of so many.
    pub(super) copies: Vec<Progress>,
    pub(super) copies_all: ItemCounts,
    /// Machines whose work folders are waited for.
    pub(super) places: Vec<String>,
    /// The first of them, of so many.
    pub(super) notices: Vec<Shown>,
    pub(super) notices_all: notices::Counts,
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
    // Of others it is left out where it is read, so that no limit of a list falls on their own.
    let own = curated.is_some().then_some(actor.institution);
    let mut found = Whole {
        stops: store::stops_of(&mut conn, id).await?,
        models: store::models_of(&mut conn, id, own).await?,
        models_all: store::count_models(&mut conn, id, own).await?,
        duties: store::duties(&mut conn, id).await?,
        copies: store::items_of(&mut conn, id, own).await?,
        copies_all: store::count_items(&mut conn, id, own).await?,
        places: store::open_places(&mut conn, id).await?,
        notices: notices::list(&mut conn, notices::Filter::About(id.0, own)).await?,
        notices_all: notices::count_about(&mut conn, id.0, own).await?,
        curated,
        withdrawal,
    };
    if own.is_some() || !actor.is_platform() {
        found.narrow(actor);
    }
    Ok(found)
}

impl Whole {
    /// Leaves out what people of a partner may not know of others.
    fn narrow(&mut self, actor: &Actor) {
        if self.curated.is_some() {
            self.stops.clear();
            self.duties.retain(|duty| duty.kind == Kind::Purge);
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
