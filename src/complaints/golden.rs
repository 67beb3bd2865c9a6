//! The golden files of what leaves for who asked: the proof of receipt and the letters. A change of form is seen here;
//! people keep these for years, and compare hashes over them.

use attestation::Signer;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    case::{Case, Details, Done, EvidenceFile, IdentityMethod, Outcome, Status},
    letter::{Facts, decision, extension},
    receipt::{PAYLOAD_TYPE, Sent, document, statement},
    request::{Capacity, Kind},
    store::{MarkedIn, Use},
};
use crate::{
    ids::{ComplaintId, DatasetId, InstitutionId, UserId},
    web::Lang,
};

fn day(n: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_435_200, 0).unwrap() + TimeDelta::days(n)
}

/// A case of somebody who says that they are named, with a file sent along; decided by two people.
fn case(kind: Kind, language: Lang, outcome: Outcome) -> Case {
    let done = |by: u128, n| Done {
        by: UserId(Uuid::from_u128(by)),
        at: day(n),
    };
    let mut case = Case {
        id: ComplaintId(Uuid::from_u128(1)),
        number: "K-2026-0007".into(),
        institution: InstitutionId(Uuid::from_u128(2)),
        kind,
        capacity: Capacity::ALL[0],
        language,
        request_sha256: String::new(),
        receipt: String::new(),
        received_at: day(0),
        status: Status::Decided,
        due_at: day(30),
        extended: None,
        owner: Some(UserId(Uuid::from_u128(3))),
        identity: Some((IdentityMethod::CalledBack, done(3, 1))),
        prepared: Some((outcome, done(3, 2))),
        decided: Some(done(4, 3)),
        details: Some(Details {
            name: "J. de Vries".into(),
            email: "j.devries@voorbeeld.example".into(),
            request: "Mijn naam staat in \"Notulen\", blad 3.".into(),
            works: String::new(),
            terms: vec!["J. de Vries".into(), "Jan de Vries".into()],
            search_terms: Vec::new(),
            salt: vec![7; 16],
            evidence: Some(EvidenceFile {
                name: "blad 3.pdf".into(),
                size_bytes: 4096,
                sha256: "ab".repeat(32),
                object_key: "x".into(),
                object_version: "x".into(),
            }),
            extension_reason: None,
            identity_note: None,
            reason: Some("  De naam staat in drie documenten.  ".into()),
        }),
    };
    case.request_sha256 = Sent::of(&case).unwrap().sha256().unwrap();
    let said = statement(
        &case.request_sha256,
        &case.number,
        case.received_at,
        case.due_at,
    )
    .unwrap();
    case.receipt = Signer::from_hex(&"07".repeat(32))
        .unwrap()
        .envelope(PAYLOAD_TYPE, &said)
        .to_text()
        .unwrap();
    case
}

#[test]
fn the_proof_of_receipt_is_as_written_down() {
    let case = case(Kind::Erasure, Lang::Nl, Outcome::Granted);
    let sent = serde_json::to_string(&Sent::of(&case)).unwrap();
    insta::assert_snapshot!("receipt_request", sent);
    let whole = serde_json::to_string_pretty(&document(&case).unwrap()).unwrap();
    insta::assert_snapshot!("receipt_document", whole);
}

#[test]
fn the_letters_are_as_written_down() {
    let marked = [MarkedIn {
        dataset: DatasetId(Uuid::from_u128(5)),
        title: "Notulen".into(),
        institution: "Archief Waterland".into(),
        documents: 3,
    }];
    let used = [Use {
        version: Uuid::from_u128(6),
        job: Uuid::from_u128(7),
        title: "Proef".into(),
        status: "succeeded".into(),
        institution: "Universiteit Harderwijk".into(),
        model: Some((Uuid::from_u128(8), "ft:tiny:een".into())),
    }];
    for lang in Lang::ALL {
        for (name, kind, outcome, (marked, uses)) in [
            (
                "erasure",
                Kind::Erasure,
                Outcome::Granted,
                (&marked[..], &used[..]),
            ),
            (
                "access",
                Kind::Access,
                Outcome::Partly,
                (&marked[..], &[][..]),
            ),
            (
                "copyright",
                Kind::Copyright,
                Outcome::Refused,
                (&[][..], &[][..]),
            ),
        ] {
            let facts = Facts {
                outcome,
                marked,
                uses,
                is_excluded: kind == Kind::Erasure,
            };
            let letter = decision(&case(kind, lang, outcome), &facts);
            insta::assert_snapshot!(format!("letter_{name}_{lang}"), letter);
        }
        let later = case(Kind::Access, lang, Outcome::Granted);
        let letter = extension(&later, " Er is veel na te kijken. ");
        insta::assert_snapshot!(format!("letter_extension_{lang}"), letter);
    }
}
