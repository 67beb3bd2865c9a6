//! Fields that state facts of the provider.

use crate::{
    disclosures::{
        document::{Field, Source, Words},
        ledger::{Ledger, Recorded},
        provider::ProviderFacts,
    },
    policy::Role,
};

/// Where an admin states them.
const WHERE: &str = "/admin/provider";

fn source(recorded: &Recorded<ProviderFacts>) -> Source {
    Source::record("provider_facts", recorded.id, WHERE.to_owned())
}

/// A field that states one of them; missing where none are on record.
fn field(ledger: &Ledger, id: &str, text: impl Fn(&ProviderFacts) -> Words) -> Field {
    match &ledger.provider {
        Some(recorded) => {
            let text = text(&recorded.facts);
            // The text itself is the fact: what differs a language is stated in both.
            let value = if text.nl == text.en {
                text.en.clone().into()
            } else {
                serde_json::json!({ "nl": text.nl, "en": text.en })
            };
            Field::stated(id, value, text, vec![source(recorded)])
        }
        None => Field::missing(id, Role::Admin, WHERE.to_owned()),
    }
}

pub(super) fn name(ledger: &Ledger) -> Field {
    field(ledger, "provider-name", |facts| {
        Words::verbatim(&facts.name)
    })
}

pub(super) fn contact(ledger: &Ledger) -> Field {
    field(ledger, "provider-contact", |facts| {
        Words::verbatim(&format!("{}, {}", facts.address, facts.contact))
    })
}

pub(super) fn representative(ledger: &Ledger) -> Field {
    field(ledger, "representative", |facts| {
        facts.representative.as_deref().map_or_else(
            || Words::of("disclosure-say-no-representative"),
            Words::verbatim,
        )
    })
}

pub(super) fn acceptable_use(ledger: &Ledger) -> Field {
    field(ledger, "acceptable-use", |facts| {
        Words::verbatim(&facts.acceptable_use_url)
    })
}

pub(super) fn code_signatory(ledger: &Ledger) -> Field {
    field(ledger, "code-signatory", |facts| {
        Words::of(if facts.is_code_signatory {
            "disclosure-say-signatory"
        } else {
            "disclosure-say-no-signatory"
        })
    })
}

pub(super) fn copyright_policy(ledger: &Ledger) -> Field {
    field(ledger, "copyright-policy", |facts| {
        facts.copyright_policy.clone()
    })
}

pub(super) fn copyright_contact(ledger: &Ledger) -> Field {
    field(ledger, "copyright-contact", |facts| {
        Words::verbatim(&facts.copyright_contact)
    })
}

pub(super) fn complaint(ledger: &Ledger) -> Field {
    field(ledger, "complaint-mechanism", |facts| {
        Words::verbatim(&facts.complaint_url)
    })
}

pub(super) fn reservations(ledger: &Ledger) -> Field {
    field(ledger, "reservations", |facts| facts.reservations.clone())
}

pub(super) fn illegal_content(ledger: &Ledger) -> Field {
    field(ledger, "illegal-content", |facts| {
        facts.illegal_content.clone()
    })
}

pub(super) fn unsuitable_data(ledger: &Ledger) -> Field {
    field(ledger, "unsuitable-data", |facts| {
        facts.unsuitable_data.clone()
    })
}

pub(super) fn bias(ledger: &Ledger) -> Field {
    field(ledger, "bias", |facts| facts.bias.clone())
}

pub(super) fn integration(ledger: &Ledger) -> Field {
    field(ledger, "integration", |facts| facts.integration.clone())
}

pub(super) fn systems(ledger: &Ledger) -> Field {
    field(ledger, "systems", |facts| facts.systems.clone())
}

pub(super) fn training_choices(ledger: &Ledger) -> Field {
    field(ledger, "training-choices", |facts| {
        facts.training_choices.clone()
    })
}
