//! The documents about a model, each made from the ledger alone. Pure.
//!
//! Which field rests on which record and which law is listed in `docs/disclosures.md`.

mod care;
mod data;
mod layout;
mod model;
mod provider;
mod sources;
mod summary;
mod training;

use chrono::{DateTime, Datelike as _, Utc};
use chrono_tz::Europe::Amsterdam;

use super::{
    base_facts::BaseFacts,
    document::{Document, EDITION, Source, Words},
    kind::Kind,
    ledger::{Ledger, Recorded},
};
use crate::web::Lang;

/// Where the schema of the documents is.
pub(super) const SCHEMA: &str = "/api/v1/disclosures/schema";

/// Makes one document, as version `version` of those about its model.
pub(super) fn make(ledger: &Ledger, kind: Kind, version: i32) -> Document {
    let sections = match kind {
        Kind::TrainingSummary => layout::training_summary(ledger),
        Kind::AnnexXi => layout::annex_xi(ledger),
        Kind::AnnexXii => layout::annex_xii(ledger),
        Kind::ModelDocumentation => layout::model_documentation(ledger),
        Kind::CopyrightPolicy => layout::copyright_policy(ledger),
        Kind::Modification => layout::modification(ledger),
    };
    let name = kind.name().replace('_', "-");
    Document {
        schema: SCHEMA.to_owned(),
        edition: EDITION,
        kind,
        title: Words::of(&format!("disclosure-kind-{name}")),
        based_on: Words::of(&format!("disclosure-based-{name}")),
        model: ledger.model.id,
        model_name: ledger.model.name.clone(),
        version,
        as_at: ledger.at,
        sections,
    }
}

/// All of them.
pub(super) fn make_all(ledger: &Ledger, version: i32) -> Vec<Document> {
    Kind::ALL
        .into_iter()
        .map(|kind| make(ledger, kind, version))
        .collect()
}

/// The record of a base's facts and the page they were read on.
fn evidence_of_base(ledger: &Ledger, recorded: &Recorded<BaseFacts>) -> Vec<Source> {
    vec![
        Source::record(
            "base_facts",
            recorded.id,
            format!("/models/{}/base-facts", ledger.base.id),
        ),
        Source::evidence(&recorded.facts.evidence_url),
    ]
}

/// A day, in full; Dutch time.
fn date(lang: Lang, at: DateTime<Utc>) -> String {
    let day = at.with_timezone(&Amsterdam).date_naive();
    let month = lang.t(&format!("month-{}", day.month()));
    format!("{} {month} {}", day.day(), day.year())
}

fn date_words(at: DateTime<Utc>) -> Words {
    Words::each(|lang| date(lang, at))
}
