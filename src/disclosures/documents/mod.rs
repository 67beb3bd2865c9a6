//! The documents about a model, each made from the ledger alone. Pure.
//!
//! Which field rests on which record and which law is listed in `docs/disclosures.md`.

mod data;
mod model;
mod provider;
mod summary;
mod training;

use chrono::{DateTime, Datelike as _, Utc};
use chrono_tz::Europe::Amsterdam;

use super::{
    base_facts::BaseFacts,
    document::{Audience, Document, EDITION, Field, Section, Source, Words},
    kind::Kind,
    ledger::{Ledger, Recorded},
};
use crate::{datasets::SourceCategory, web::Lang};

/// Where the schema of the documents is.
pub(super) const SCHEMA: &str = "/api/v1/disclosures/schema";

/// Makes one document, as version `version` of those about its model.
pub(super) fn make(ledger: &Ledger, kind: Kind, version: i32) -> Document {
    let sections = match kind {
        Kind::TrainingSummary => training_summary(ledger),
        Kind::AnnexXi => annex_xi(ledger),
        Kind::AnnexXii => annex_xii(ledger),
        Kind::ModelDocumentation => model_documentation(ledger),
        Kind::CopyrightPolicy => copyright_policy(ledger),
        Kind::Modification => modification(ledger),
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

fn section(id: &str, title: &str, fields: Vec<Field>) -> Section {
    Section {
        id: id.to_owned(),
        title: Words::of(&format!("disclosure-section-{title}")),
        fields,
    }
}

/// The sections of the Commission's template.
fn training_summary(ledger: &Ledger) -> Vec<Section> {
    use SourceCategory::{
        Crawled, LicensedRightholder, Other, PrivateThirdParty, Synthetic, UserData,
    };
    let of = |id: &str, category| vec![summary::of_category(ledger, id, category)];
    vec![
        section(
            "1.1",
            "provider",
            vec![
                provider::name(ledger),
                provider::contact(ledger),
                provider::representative(ledger),
            ],
        ),
        section(
            "1.2",
            "model",
            vec![
                model::name(ledger),
                model::dependencies(ledger),
                model::base_summary(ledger),
                model::release(ledger),
            ],
        ),
        section(
            "1.3",
            "training-data",
            vec![
                summary::size(ledger),
                summary::content_types(ledger),
                summary::acquired_until(ledger),
                summary::languages(ledger),
            ],
        ),
        section("2.1", "public-data", vec![summary::public_datasets(ledger)]),
        section(
            "2.2.1",
            "licensed-data",
            of("licensed-datasets", LicensedRightholder),
        ),
        section(
            "2.2.2",
            "private-data",
            of("private-datasets", PrivateThirdParty),
        ),
        section("2.3", "crawled-data", of("crawled-data", Crawled)),
        section("2.4", "user-data", of("user-data", UserData)),
        section("2.5", "synthetic-data", of("synthetic-data", Synthetic)),
        section("2.6", "other-data", of("other-data", Other)),
        section(
            "3.1",
            "reservations",
            vec![
                provider::code_signatory(ledger),
                provider::reservations(ledger),
            ],
        ),
        section(
            "3.2",
            "illegal-content",
            vec![provider::illegal_content(ledger)],
        ),
        section(
            "3.3",
            "other-information",
            vec![data::withdrawals(ledger, false)],
        ),
    ]
}

/// Annex XI, section 1.
fn annex_xi(ledger: &Ledger) -> Vec<Section> {
    vec![
        section(
            "1",
            "general-description",
            vec![
                provider::name(ledger),
                model::name(ledger),
                model::authenticity(ledger),
                model::dependencies(ledger),
            ],
        ),
        section(
            "1(a)",
            "tasks",
            vec![model::intended_use(ledger), provider::systems(ledger)],
        ),
        section(
            "1(b)",
            "acceptable-use",
            vec![provider::acceptable_use(ledger)],
        ),
        section(
            "1(c)",
            "release",
            vec![model::release(ledger), model::distribution(ledger)],
        ),
        section(
            "1(d)",
            "architecture",
            vec![model::architecture(ledger), model::parameters(ledger)],
        ),
        section(
            "1(e)",
            "modalities",
            vec![model::modalities(ledger), model::max_input(ledger)],
        ),
        section("1(f)", "licence", vec![model::licence(ledger)]),
        section("2(a)", "integration", vec![provider::integration(ledger)]),
        section(
            "2(b)",
            "training-process",
            vec![
                training::method(ledger),
                provider::training_choices(ledger),
                training::hyperparameters(ledger),
                training::evaluation(ledger),
            ],
        ),
        section(
            "2(c)",
            "data",
            vec![
                data::datasets(ledger),
                data::provenance(ledger),
                data::data_points(ledger),
                data::characteristics(ledger),
                data::selection(ledger),
                data::curation(ledger),
                data::personal_data(ledger),
                data::withdrawals(ledger, true),
                provider::unsuitable_data(ledger),
                provider::bias(ledger),
            ],
        ),
        section(
            "2(d)",
            "compute",
            vec![
                training::compute(ledger),
                training::time(ledger),
                training::cumulative_compute(ledger),
            ],
        ),
        section("2(e)", "energy", vec![training::energy(ledger)]),
    ]
}

/// Annex XII.
fn annex_xii(ledger: &Ledger) -> Vec<Section> {
    vec![
        section(
            "1",
            "general-description",
            vec![
                provider::name(ledger),
                provider::contact(ledger),
                model::name(ledger),
                model::dependencies(ledger),
            ],
        ),
        section(
            "1(a)",
            "tasks",
            vec![model::intended_use(ledger), provider::systems(ledger)],
        ),
        section(
            "1(b)",
            "acceptable-use",
            vec![provider::acceptable_use(ledger)],
        ),
        section(
            "1(c)",
            "release",
            vec![model::release(ledger), model::distribution(ledger)],
        ),
        section("1(d)", "interaction", vec![provider::integration(ledger)]),
        section("1(e)", "versions", vec![model::authenticity(ledger)]),
        section(
            "1(f)",
            "architecture",
            vec![model::architecture(ledger), model::parameters(ledger)],
        ),
        section("1(g)", "modalities", vec![model::modalities(ledger)]),
        section("1(h)", "licence", vec![model::licence(ledger)]),
        section("2(b)", "max-input", vec![model::max_input(ledger)]),
        section(
            "2(c)",
            "data",
            vec![
                data::provenance(ledger),
                data::curation(ledger),
                training::evaluation(ledger),
            ],
        ),
    ]
}

/// The Code of Practice's form; each field says for whom it is meant.
fn model_documentation(ledger: &Ledger) -> Vec<Section> {
    use Audience::{AiOffice, Downstream, NationalAuthority};
    let all = |field: Field| field.meant_for(&[AiOffice, NationalAuthority, Downstream]);
    let authorities = |field: Field| field.meant_for(&[AiOffice, NationalAuthority]);
    let downstream = |field: Field| field.meant_for(&[Downstream]);
    vec![
        section(
            "1",
            "general-information",
            vec![
                all(provider::name(ledger)),
                all(model::name(ledger)),
                authorities(model::authenticity(ledger)),
                all(model::release(ledger)),
                all(model::dependencies(ledger)),
            ],
        ),
        section(
            "2",
            "properties",
            vec![
                all(model::architecture(ledger)),
                authorities(provider::training_choices(ledger)),
                all(model::modalities(ledger)),
                all(model::max_input(ledger)),
                all(model::parameters(ledger)),
            ],
        ),
        section(
            "3",
            "distribution",
            vec![
                all(model::distribution(ledger)),
                all(model::licence(ledger)),
            ],
        ),
        section(
            "4",
            "use",
            vec![
                all(provider::acceptable_use(ledger)),
                all(model::intended_use(ledger)),
                all(provider::systems(ledger)),
                downstream(provider::integration(ledger)),
            ],
        ),
        section(
            "5",
            "training-process",
            vec![
                authorities(training::method(ledger)),
                authorities(training::hyperparameters(ledger)),
                authorities(training::evaluation(ledger)),
            ],
        ),
        section(
            "6",
            "data",
            vec![
                all(data::provenance(ledger)),
                authorities(data::datasets(ledger)),
                authorities(data::selection(ledger)),
                authorities(data::data_points(ledger)),
                authorities(data::characteristics(ledger)),
                all(data::curation(ledger)),
                authorities(data::personal_data(ledger)),
                authorities(data::withdrawals(ledger, true)),
                authorities(provider::unsuitable_data(ledger)),
                authorities(provider::bias(ledger)),
            ],
        ),
        section(
            "7",
            "compute",
            vec![
                authorities(training::time(ledger)),
                authorities(training::compute(ledger)),
                authorities(training::energy(ledger)),
            ],
        ),
    ]
}

fn copyright_policy(ledger: &Ledger) -> Vec<Section> {
    vec![
        section(
            "1.1",
            "policy",
            vec![
                provider::name(ledger),
                provider::copyright_policy(ledger),
                provider::copyright_contact(ledger),
                provider::code_signatory(ledger),
            ],
        ),
        section("1.3", "reservations", vec![provider::reservations(ledger)]),
        section(
            "1.4",
            "infringing-output",
            vec![provider::acceptable_use(ledger)],
        ),
        section("1.5", "complaints", vec![provider::complaint(ledger)]),
    ]
}

fn modification(ledger: &Ledger) -> Vec<Section> {
    vec![
        section(
            "1",
            "modified-model",
            vec![model::name(ledger), model::dependencies(ledger)],
        ),
        section(
            "2",
            "compute",
            vec![
                training::own_compute(ledger),
                training::cumulative_compute(ledger),
                training::base_compute(ledger),
            ],
        ),
        section(
            "3",
            "conclusion",
            vec![training::ratio(ledger), training::conclusion(ledger)],
        ),
    ]
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
