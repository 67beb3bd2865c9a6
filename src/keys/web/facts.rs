//! What the page of a key says beside its text: facts, and where it stands in the chain.

use chrono::{DateTime, Utc};

use crate::{
    keys::key::{Key, Status},
    web::{Lang, Page, moment, number},
};

pub(super) struct Fact {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) href: Option<String>,
}

pub(super) struct Station {
    pub(super) what: String,
    pub(super) label: String,
    pub(super) href: Option<String>,
    pub(super) state: &'static str,
}

pub(super) fn facts(page: &Page, key: &Key, now: DateTime<Utc>) -> Vec<Fact> {
    let lang = page.lang();
    let fact = |name: &str, value: String| Fact {
        name: lang.t(name),
        value,
        href: None,
    };
    let mut facts = vec![
        fact("key-start", format!("gptnl_{}_…", key.public_id)),
        fact("key-institution", key.institution_name.clone()),
        fact(
            "limits-project",
            match &key.project {
                Some(project) => project.name.clone(),
                None => lang.t("limits-no-project"),
            },
        ),
        fact(
            "key-commercial",
            lang.t(if key.is_commercial {
                "key-commercial-yes"
            } else {
                "key-commercial-no"
            }),
        ),
        fact("key-abilities", abilities(lang, key)),
        fact("key-networks", networks(lang, key)),
        fact("key-tokens", number(lang, key.limits.tokens_per_day)),
        fact("key-requests", number(lang, key.limits.requests_per_minute)),
        fact("key-until", moment(lang, now, key.expires_at)),
        fact(
            "key-requested",
            lang.t_with(
                "key-by-at",
                &[
                    ("who", key.requester_name.clone()),
                    ("when", moment(lang, now, key.requested_at)),
                ],
            ),
        ),
    ];
    if let (Some(who), Some(at)) = (&key.decider_name, key.decided_at) {
        let when = moment(lang, now, at);
        let text = lang.t_with("key-by-at", &[("who", who.clone()), ("when", when)]);
        facts.push(fact("key-decided", text));
    }
    if let Some(at) = key.revoked_at {
        facts.push(fact("key-revoked", moment(lang, now, at)));
    }
    let last = key
        .last_used_at
        .map_or_else(|| lang.t("key-never-used"), |at| moment(lang, now, at));
    facts.push(fact("key-last-used", last));
    facts
}

pub(super) fn stations(page: &Page, key: &Key) -> Vec<Station> {
    let lang = page.lang();
    let mut stations: Vec<Station> = key
        .models
        .iter()
        .map(|model| Station {
            what: lang.t("chain-model"),
            label: model.name.clone(),
            href: Some(page.path(&format!("/models/{}", model.id))),
            state: "done",
        })
        .collect();
    let state = match key.status {
        Status::Rejected | Status::Revoked => "broken",
        Status::Requested | Status::Approved | Status::Active => "here",
    };
    stations.push(Station {
        what: lang.t("chain-key"),
        label: key.name.clone(),
        href: None,
        state,
    });
    stations
}

fn abilities(lang: Lang, key: &Key) -> String {
    let mut words = Vec::new();
    if key.may_infer {
        words.push(lang.t("key-ability-infer"));
    }
    if key.may_fine_tune {
        words.push(lang.t("key-ability-tune"));
    }
    words.join(" · ")
}

fn networks(lang: Lang, key: &Key) -> String {
    if key.allowed_networks.is_empty() {
        return lang.t("key-networks-any");
    }
    let texts: Vec<String> = key
        .allowed_networks
        .iter()
        .map(ToString::to_string)
        .collect();
    texts.join(", ")
}
