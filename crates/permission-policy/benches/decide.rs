//! How long the rules take for a job that reads 50 dataset versions with 5 permissions each.
//!
//! Prints a line for a job that is allowed and one for a job that is refused: the median of many runs.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program whose output is its purpose"
)]

use std::{hint::black_box, time::Instant};

use chrono::{DateTime, Utc};
use permission_policy::{
    Article6, Assessment, Confidentiality, DatasetFacts, Duties, Layer, LicenceFacts, Moment,
    Permission, PermissionId, PrivacyFacts, Purpose, Recipients, State, Terms, Territory, Use,
    decide_on,
};
use uuid::Uuid;

const VERSIONS: u128 = 50;
const RUNS: usize = 20_000;

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_435_200, 0).unwrap()
}

/// An internal dataset with personal data under CC-BY: all three layers are needed.
fn facts() -> DatasetFacts {
    DatasetFacts {
        confidentiality: Confidentiality::Internal,
        is_approved: true,
        licence: LicenceFacts::registered("CC-BY-4.0"),
        privacy: PrivacyFacts {
            assessment: Some(Assessment {
                basis: Some(Article6::PublicTask),
                id: Uuid::nil(),
                is_signed: true,
                special_basis: None,
            }),
            has_personal_data: true,
            has_special_categories: false,
        },
    }
}

/// Two that do not cover, then one for each layer.
fn permissions(version: u128) -> Vec<Permission> {
    let layers = [
        Layer::Copyright,
        Layer::PersonalData,
        Layer::Copyright,
        Layer::PersonalData,
        Layer::Confidentiality,
    ];
    layers
        .into_iter()
        .zip(0_u128..)
        .map(|(layer, number)| Permission {
            id: PermissionId(Uuid::from_u128(version * 10 + number)),
            version: None,
            layer,
            terms: Terms {
                purposes: vec![Purpose::Evaluation, Purpose::FineTuning],
                prohibited: vec![Purpose::RedistributeOriginal],
                recipients: Recipients::ResearchLicensees,
                territories: vec![Territory::Eu],
                processing_locations: vec![Territory::Eea],
                model_families: vec!["gpt-nl".into()],
                valid_from: at().date_naive(),
                valid_until: at().date_naive(),
                duties: Duties {
                    attribution: Some("Archief Waterland".into()),
                    delete_within_days: 30,
                    ..Duties::default()
                },
                ..Terms::nothing()
            },
            terms_sha256: "00".repeat(32),
            state: if number < 2 {
                State::Withdrawn
            } else {
                State::Given
            },
            decided_by: String::new(),
            decided_at: at(),
        })
        .collect()
}

/// Median microseconds that all verdicts of one job take.
fn measure(wanted: &Use) -> f64 {
    let versions: Vec<_> = (0..VERSIONS).map(|n| (facts(), permissions(n))).collect();
    let mut times: Vec<_> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            let moment = Moment::of(black_box(at()));
            for (facts, permissions) in &versions {
                black_box(decide_on(facts, black_box(permissions), wanted, &moment));
            }
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

fn main() {
    let allowed = Use {
        is_commercial: false,
        model_family: "gpt-nl".into(),
        processing_location: Territory::NETHERLANDS,
        purpose: Purpose::FineTuning,
        recipients: Recipients::Consortium,
        territory: Territory::NETHERLANDS,
    };
    let refused = Use {
        is_commercial: true,
        ..allowed.clone()
    };
    println!(
        "decide, 50 versions x 5 permissions: allowed {:.1} µs, refused {:.1} µs a job",
        measure(&allowed),
        measure(&refused)
    );
}
