//! Mailing a letter: a task of the worker, repeated until the mail server took it. The address is read when it goes,
//! so it is kept in the case alone and deleted with it.

use serde::{Deserialize, Serialize};

use super::{letter::LetterKind, store};
use crate::{
    db::{Db, StoreError, Task},
    ids::ComplaintId,
    notices::{Letter, MailError, Mailer},
};

/// Mails a letter of a case.
#[derive(Debug, Serialize, Deserialize)]
pub struct MailLetter {
    pub(super) complaint: ComplaintId,
    pub(super) letter: LetterKind,
}

impl Task for MailLetter {
    const KIND: &'static str = "complaints.mail_letter";
}

/// Why a letter has not gone yet.
#[derive(Debug, thiserror::Error)]
pub enum MailLetterError {
    #[error(transparent)]
    Mail(#[from] MailError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for MailLetterError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Mails a letter that has not gone yet. Doing it twice is harmless: what went without being noted goes again under
/// the same Message-ID.
///
/// # Errors
/// Where the mail server is away.
pub async fn mail(db: &Db, mailer: &Mailer, task: &MailLetter) -> Result<(), MailLetterError> {
    let mut conn = db.read().await?;
    let case = store::find(&mut conn, task.complaint).await?;
    let letters = store::letters(&mut conn, task.complaint).await?;
    drop(conn);
    let letter = letters.into_iter().find(|one| one.kind == task.letter);
    let (Some(case), Some(letter)) = (case, letter) else {
        return Ok(());
    };
    // Deleted before it could go, or gone already.
    let (Some(details), Some(body)) = (&case.details, &letter.body) else {
        return Ok(());
    };
    if letter.mailed_at.is_some() {
        return Ok(());
    }
    let kind = task.letter.name();
    let subject = format!(
        "{} ({})",
        case.language.t(&format!("complaint-letter-{kind}")),
        case.number
    );
    let sent = mailer
        .send_letter(&Letter {
            name: &format!("complaint-{}-{kind}", case.id),
            to: &details.email,
            subject: &subject,
            body,
            written_at: letter.written_at,
        })
        .await;
    let refusal = match sent {
        Ok(()) => None,
        Err(MailError::Refused(why)) => Some(why.chars().take(500).collect::<String>()),
        Err(error @ MailError::Away(_)) => return Err(error.into()),
    };
    let mut tx = db.meter().await?;
    store::set_mailed(&mut tx, task.complaint, task.letter, refusal.as_deref()).await?;
    tx.commit().await?;
    Ok(())
}
