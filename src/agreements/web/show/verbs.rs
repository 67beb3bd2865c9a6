//! What its reader may do with an agreement.

use crate::{
    agreements::{
        agreement::{Agreement, Status},
        register, review,
    },
    policy::{self, Action, Actor},
    web::Lang,
};

pub(super) struct VerbButton {
    pub(super) verb: &'static str,
    pub(super) label: String,
    pub(super) look: &'static str,
}

pub(super) fn verbs(lang: Lang, actor: &Actor, agreement: &Agreement) -> Vec<VerbButton> {
    let button = |verb: review::Verb, look| VerbButton {
        verb: verb.name(),
        label: lang.t(&format!("agreement-do-{}", verb.name())),
        look,
    };
    let mut buttons = Vec::new();
    let may = |action| register::check(actor, action, agreement).is_ok();
    if may(Action::WorkOnAgreement) {
        buttons.push(button(review::Verb::Comment, "plain"));
    }
    let scope = agreement.scope().requested_by(agreement.submitted_by);
    if agreement.status == Status::InReview
        && policy::check(actor, Action::ReviewRights, &scope).is_ok()
    {
        buttons.push(button(review::Verb::Return, "plain"));
        buttons.push(button(review::Verb::Reject, "danger"));
    }
    if !agreement.status.is_closed() && may(Action::EditAgreement) {
        buttons.push(button(review::Verb::Withdraw, "danger"));
    }
    buttons
}
