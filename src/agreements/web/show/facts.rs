//! The facts of an agreement, under titles.

use super::super::{Fact, words};
use crate::{
    agreements::agreement::Agreement,
    web::{Lang, Page},
};

pub(super) fn across(lang: Lang, agreement: &Agreement) -> Vec<Fact> {
    let facts = &agreement.facts;
    let until = facts
        .expires_on
        .map_or_else(|| lang.t("agreement-no-end"), |day| words::date(lang, day));
    let layers: Vec<_> = facts
        .layers
        .iter()
        .map(|layer| words::layer(lang, *layer))
        .collect();
    [
        ("agreement-institution", agreement.institution_name.clone()),
        (
            "agreement-kind",
            lang.t(&format!(
                "agreement-kind-{}",
                facts.kind.name().replace('_', "-")
            )),
        ),
        ("agreement-layers", layers.join(", ")),
        (
            "agreement-effective-on",
            words::date(lang, facts.effective_on),
        ),
        ("agreement-expires-on", until),
    ]
    .into_iter()
    .map(|(key, value)| Fact {
        name: lang.t(key),
        value,
        href: None,
    })
    .collect()
}

pub(super) fn facts(
    page: &Page,
    agreement: &Agreement,
    titles: &[(crate::ids::DatasetId, String)],
) -> Vec<Fact> {
    let (lang, facts) = (page.lang(), &agreement.facts);
    let mut rows = vec![("agreement-parties", facts.parties.join(", "), None)];
    if !facts.signatory.is_empty() {
        rows.push(("agreement-signatory", facts.signatory.clone(), None));
        rows.push(("agreement-authority", facts.authority.clone(), None));
    }
    for (id, title) in titles {
        if facts.datasets.contains(id) {
            let href = page.path(&format!("/datasets/{id}"));
            rows.push(("agreement-dataset", title.clone(), Some(href)));
        }
    }
    rows.into_iter()
        .map(|(key, value, href)| Fact {
            name: lang.t(key),
            value,
            href,
        })
        .collect()
}
