//! What may be chosen: values of a term, and the grounds that a line may have.

use super::{
    super::{Choice, words},
    Looked,
};
use crate::{
    agreements::{template, term::Term},
    permissions::{OnWithdrawal, Purpose, Recipients},
    web::Lang,
};

/// How a term's value is asked, and among what.
pub(super) fn choices(lang: Lang, term: Term, typed: &[String]) -> (&'static str, Vec<Choice>) {
    let choice = |value: &str, label: String| Choice {
        is_chosen: typed.iter().any(|one| one == value),
        value: value.to_owned(),
        label,
        hint: String::new(),
    };
    let keyed = |prefix: &str, value: &str| {
        choice(
            value,
            lang.t(&format!("{prefix}-{}", value.replace('_', "-"))),
        )
    };
    match term {
        Term::Purposes | Term::Prohibited => (
            "checkbox",
            Purpose::ALL
                .iter()
                .map(|one| keyed("agreement-purpose", one.name()))
                .collect(),
        ),
        Term::Recipients => (
            "radio",
            Recipients::ALL
                .iter()
                .map(|one| keyed("recipients", one.name()))
                .collect(),
        ),
        Term::CommercialUse | Term::ReportUse | Term::Compensate => (
            "radio",
            ["yes", "no"]
                .iter()
                .map(|one| keyed("agreement", one))
                .collect(),
        ),
        Term::OnWithdrawal => (
            "radio",
            OnWithdrawal::ALL
                .iter()
                .map(|one| keyed("agreement-withdrawal", one.name()))
                .collect(),
        ),
        Term::Territories | Term::ProcessingLocations | Term::ModelFamilies => ("text", Vec::new()),
        Term::ValidFrom | Term::ValidUntil => ("date", Vec::new()),
        Term::Attribution => ("textarea", Vec::new()),
        Term::DeleteWithinDays => ("number", Vec::new()),
    }
}

/// The grounds that may be given for this line, with what each means.
pub(super) fn bases(lang: Lang, looked: &Looked, chosen: &str) -> Vec<Choice> {
    let mut offered: Vec<(&str, String)> = Vec::new();
    if let Some(pages) = &looked.pages {
        if !pages.is_scan() {
            offered.push(("passage", lang.t("agreement-basis-passage-hint")));
        }
        if pages.texts.iter().any(String::is_empty) {
            offered.push(("page", lang.t("agreement-basis-page-hint")));
        }
    }
    let said = looked
        .agreement
        .template
        .as_deref()
        .and_then(template::find)
        .and_then(|template| template.terms.get(&looked.line.term));
    if let (Some(said), Some(_)) = (said, &looked.agreement.source_url) {
        offered.push(("template", said.reason.of(lang).to_owned()));
    }
    if let Some(silent) = looked.line.term.when_silent() {
        let hint = lang.t_with(
            "agreement-basis-silent-hint",
            &[("value", words::value(lang, &silent))],
        );
        offered.push(("silent", hint));
    }
    offered.push(("cannot_code", lang.t("agreement-basis-cannot-code-hint")));
    offered
        .into_iter()
        .map(|(name, hint)| Choice {
            value: name.to_owned(),
            label: lang.t(&format!("agreement-basis-{}", name.replace('_', "-"))),
            hint,
            is_chosen: chosen == name,
        })
        .collect()
}
