//! Terms in other people's words: JSON Schema, ODRL, DUO, TDMRep.

mod codes;
mod golden;
mod graph;
mod offers;
mod round_trip;
mod schema;

use permission_policy::{
    Layer, Purpose, State, Terms, duo,
    odrl::{Envelope, Kind, Party},
};
use proptest::{prelude::Strategy, sample::select};

use crate::support::permissions_of;

const NAMESPACE: &str = "https://faculteit.example/ns/permission#";
const US: &str = "https://faculteit.example/institutions/tno";

/// Terms that use every field.
fn full() -> Terms {
    permissions_of(
        "C purposes:pretraining,fine_tuning,retrieval_index,redistribute_original no:synthetic_derivation,redistribute_curated \
         to:research_licensees in:NL,BE at:EU for:gpt-nl,smollm2 signed credit:\"Archief Waterland\" report pay wipe:14 \
         retrain human:\"niet voor concurrenten\"",
    )
    .remove(0)
    .terms
}

fn envelope(kind: Kind) -> Envelope {
    let party = |slug: &str, name: &str| Party {
        iri: format!("https://faculteit.example/institutions/{slug}"),
        name: name.into(),
    };
    Envelope {
        kind,
        profile: NAMESPACE.into(),
        uid: "https://faculteit.example/api/v1/permissions/1".into(),
        target: "https://faculteit.example/api/v1/datasets/7".into(),
        layer: Layer::Copyright,
        state: State::Given,
        decided_at: crate::arbitrary::noon(),
        assigner: (kind != Kind::Set).then(|| party("waterland", "Archief Waterland")),
        assignee: (kind == Kind::Agreement).then(|| party("tno", "TNO")),
    }
}

fn duo(terms: &Terms) -> duo::Export {
    let since = (State::Given, crate::arbitrary::noon());
    duo::export(terms, Layer::PersonalData, since)
}

fn today() -> chrono::NaiveDate {
    crate::arbitrary::noon().date_naive()
}

/// Terms of today's rule set with a purpose, and days of four-digit years. Made so, not picked out: of many cases too
/// many would be thrown away.
fn of_today() -> impl Strategy<Value = Terms> {
    use chrono::Datelike as _;
    (crate::arbitrary::terms(), select(Purpose::ALL)).prop_map(|(mut terms, purpose)| {
        terms.rule_set = 2;
        if terms.purposes.is_empty() {
            terms.purposes.push(purpose);
        }
        for day in [&mut terms.valid_from, &mut terms.valid_until] {
            if !(0..=9999).contains(&day.year()) {
                *day = today();
            }
        }
        terms
    })
}
