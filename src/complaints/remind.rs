//! Telling whoever handles a case that its answer is due: a week before, on the last day, and when it is late.

use serde_json::json;

use super::{
    case::Status,
    deadline::{Reminder, reminder},
    error::ComplaintError,
    happened::Happened,
    request::Kind,
    store::{self, Brief},
};
use crate::{
    db::{Db, StoreError, WriteTx},
    ids::{ComplaintId, InstitutionId},
    notices::{About, Notice, Recipient, tell_all},
    policy::{self, Action, Actor, Role, Scope},
};

/// Between two looks at what is due.
pub const EVERY: std::time::Duration = std::time::Duration::from_secs(300);

/// The chore: tells of every case whose answer is due soon, today or before today, each once. Of a late one the
/// platform's admins hear too.
///
/// # Errors
/// Where the database is away.
pub async fn remind(db: &Db) -> Result<(), ComplaintError> {
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let mut tx = db.write(&actor).await?;
    let Some(platform) = store::platform(tx.conn()).await? else {
        return Ok(());
    };
    let now = tx.now();
    let mut is_any = false;
    for brief in store::briefs(tx.conn(), None, true).await? {
        let Some(reminder) = reminder(now, brief.due_at) else {
            continue;
        };
        let notices = notices(&brief, reminder, platform);
        if tell_all(&mut tx, &notices).await?.is_empty() {
            continue;
        }
        is_any = true;
        let kind = match reminder {
            Reminder::Soon | Reminder::LastDay => "complaints.reminded",
            Reminder::Late => "complaints.overdue",
        };
        let facts = json!({ "number": brief.number, "due_at": brief.due_at });
        tx.record(&Happened::with((brief.id, platform), kind, facts))?;
    }
    if is_any {
        tx.commit(permit).await?;
    }
    Ok(())
}

/// Tells who handles such cases that one came in.
pub(super) async fn tell_of_arrival(
    tx: &mut WriteTx<'_>,
    (id, number): (ComplaintId, &str),
    kind: Kind,
    platform: InstitutionId,
) -> Result<(), StoreError> {
    let notice = about(
        "complaint-received",
        (id, number),
        role(platform, handlers(kind)),
    )
    .once(format!("complaint:{id}:received"));
    tell_all(tx, &[notice]).await?;
    Ok(())
}

fn notices(brief: &Brief, reminder: Reminder, platform: InstitutionId) -> Vec<Notice> {
    let kind = match reminder {
        Reminder::Soon => "complaint-due-soon",
        Reminder::LastDay => "complaint-due-today",
        Reminder::Late => "complaint-overdue",
    };
    let handlers = role(platform, handlers(brief.kind));
    let mut to = vec![match brief.owner {
        Some(user) => Recipient::User {
            institution: platform,
            user,
        },
        None => handlers.clone(),
    }];
    // Either may be the second person that it waits for.
    if brief.status == Status::Prepared {
        to = vec![
            role(platform, Role::Steward),
            role(platform, Role::LegalReviewer),
        ];
    }
    if reminder == Reminder::Late {
        if !to.contains(&handlers) {
            to.push(handlers);
        }
        to.push(role(platform, Role::Admin));
    }
    to.into_iter()
        .enumerate()
        .map(|(at, to)| {
            // With the day: more time was given is another term, of which people hear again.
            let once = format!("{kind}:{}:{}:{at}", brief.id, brief.due_at.date_naive());
            about(kind, (brief.id, &brief.number), to)
                .with_day("due", brief.due_at)
                .once(once)
        })
        .collect()
}

fn about(kind: &'static str, (id, number): (ComplaintId, &str), to: Recipient) -> Notice {
    let about = About {
        kind: "complaint",
        id: id.0,
    };
    Notice::new(kind, to, about)
        .with("number", number)
        .link(format!("/complaints/{id}"))
}

fn role(institution: InstitutionId, role: Role) -> Recipient {
    Recipient::Role { institution, role }
}

/// Who takes up cases of that kind; [`policy::check`] says the same.
fn handlers(kind: Kind) -> Role {
    if kind.is_of_data_subject() {
        Role::Steward
    } else {
        Role::LegalReviewer
    }
}
