//! Mail: what a notice looks like as one, and the door it leaves by.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::{confirm_token, notice::Shown};
use crate::{
    config::Config,
    ids::NoticeId,
    web::{Lang, day},
};

/// Sends mail, to a server or into a folder.
pub struct Mailer {
    door: Door,
    from: Mailbox,
    origin: String,
    /// What follows the at sign of a Message-ID.
    host: String,
    secret: SecretString,
}

enum Door {
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
    Folder(PathBuf),
}

/// Why a mail did not go.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Trying again will not help: the address or the message was refused.
    #[error("refused: {0}")]
    Refused(String),
    /// Trying again later may help.
    #[error("the mail server is away: {0}")]
    Away(String),
}

/// A letter to somebody outside.
#[derive(Clone, Copy)]
pub struct Letter<'a> {
    /// Letters, digits and dashes; the same for every try, so that a repetition is known as one.
    pub name: &'a str,
    /// Where to.
    pub to: &'a str,
    /// The line above it.
    pub subject: &'a str,
    /// The text.
    pub body: &'a str,
    /// When it was written.
    pub written_at: chrono::DateTime<chrono::Utc>,
}

/// A mail that is ready to go.
pub(super) struct Mail {
    pub(super) message_id: String,
    message: Message,
    file: String,
}

impl Mailer {
    /// A mailer as `config.mail` says: to the server at `url`, or into `folder` where that is empty.
    ///
    /// # Errors
    /// Where an address makes no sense.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let url = config.mail.url.expose_secret();
        let door = if url.is_empty() {
            Door::Folder(config.mail.folder.clone())
        } else {
            let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
                .map_err(|_| anyhow::anyhow!("url: is no smtp:// or smtps:// address"))?;
            Door::Smtp(Box::new(transport.build()))
        };
        Ok(Self {
            door,
            from: config.mail.from.parse().context("from")?,
            origin: config.origin(),
            host: config
                .public_url
                .host_str()
                .unwrap_or("localhost")
                .to_owned(),
            secret: config.secret.clone(),
        })
    }

    /// What `notice` looks like to `address`: in the language that the person reads, else in both.
    ///
    /// # Errors
    /// [`MailError::Refused`] where this is no address.
    pub(super) fn compose(
        &self,
        notice: &Shown,
        address: &str,
        language: Option<Lang>,
    ) -> Result<Mail, MailError> {
        let to: Mailbox = address
            .parse()
            .map_err(|error| MailError::Refused(format!("{error}")))?;
        let languages = language.map_or_else(|| Lang::ALL.to_vec(), |lang| vec![lang]);
        let subject: Vec<String> = languages.iter().map(|lang| notice.title(*lang)).collect();
        let body: Vec<String> = languages
            .iter()
            .map(|lang| self.section(*lang, notice))
            .collect();
        // The same for every try at the same mail, so that a repetition is known as one.
        let digest = Sha256::digest(address.as_bytes());
        let name = format!(
            "{}.{}",
            notice.id,
            data_encoding::HEXLOWER.encode(&digest[..6])
        );
        let message_id = format!("<{name}@{}>", self.host);
        let message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(one_line(&subject.join(" / ")))
            .message_id(Some(message_id.clone()))
            .date(notice.created_at.into())
            .header(ContentType::TEXT_PLAIN)
            .body(body.join("\n\n---\n\n"))
            .map_err(|error| MailError::Refused(error.to_string()))?;
        Ok(Mail {
            message_id,
            message,
            file: format!("{name}.eml"),
        })
    }

    fn section(&self, lang: Lang, notice: &Shown) -> String {
        let link = |path: &str| format!("{}/{lang}{path}", self.origin);
        let mut parts = vec![
            lang.t("mail-greeting"),
            notice.text(lang),
            format!("{}\n{}", lang.t("mail-link"), link(&notice.link)),
        ];
        if let Some(due) = notice.acknowledge_by {
            let path = if notice.institution.is_some() {
                format!("/notices#{}", notice.id)
            } else {
                self.confirm_path(notice.id)
            };
            let ask = lang.t_with("mail-acknowledge", &[("due", day(lang, due))]);
            parts.push(format!("{ask}\n{}", link(&path)));
        }
        parts.push(lang.t("mail-closing"));
        parts.join("\n\n")
    }

    fn confirm_path(&self, notice: NoticeId) -> String {
        let token = confirm_token::token(&self.secret, notice);
        format!("/notices/{notice}/confirm/{token}")
    }

    /// Sends a letter to somebody who need not have an account. Of its address nothing is kept here.
    ///
    /// # Errors
    /// [`MailError`].
    pub async fn send_letter(&self, letter: &Letter<'_>) -> Result<(), MailError> {
        let to: Mailbox = letter
            .to
            .parse()
            .map_err(|error| MailError::Refused(format!("{error}")))?;
        let message_id = format!("<{}@{}>", letter.name, self.host);
        let message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(one_line(letter.subject))
            .message_id(Some(message_id.clone()))
            .date(letter.written_at.into())
            .header(ContentType::TEXT_PLAIN)
            .body(letter.body.to_owned())
            .map_err(|error| MailError::Refused(error.to_string()))?;
        self.send(Mail {
            message_id,
            message,
            file: format!("{}.eml", letter.name),
        })
        .await
    }

    /// Hands a mail over.
    ///
    /// # Errors
    /// [`MailError`].
    pub(super) async fn send(&self, mail: Mail) -> Result<(), MailError> {
        match &self.door {
            Door::Smtp(transport) => match transport.send(mail.message).await {
                Ok(_) => Ok(()),
                Err(error) if error.is_permanent() => Err(MailError::Refused(error.to_string())),
                Err(error) => Err(MailError::Away(error.to_string())),
            },
            Door::Folder(folder) => {
                let (folder, bytes) = (folder.clone(), mail.message.formatted());
                let written = tokio::task::spawn_blocking(move || {
                    fs::create_dir_all(&folder)?;
                    // At once or not at all, and once however often it is tried.
                    let draft = folder.join(format!("{}.draft", mail.file));
                    fs::write(&draft, bytes)?;
                    fs::rename(draft, folder.join(&mail.file))
                })
                .await;
                match written {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) => Err(MailError::Away(error.to_string())),
                    Err(error) => Err(MailError::Away(error.to_string())),
                }
            }
        }
    }
}

/// A subject is one line; what people typed into it may be more.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
