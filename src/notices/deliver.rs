//! Mailing notices: a task of the worker, repeated with back-off until the mail server took each of them.

use serde::{Deserialize, Serialize};

use super::{
    mail::{MailError, Mailer},
    store::{self, Filter},
};
use crate::{
    db::{Db, StoreError, Task},
    ids::NoticeId,
    web::Lang,
};

/// Mails these notices to everybody they are for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Deliver {
    pub(super) notices: Vec<NoticeId>,
}

impl Task for Deliver {
    const KIND: &'static str = "notices.deliver";
}

/// Why some mail has not gone yet.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    #[error(transparent)]
    Mail(#[from] MailError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for DeliverError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Mails what has not been mailed yet. Doing it twice is harmless: what went is noted, and what went without being
/// noted goes again under the same Message-ID.
///
/// # Errors
/// Where the mail server is away; those that can go have gone then.
pub async fn deliver(db: &Db, mailer: &Mailer, task: &Deliver) -> Result<(), DeliverError> {
    let mut away = None;
    for id in &task.notices {
        let (notice, addresses) = {
            let mut conn = db.read().await?;
            let notice = store::list(&mut conn, Filter::One(*id)).await?.pop();
            (notice, store::unmailed(&mut conn, *id, db.now()).await?)
        };
        let Some(notice) = notice else { continue };
        for address in addresses {
            let language = address
                .language
                .as_deref()
                .and_then(|code| code.split('-').next()?.parse::<Lang>().ok());
            let (message_id, refusal) = match mailer.compose(&notice, &address.email, language) {
                Ok(mail) => {
                    let message_id = mail.message_id.clone();
                    match mailer.send(mail).await {
                        Ok(()) => (message_id, None),
                        Err(MailError::Refused(why)) => (message_id, Some(why)),
                        Err(error @ MailError::Away(_)) => {
                            away = Some(error);
                            continue;
                        }
                    }
                }
                Err(MailError::Refused(why)) => (String::new(), Some(why)),
                Err(error @ MailError::Away(_)) => return Err(error.into()),
            };
            let refusal = refusal.map(|why| why.chars().take(500).collect::<String>());
            let mut tx = db.meter().await?;
            store::set_mailed(
                &mut tx,
                *id,
                &address.email,
                &message_id,
                refusal.as_deref(),
            )
            .await?;
            tx.commit().await?;
        }
    }
    match away {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}
