//! From contract to code: an agreement's document, each term coded from a passage of it, both parties' word on each
//! line, and then the permissions it gives.
//!
//! Nothing here approves by itself. A line is coded from a place in the document or it needs a human; two people
//! confirm each line; and only an agreement whose lines are all coded and confirmed by both comes into force.

mod agreement;
mod attach;
mod clause;
mod code;
mod confirm;
mod event;
mod judge;
mod letters;
mod line;
mod passage;
mod pdf;
mod put_in_force;
mod read;
mod reader;
mod register;
mod review;
mod store;
mod suggest;
mod template;
mod term;
mod waiting;
pub mod web;

pub use self::{
    agreement::{Agreement, Facts, Kind, RawFacts, Status, Step, UnknownWord, WrongStatus},
    attach::{NewDocument, attach},
    clause::{Clause, Judged, NewClause, RawClause, State as ClauseState, Word},
    code::{Place, code},
    confirm::confirm,
    event::AgreementError,
    judge::{judge_clause, note_clause},
    line::{Basis, Confirmation, Line, Need, Pages, Party, Progress, RawLine, Said, Wrong},
    pdf::{Problem as DocumentProblem, read_from_stdin},
    put_in_force::put_in_force,
    read::{Discard, ReadDocument, ReadError, discard, read_document},
    register::{describe, register, submit},
    review::{Verb, say},
    suggest::{Suggestion, suggest},
    template::{Suggested, Template, Words, all as templates, find as find_template},
    term::{Term, TermsError, Value},
    waiting::{Waiting, WaitsFor, waiting_for},
};
use crate::{
    db::{Db, StoreError},
    ids::AgreementId,
    policy::{self, Action, Actor},
};

/// One agreement, where `actor` may see it.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn find_visible(
    db: &Db,
    actor: &Actor,
    id: AgreementId,
) -> Result<Option<Agreement>, StoreError> {
    let mut conn = db.read().await?;
    let found = store::find(&mut conn, id).await?;
    Ok(found.filter(|agreement| {
        policy::check(actor, Action::ViewAgreement, &agreement.scope()).is_ok()
    }))
}
