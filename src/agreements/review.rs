//! What people decide on an agreement that is not (yet) in force: return it, reject it, take it back, remark on it.

use serde_json::json;

use super::{
    agreement::Step,
    event::{AgreementError, Happened},
    register::check,
    store,
};
use crate::{
    db::Db,
    error::Say,
    ids::AgreementId,
    policy::{self, Action, Actor},
};

/// What a person says of an agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Not like this; change it and hand it in again. The legal reviewer's.
    Return,
    /// No, and for good. The legal reviewer's.
    Reject,
    /// Never mind. The institution's.
    Withdraw,
    /// A remark that changes nothing.
    Comment,
}

impl Verb {
    /// The word in forms, in the API and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Return => Step::Return.name(),
            Self::Reject => Step::Reject.name(),
            Self::Withdraw => Step::Withdraw.name(),
            Self::Comment => "comment",
        }
    }

    /// The verb of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Return, Self::Reject, Self::Withdraw, Self::Comment]
            .into_iter()
            .find(|verb| verb.name() == word)
    }

    fn step(self) -> Option<Step> {
        match self {
            Self::Return => Some(Step::Return),
            Self::Reject => Some(Step::Reject),
            Self::Withdraw => Some(Step::Withdraw),
            Self::Comment => None,
        }
    }

    fn event(self) -> &'static str {
        match self {
            Self::Return => "agreements.returned",
            Self::Reject => "agreements.rejected",
            Self::Withdraw => "agreements.withdrawn",
            Self::Comment => "agreements.commented",
        }
    }
}

/// Takes what a person says; each verb needs a text (1 to 2000 characters).
///
/// # Errors
/// [`AgreementError::Denied`] for who has no say; [`AgreementError::WrongStatus`] where the agreement is past it.
pub async fn say(
    db: &Db,
    actor: &Actor,
    id: AgreementId,
    verb: Verb,
    text: &str,
) -> Result<(), AgreementError> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 || text.contains('\0') {
        return Err(AgreementError::Field(
            "text",
            Say::new("agreement-text-needed"),
        ));
    }
    if length > 2000 {
        let say = Say::new("field-too-long").with("most", 2000);
        return Err(AgreementError::Field("text", say.with("length", length)));
    }
    let mut tx = db.write(actor).await?;
    let found = store::lock(&mut tx, id)
        .await?
        .ok_or(AgreementError::NotFound(id))?;
    let permit = match verb {
        Verb::Return | Verb::Reject => {
            let _seen = check(actor, Action::ViewAgreement, &found)?;
            let scope = found.scope().requested_by(found.submitted_by);
            policy::check(actor, Action::ReviewRights, &scope)?
        }
        Verb::Withdraw => check(actor, Action::EditAgreement, &found)?,
        Verb::Comment => check(actor, Action::WorkOnAgreement, &found)?,
    };
    if let Some(step) = verb.step() {
        let after = found.status.after(step)?;
        store::save_status(&mut tx, id, after).await?;
    }
    store::remark(&mut tx, id, verb.name(), text).await?;
    tx.record(&Happened::new(
        verb.event(),
        &found,
        json!({ "text": text }),
    ))?;
    tx.commit(permit).await?;
    Ok(())
}
