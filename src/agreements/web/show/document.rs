//! The document: what it is, and whether it could be read.

use super::super::Badge;
use crate::{
    agreements::{
        pdf::Problem as DocumentProblem,
        store::{self, DocumentState},
    },
    web::{Lang, Page, bytes, moment, short_hash},
};

pub(super) struct DocumentRow {
    pub(super) name: String,
    pub(super) badge: Badge,
    pub(super) about: String,
    pub(super) sha256: String,
    pub(super) hash: String,
    pub(super) problem: String,
    pub(super) is_reading: bool,
    pub(super) href: Option<String>,
}

pub(super) fn document_row(
    page: &Page,
    document: &store::Document,
    now: chrono::DateTime<chrono::Utc>,
) -> DocumentRow {
    let lang = page.lang();
    let (kind, key) = match document.state {
        DocumentState::Reading => ("running", "agreement-document-reading"),
        DocumentState::Ready(_) => ("granted", "agreement-document-ready"),
        DocumentState::Refused(_) => ("refused", "agreement-document-refused"),
    };
    let size = bytes(lang, document.size_bytes);
    let when = moment(lang, now, document.created_at);
    let about = match document.state {
        DocumentState::Ready(pages) => lang.t_with(
            "agreement-document-about-pages",
            &[("pages", pages.to_string()), ("size", size), ("when", when)],
        ),
        DocumentState::Reading | DocumentState::Refused(_) => lang.t_with(
            "agreement-document-about",
            &[("size", size), ("when", when)],
        ),
    };
    DocumentRow {
        name: document.file_name.clone(),
        badge: Badge {
            kind,
            label: lang.t(key),
        },
        about,
        hash: short_hash(&document.sha256),
        sha256: document.sha256.clone(),
        problem: match document.state {
            DocumentState::Refused(problem) => document_problem(lang, problem),
            DocumentState::Reading | DocumentState::Ready(_) => String::new(),
        },
        is_reading: document.state == DocumentState::Reading,
        href: matches!(document.state, DocumentState::Ready(_))
            .then(|| page.path(&format!("/agreements/{}/document", document.agreement))),
    }
}

/// What is wrong with a document, and what to do about it.
pub(in super::super) fn document_problem(lang: Lang, problem: DocumentProblem) -> String {
    lang.t(&format!(
        "agreement-problem-{}",
        problem.name().replace('_', "-")
    ))
}
