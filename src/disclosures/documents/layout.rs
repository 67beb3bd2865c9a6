//! Which fields stand in which section of which document, as the law or its template asks.

use super::{care, data, model, provider, sources, summary, training};
use crate::{
    datasets::SourceCategory,
    disclosures::{
        document::{Audience, Field, Section, Words},
        ledger::Ledger,
    },
};

fn section(id: &str, title: &str, fields: Vec<Field>) -> Section {
    Section {
        id: id.to_owned(),
        title: Words::of(&format!("disclosure-section-{title}")),
        fields,
    }
}

/// The sections of the Commission's template.
pub(super) fn training_summary(ledger: &Ledger) -> Vec<Section> {
    use SourceCategory::{LicensedRightholder, Other, PrivateThirdParty, PublicDataset};
    let of = |id: &str, modalities: &str, category| {
        vec![
            sources::of_category(ledger, id, category),
            sources::modalities(ledger, modalities, category),
        ]
    };
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
                summary::data_modalities(ledger),
                summary::size(ledger),
                summary::content_types(ledger),
                summary::acquired_until(ledger),
                summary::continues(ledger),
                summary::languages(ledger),
                summary::other_characteristics(ledger),
            ],
        ),
        section(
            "2.1",
            "public-data",
            vec![
                sources::public_datasets(ledger),
                sources::public_rest(ledger),
                sources::modalities(ledger, "public-modalities", PublicDataset),
            ],
        ),
        section(
            "2.2.1",
            "licensed-data",
            of(
                "licensed-datasets",
                "licensed-modalities",
                LicensedRightholder,
            ),
        ),
        section(
            "2.2.2",
            "private-data",
            of("private-datasets", "private-modalities", PrivateThirdParty),
        ),
        section("2.3", "crawled-data", sources::crawled(ledger)),
        section("2.4", "user-data", sources::from_users(ledger)),
        section("2.5", "synthetic-data", sources::synthetic(ledger)),
        section(
            "2.6",
            "other-data",
            of("other-data", "other-modalities", Other),
        ),
        section(
            "3.1",
            "reservations",
            vec![
                provider::code_signatory(ledger),
                provider::reservations(ledger),
                care::rights_at_source(ledger, false),
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
pub(super) fn annex_xi(ledger: &Ledger) -> Vec<Section> {
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
                care::rights_at_source(ledger, true),
                care::curation(ledger),
                care::personal_data(ledger),
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
pub(super) fn annex_xii(ledger: &Ledger) -> Vec<Section> {
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
                care::curation(ledger),
                training::evaluation(ledger),
            ],
        ),
    ]
}

/// The Code of Practice's form; each field says for whom it is meant.
pub(super) fn model_documentation(ledger: &Ledger) -> Vec<Section> {
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
                authorities(care::rights_at_source(ledger, true)),
                authorities(data::data_points(ledger)),
                authorities(data::characteristics(ledger)),
                all(care::curation(ledger)),
                authorities(care::personal_data(ledger)),
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

pub(super) fn copyright_policy(ledger: &Ledger) -> Vec<Section> {
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
        section(
            "1.3",
            "reservations",
            vec![
                provider::reservations(ledger),
                care::rights_at_source(ledger, false),
            ],
        ),
        section(
            "1.4",
            "infringing-output",
            vec![provider::acceptable_use(ledger)],
        ),
        section("1.5", "complaints", vec![provider::complaint(ledger)]),
    ]
}

pub(super) fn modification(ledger: &Ledger) -> Vec<Section> {
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
