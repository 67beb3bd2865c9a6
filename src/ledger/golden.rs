//! The golden files of what leaves the ledger: a change of form is seen here, and needs a new version of the form.

use std::collections::{BTreeMap, BTreeSet};

use attestation::Signer;
use uuid::Uuid;

use super::{
    formula::Formula,
    journal::{Facts, Journal, Read, Served, Stretch},
    month::Month,
    statement::{Owned, PAYLOAD_TYPE, Statement, statements},
    table::table,
};
use crate::ids::{AttemptId, DatasetId, DatasetVersionId, InstitutionId, JobId, ModelId};

const NOTULEN: DatasetVersionId = DatasetVersionId(Uuid::from_u128(0x21));
const KRANTEN: DatasetVersionId = DatasetVersionId(Uuid::from_u128(0x22));
const WATERLAND: InstitutionId = InstitutionId(Uuid::from_u128(0xa));
const HARDERWIJK: InstitutionId = InstitutionId(Uuid::from_u128(0xb));

/// Two datasets, one withdrawn halfway through the month, read by two jobs; one base that is its own.
fn journal() -> Journal {
    let read = |attempt, job, version, tokens| Read {
        attempt: AttemptId(Uuid::from_u128(attempt)),
        job: JobId(Uuid::from_u128(job)),
        version,
        tokens,
    };
    let stretch = |tokens, withdrawn: &[DatasetVersionId]| Stretch {
        tokens,
        withdrawn: withdrawn.iter().copied().collect::<BTreeSet<_>>(),
    };
    let facts = Facts {
        reads: vec![
            read(0x41, 0x31, NOTULEN, 3_000),
            read(0x41, 0x31, KRANTEN, 1_000),
            read(0x42, 0x32, NOTULEN, 12),
        ],
        served: vec![
            Served {
                model: ModelId(Uuid::from_u128(0x51)),
                stretches: vec![stretch(1_001, &[]), stretch(101, &[KRANTEN])],
                weights: BTreeMap::from([(NOTULEN, 3_000), (KRANTEN, 1_000)]),
            },
            Served {
                model: ModelId(Uuid::from_u128(0x52)),
                stretches: vec![stretch(7, &[])],
                weights: BTreeMap::new(),
            },
        ],
    };
    Journal::of(&facts, Formula::First)
}

fn statement_of(institution: InstitutionId) -> Statement {
    let owned = |institution, dataset, manifest: &str| Owned {
        institution,
        dataset: DatasetId(Uuid::from_u128(dataset)),
        manifest_sha256: Some(manifest.repeat(32)),
    };
    let owned = BTreeMap::from([
        (NOTULEN, owned(WATERLAND, 0x11, "ab")),
        (KRANTEN, owned(HARDERWIJK, 0x12, "cd")),
    ]);
    let month: Month = "2026-10".parse().unwrap();
    statements((month, Formula::First), &journal(), &owned)
        .remove(&institution)
        .unwrap()
}

#[test]
fn the_journal_is_as_written_down() {
    let journal = journal();
    insta::assert_snapshot!(
        "journal",
        format!("{}sha256 {}", journal.canonical(), journal.sha256())
    );
}

#[test]
fn the_statement_is_as_written_down() {
    for (institution, name) in [(WATERLAND, "waterland"), (HARDERWIJK, "harderwijk")] {
        let statement = statement_of(institution);
        let body = statement.canonical().unwrap();
        let envelope = Signer::from_hex(&"07".repeat(32))
            .unwrap()
            .envelope(PAYLOAD_TYPE, body.as_bytes())
            .to_text()
            .unwrap();
        insta::assert_snapshot!(format!("statement_{name}_json"), body);
        insta::assert_snapshot!(format!("statement_{name}_envelope"), envelope);
        let csv = String::from_utf8(table(&statement).unwrap()).unwrap();
        insta::assert_snapshot!(format!("statement_{name}_csv"), csv);
    }
}
