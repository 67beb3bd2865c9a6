//! The coded terms, with who confirmed them.

use super::super::{Badge, words};
use crate::{
    agreements::{
        agreement::Agreement,
        line::{Basis, Line, Party},
        register,
    },
    web::{Lang, Page},
};

/// A line as it is shown.
pub(super) struct LineRow {
    pub(super) number: usize,
    /// The layer's name, where it is the first line of its layer.
    pub(super) layer: String,
    pub(super) id: String,
    pub(super) term: String,
    pub(super) value: String,
    pub(super) why: String,
    pub(super) page: String,
    pub(super) passage: String,
    pub(super) needs_human: bool,
    pub(super) state: Badge,
    pub(super) institution: Badge,
    pub(super) platform: Badge,
    pub(super) may_confirm: bool,
    pub(super) edit: Option<String>,
    pub(super) edit_label: String,
}

fn state_badge(lang: Lang, line: &Line) -> Badge {
    if line.needs_human() {
        Badge {
            kind: "waiting-for-you",
            label: lang.t("agreement-line-needs-human-state"),
        }
    } else {
        Badge {
            kind: "neutral",
            label: lang.t("agreement-line-coded"),
        }
    }
}

fn party_badge(lang: Lang, line: &Line, party: Party) -> Badge {
    let found = line.confirmations.iter().find(|one| one.party == party);
    match found {
        Some(one) => Badge {
            kind: "granted",
            label: lang.t_with(
                &format!("agreement-confirmed-{}", party.name()),
                &[("name", one.name.clone())],
            ),
        },
        None => Badge {
            kind: "neutral",
            label: lang.t(&format!("agreement-unconfirmed-{}", party.name())),
        },
    }
}

pub(super) fn line_rows(
    page: &Page,
    agreement: &Agreement,
    lines: &[Line],
    party: Option<Party>,
) -> Vec<LineRow> {
    let lang = page.lang();
    let may_code = register::may_code(page.actor(), agreement);
    let mut before = None;
    (1..)
        .zip(lines)
        .map(|(number, line)| {
            let layer = if before == Some(line.layer) {
                String::new()
            } else {
                words::layer(lang, line.layer)
            };
            before = Some(line.layer);
            let path = format!(
                "/agreements/{}/lines/{}/{}",
                agreement.id,
                line.layer.name(),
                line.term.name()
            );
            LineRow {
                number,
                layer,
                id: line.id.to_string(),
                term: words::term(lang, line.term),
                value: line
                    .value()
                    .map_or_else(|| "–".to_owned(), |value| words::value(lang, value)),
                why: words::why(lang, line),
                page: line
                    .basis()
                    .and_then(Basis::page)
                    .map_or_else(String::new, |page| page.to_string()),
                passage: match line.basis() {
                    Some(Basis::Passage { passage, .. }) => passage.clone(),
                    Some(Basis::Page { .. } | Basis::Template { .. } | Basis::Silent) | None => {
                        String::new()
                    }
                },
                needs_human: line.needs_human(),
                state: state_badge(lang, line),
                institution: party_badge(lang, line, Party::Institution),
                platform: party_badge(lang, line, Party::Platform),
                may_confirm: !line.needs_human()
                    && party.is_some_and(|party| !line.is_confirmed_by(party)),
                edit_label: lang.t(if may_code {
                    "agreement-line-change"
                } else {
                    "agreement-line-look"
                }),
                edit: Some(page.path(&path)),
            }
        })
        .collect()
}
