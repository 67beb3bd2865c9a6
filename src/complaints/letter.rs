//! The letters: made from the record of the case, in the language of who asked, and kept as they were written.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike as _, Utc};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::{
    case::{Case, Outcome},
    deadline::day,
    error::ComplaintError,
    mail::MailLetter,
    request::{Kind, UnknownName},
    store,
};
use crate::{db::WriteTx, web::Lang};

/// Which letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LetterKind {
    /// The answer takes longer.
    Extension,
    /// The answer.
    Decision,
}

impl LetterKind {
    /// The name in the database and in texts.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Extension => "extension",
            Self::Decision => "decision",
        }
    }
}

impl std::str::FromStr for LetterKind {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "extension" => Ok(Self::Extension),
            "decision" => Ok(Self::Decision),
            _ => Err(UnknownName),
        }
    }
}

/// What the answer tells beside the decision itself.
pub(super) struct Facts<'a> {
    pub(super) outcome: Outcome,
    pub(super) marked: &'a [store::MarkedIn],
    pub(super) uses: &'a [store::Use],
    pub(super) is_excluded: bool,
}

/// A date in words: 25 december 2026.
pub(super) fn date(lang: Lang, at: DateTime<Utc>) -> String {
    let day = day(at);
    let month = lang.t(&format!("month-{}", day.month()));
    format!("{} {month} {}", day.day(), day.year())
}

fn opening(case: &Case) -> Vec<String> {
    let lang = case.language;
    let name = case.details.as_ref().map_or("", |one| one.name.as_str());
    vec![
        lang.t_with("letter-salutation", &[("name", name.to_owned())]),
        lang.t_with(
            "letter-about",
            &[
                ("date", date(lang, case.received_at)),
                ("number", case.number.clone()),
                ("kind", lang.t(&format!("letter-kind-{}", case.kind.name()))),
            ],
        ),
    ]
}

fn close(case: &Case, mut paragraphs: Vec<String>) -> String {
    let lang = case.language;
    paragraphs.push(lang.t(if case.kind.is_of_data_subject() {
        "letter-appeal-authority"
    } else {
        "letter-appeal-court"
    }));
    paragraphs.push(lang.t_with("letter-follow", &[("number", case.number.clone())]));
    paragraphs.push(lang.t("letter-closing"));
    paragraphs.join("\n\n")
}

/// The letter that says that the answer takes longer, and why.
pub(super) fn extension(case: &Case, reason: &str) -> String {
    let lang = case.language;
    let mut paragraphs = opening(case);
    paragraphs.push(lang.t_with("letter-extended", &[("date", date(lang, case.due_at))]));
    paragraphs.push(lang.t("letter-extended-reason"));
    paragraphs.push(reason.trim().to_owned());
    close(case, paragraphs)
}

/// The letter with the answer.
pub(super) fn decision(case: &Case, facts: &Facts<'_>) -> String {
    let lang = case.language;
    let mut paragraphs = opening(case);
    paragraphs.push(lang.t(&format!("letter-outcome-{}", facts.outcome.name())));
    if let Some(reason) = case.details.as_ref().and_then(|one| one.reason.as_deref()) {
        paragraphs.push(lang.t("letter-reason"));
        paragraphs.push(reason.trim().to_owned());
    }
    if facts.outcome != Outcome::Refused {
        paragraphs.extend(found(lang, facts));
    }
    if case.kind == Kind::Access && facts.outcome != Outcome::Refused {
        paragraphs.push(lang.t("letter-access"));
    }
    if facts.is_excluded && !facts.marked.is_empty() {
        paragraphs.push(lang.t("letter-excluded"));
        if !facts.uses.is_empty() {
            paragraphs.push(lang.t("letter-models-remember"));
        }
    }
    close(case, paragraphs)
}

fn found(lang: Lang, facts: &Facts<'_>) -> Vec<String> {
    if facts.marked.is_empty() {
        return vec![lang.t("letter-found-none")];
    }
    let mut lines = vec![lang.t("letter-found")];
    lines.extend(facts.marked.iter().map(|one| {
        lang.t_with(
            "letter-found-line",
            &[
                ("title", one.title.clone()),
                ("institution", one.institution.clone()),
                ("documents", one.documents.to_string()),
            ],
        )
    }));
    let mut paragraphs = vec![lines.join("\n")];
    let models: BTreeSet<&str> = facts
        .uses
        .iter()
        .filter_map(|one| one.model.as_ref().map(|(_, name)| name.as_str()))
        .collect();
    paragraphs.push(if facts.uses.is_empty() {
        lang.t("letter-unused")
    } else if models.is_empty() {
        lang.t("letter-used")
    } else {
        let mut lines = vec![lang.t("letter-used-models")];
        lines.extend(models.iter().map(|name| format!("- {name}")));
        lines.join("\n")
    });
    paragraphs
}

/// Keeps a letter and has it mailed; answers its hash. The person reads it with their code as well.
pub(super) async fn send(
    tx: &mut WriteTx<'_>,
    case: &Case,
    kind: LetterKind,
    body: &str,
) -> Result<String, ComplaintError> {
    let sha256 = HEXLOWER.encode(&Sha256::digest(body.as_bytes()));
    store::insert_letter(tx, case.id, kind, (body, &sha256)).await?;
    tx.enqueue(&MailLetter {
        complaint: case.id,
        letter: kind,
    })?;
    Ok(sha256)
}
