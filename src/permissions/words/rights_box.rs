//! The rights box of a dataset: what its permissions come to.

use chrono::{DateTime, Utc};
use permission_policy::{Moment, is_in_force};

use super::{
    super::{
        DatasetFacts, Permission, Purpose, Recipients, Terms, Territory, Use, Verdict, decide,
    },
    duties, layer_name,
    names::or,
    reason, sentence,
};
use crate::{
    ids::PermissionId,
    web::{Lang, moment},
};

/// What the rights box of a dataset says.
#[derive(Debug, Clone, Default)]
pub struct RightsBox {
    /// What may be done; empty: nothing.
    pub yes: String,
    /// What may not.
    pub no: String,
    /// What has to be done in return.
    pub duties: Vec<String>,
    /// Said where nothing is decided yet, or what stands in the way.
    pub waiting: String,
    /// Who decided, and when.
    pub by: String,
    /// Every permission: its id, its layer and how it stands.
    pub permissions: Vec<(PermissionId, String)>,
}

/// What the permissions of a dataset come to, as statements. A reader who may not hear which person decided is told
/// `instead` who did: the institution.
#[must_use]
pub fn rights_box(
    lang: Lang,
    facts: &DatasetFacts,
    permissions: &[Permission],
    (now, instead): (DateTime<Utc>, Option<&str>),
) -> RightsBox {
    let newest = permissions.iter().max_by_key(|p| (p.decided_at, p.id));
    let Some(newest) = newest else {
        return RightsBox {
            waiting: lang.t("rights-nothing-decided"),
            ..RightsBox::default()
        };
    };
    let said = RightsBox {
        by: lang.t_with(
            if newest.state.counts() {
                "rights-given-by"
            } else {
                "rights-withdrawn-by"
            },
            &[
                ("name", instead.unwrap_or(&newest.decided_by).to_owned()),
                ("when", moment(lang, now, newest.decided_at)),
            ],
        ),
        permissions: permissions
            .iter()
            .map(|one| (one.id, link_words(lang, one)))
            .collect(),
        ..RightsBox::default()
    };
    let today = Moment::of(now);
    let Some(permission) = permissions.iter().find(|p| is_in_force(p, &today)) else {
        return RightsBox {
            no: lang.t("rights-nothing-allowed"),
            ..said
        };
    };
    // Review is another question: here only what the right holder and the licence say.
    let facts = DatasetFacts {
        is_approved: true,
        ..facts.clone()
    };
    let probe = Probe {
        facts: &facts,
        permissions,
        now,
        like: permission,
    };
    let allowed: Vec<_> = Purpose::ALL
        .iter()
        .copied()
        .filter(|purpose| {
            probe
                .may(*purpose, Recipients::Consortium, false)
                .is_allowed
        })
        .collect();
    let Some(first) = allowed.first().copied() else {
        let purpose = permission.terms.purposes.first().copied();
        let verdict = probe.may(
            purpose.unwrap_or(Purpose::FineTuning),
            Recipients::Consortium,
            false,
        );
        return RightsBox {
            waiting: in_the_way(lang, &verdict),
            ..said
        };
    };
    let widest = Recipients::ALL
        .iter()
        .copied()
        .rfind(|recipients| probe.may(first, *recipients, false).is_allowed)
        .unwrap_or(Recipients::Consortium);
    let is_commercial = probe.may(first, Recipients::Consortium, true).is_allowed;
    let duties = duties(
        lang,
        &probe.may(first, Recipients::Consortium, false).duties,
    );
    let terms = Terms {
        purposes: allowed.clone(),
        recipients: widest,
        allows_commercial_use: is_commercial,
        ..permission.terms.clone()
    };
    RightsBox {
        yes: sentence(lang, &terms),
        no: refused(lang, permissions, &today, &allowed, is_commercial),
        duties,
        ..said
    }
}

/// Asks the rules what may be done, in the place and with the model that `like` speaks of.
struct Probe<'a> {
    facts: &'a DatasetFacts,
    permissions: &'a [Permission],
    now: DateTime<Utc>,
    like: &'a Permission,
}

impl Probe<'_> {
    fn may(&self, purpose: Purpose, recipients: Recipients, is_commercial: bool) -> Verdict {
        let terms = &self.like.terms;
        let first =
            |places: &[Territory]| places.first().copied().unwrap_or(Territory::NETHERLANDS);
        let wanted = Use {
            is_commercial,
            model_family: terms.model_families.first().cloned().unwrap_or_default(),
            processing_location: first(&terms.processing_locations),
            purpose,
            recipients,
            territory: first(&terms.territories),
        };
        decide(self.facts, self.permissions, &wanted, self.now)
    }
}

/// What is forbidden in so many words, and the two things that people ask about most.
fn refused(
    lang: Lang,
    permissions: &[Permission],
    today: &Moment,
    allowed: &[Purpose],
    is_commercial: bool,
) -> String {
    let mut refused = Vec::new();
    let mut forbidden: Vec<_> = permissions
        .iter()
        .filter(|p| is_in_force(p, today))
        .flat_map(|p| p.terms.prohibited.iter().copied())
        .collect();
    forbidden.sort_unstable();
    forbidden.dedup();
    if !forbidden.is_empty() {
        refused.push(lang.t_with("rights-forbidden", &[("purposes", or(lang, &forbidden))]));
    }
    if !allowed.iter().any(|purpose| purpose.redistributes())
        && !forbidden.contains(&Purpose::RedistributeOriginal)
    {
        refused.push(lang.t("rights-not-redistributed"));
    }
    if !is_commercial {
        refused.push(lang.t("rights-not-commercial"));
    }
    refused.join(" ")
}

fn in_the_way(lang: Lang, verdict: &Verdict) -> String {
    let mut reasons: Vec<_> = verdict
        .reasons
        .iter()
        .map(|one| reason(lang, false, one))
        .collect();
    reasons.dedup();
    format!("{} {}", lang.t("rights-layer-missing"), reasons.join(" "))
}

/// "Auteursrecht: gegeven": how a link to a permission reads.
fn link_words(lang: Lang, permission: &Permission) -> String {
    format!(
        "{}: {}",
        layer_name(lang, permission.layer),
        lang.t(&format!("permission-state-{}", permission.state))
    )
}

#[cfg(test)]
mod tests {
    use permission_policy::{Confidentiality, LicenceFacts, PrivacyFacts, State};
    use uuid::Uuid;

    use super::{super::tests::terms, *};
    use crate::permissions::Layer;

    fn facts(licence: &str) -> DatasetFacts {
        DatasetFacts {
            confidentiality: Confidentiality::Public,
            is_approved: false,
            licence: LicenceFacts::registered(licence),
            privacy: PrivacyFacts::default(),
        }
    }

    fn given(terms: Terms) -> Permission {
        Permission {
            id: PermissionId(Uuid::nil()),
            version: None,
            layer: Layer::Copyright,
            terms,
            terms_sha256: String::new(),
            state: State::Given,
            decided_by: "Saskia".into(),
            decided_at: now(),
        }
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_435_200, 0).unwrap()
    }

    #[test]
    fn the_box_says_what_the_rules_say() {
        let mut terms = terms();
        terms.prohibited.push(Purpose::Evaluation);
        terms.territories.push(Territory::Eu);
        terms.processing_locations.push("BE".parse().unwrap());
        let said = rights_box(Lang::Nl, &facts("CC0-1.0"), &[given(terms)], (now(), None));
        assert_eq!(
            said.yes,
            "Mag gebruikt worden om taalmodellen te finetunen, door partners van GPT-NL, zonder winstoogmerk, \
             binnen de Europese Unie, tot en met 31 december 2028."
        );
        assert_eq!(
            said.no,
            "Niet om taalmodellen te evalueren. Niet om de teksten zelf door te geven. Niet met winstoogmerk."
        );
        assert!(said.by.starts_with("Besloten door Saskia"), "{}", said.by);
    }

    #[test]
    fn who_may_not_hear_of_the_person_hears_of_the_institution() {
        let withdrawn = Permission {
            state: State::Withdrawn,
            ..given(terms())
        };
        for (permission, begin) in [
            (given(terms()), "Besloten door Archief"),
            (withdrawn, "Ingetrokken door Archief"),
        ] {
            let reader = (now(), Some("Archief"));
            let said = rights_box(Lang::Nl, &facts("CC0-1.0"), &[permission], reader);
            assert!(said.by.starts_with(begin), "{}", said.by);
        }
    }

    #[test]
    fn a_licence_in_the_way_is_named() {
        let said = rights_box(
            Lang::En,
            &facts("unknown"),
            &[given(terms())],
            (now(), None),
        );
        assert_eq!(said.yes, "");
        assert!(said.waiting.contains("unknown"), "{}", said.waiting);
    }
}
