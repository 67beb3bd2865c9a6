//! A model is given out to a licensee, and that ends.

use serde::Serialize;

use super::{
    licensee::{Licence, New},
    store,
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    error::AppError,
    ids::{InstitutionId, LicenseeId, ModelId},
    permissions::Recipients,
    policy::{self, Action, Actor, Denied, Scope},
};

/// Why the register did not change.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("there is no such model")]
    UnknownModel,
    #[error("there is no licensee {0}")]
    NotFound(LicenseeId),
    #[error("the model is not released, or may not be used")]
    NotUsable,
    #[error("the model's release or its lineage does not allow this circle")]
    NotAllowed,
    #[error("the model may not be used for profit")]
    NotForProfit,
    #[error("the model may not go to that country, or to one that was not said")]
    Elsewhere,
    #[error("they hold this model under this licence already")]
    Again,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for RegisterError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<RegisterError> for AppError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::NotFound(_) => Self::NotFound,
            RegisterError::UnknownModel => Self::invalid("licensee-unknown-model"),
            RegisterError::NotUsable => Self::conflict("licensee-not-usable"),
            RegisterError::NotAllowed => Self::conflict("licensee-not-allowed"),
            RegisterError::NotForProfit => Self::conflict("licensee-not-for-profit"),
            RegisterError::Elsewhere => Self::conflict("licensee-elsewhere"),
            RegisterError::Again => Self::conflict("licensee-again"),
            RegisterError::Denied(why) => why.into(),
            RegisterError::Store(why) => why.into(),
            RegisterError::Commit(why) => why.into(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Changed {
    licensee: LicenseeId,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<ModelId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    licence: Option<Licence>,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Changed {
    fn kind(&self) -> &'static str {
        if self.model.is_some() {
            "licensees.added"
        } else {
            "licensees.ended"
        }
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "licensee",
            id: self.licensee.0,
            institution: self.institution,
        }
    }
}

/// Gives a released model out under a licence: from now on they are told when something about it changes.
///
/// # Errors
/// [`RegisterError::NotAllowed`], [`RegisterError::NotForProfit`] or [`RegisterError::Elsewhere`] where the release, or
/// anything in the model's lineage, allows less; the database refuses the same.
pub async fn add(db: &Db, actor: &Actor, new: &New) -> Result<LicenseeId, RegisterError> {
    let mut tx = db.write(actor).await?;
    let permit = policy::check(
        actor,
        Action::ManageLicensees,
        &Scope::of(actor.institution),
    )?;
    let model = store::lock_model(&mut tx, new.model)
        .await?
        .ok_or(RegisterError::UnknownModel)?;
    if !model.is_usable {
        return Err(RegisterError::NotUsable);
    }
    let circle: Recipients = model
        .recipients
        .parse()
        .map_err(|_| RegisterError::NotAllowed)?;
    if circle < new.licence.needs() {
        return Err(RegisterError::NotAllowed);
    }
    if new.licence.is_commercial() && !model.allows_commercial_use {
        return Err(RegisterError::NotForProfit);
    }
    let is_within = model.territories.as_ref().is_none_or(|codes| {
        new.country
            .as_ref()
            .is_some_and(|country| codes.contains(country))
    });
    if !is_within {
        return Err(RegisterError::Elsewhere);
    }
    let id = store::insert(&mut tx, new)
        .await?
        .ok_or(RegisterError::Again)?;
    tx.record(&Changed {
        licensee: id,
        model: Some(new.model),
        licence: Some(new.licence),
        institution: model.institution,
    })?;
    tx.commit(permit).await?;
    Ok(id)
}

/// Ends an entry: they hold the model no more. The entry stays.
///
/// # Errors
/// [`RegisterError::NotFound`] also for one that has ended.
pub async fn end(db: &Db, actor: &Actor, id: LicenseeId) -> Result<(), RegisterError> {
    let mut tx = db.write(actor).await?;
    let permit = policy::check(
        actor,
        Action::ManageLicensees,
        &Scope::of(actor.institution),
    )?;
    let institution = store::end(&mut tx, id)
        .await?
        .ok_or(RegisterError::NotFound(id))?;
    tx.record(&Changed {
        licensee: id,
        model: None,
        licence: None,
        institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}
