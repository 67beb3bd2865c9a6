//! Any policy, any use.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use permission_policy::{
    Article6, Article9, Assessment, Confidentiality, DatasetFacts, Duties, Evidence, LICENCES,
    Layer, LicenceFacts, OnWithdrawal, Permission, PermissionId, PrivacyFacts, Purpose, Recipients,
    State, TdmReservation, Terms, Territory, Use,
};
use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any, prop_oneof},
    sample::select,
};
use uuid::Uuid;

pub(crate) fn noon() -> DateTime<Utc> {
    crate::support::moment("-")
}

pub(crate) fn day() -> impl Strategy<Value = NaiveDate> {
    prop_oneof![
        8 => (-400..400_i64).prop_map(|days| noon().date_naive() + TimeDelta::days(days)),
        1 => Just(NaiveDate::MIN),
        1 => Just(NaiveDate::MAX),
    ]
}

pub(crate) fn territory() -> impl Strategy<Value = Territory> {
    select(vec!["NL", "BE", "NO", "US", "EU", "EEA", "world"])
        .prop_map(|code| code.parse().unwrap())
}

pub(crate) fn family() -> impl Strategy<Value = String> {
    select(vec!["gpt-nl", "smollm2", "", "🌷"]).prop_map(str::to_owned)
}

pub(crate) fn purposes(most: usize) -> impl Strategy<Value = Vec<Purpose>> {
    vec(select(Purpose::ALL), 0..=most)
}

pub(crate) fn terms() -> impl Strategy<Value = Terms> {
    let lists = (
        prop_oneof![Just(Purpose::ALL.to_vec()), purposes(6)],
        prop_oneof![6 => Just(vec![]), 1 => purposes(2)],
        prop_oneof![Just(vec![]), vec(territory(), 0..3)],
        prop_oneof![Just(vec![]), vec(territory(), 0..3)],
        prop_oneof![Just(vec![]), vec(family(), 0..3)],
        prop_oneof![9 => Just(vec![]), 1 => vec(any::<String>(), 1..3)],
    );
    let scalars = (
        select(Recipients::ALL),
        any::<bool>(),
        day(),
        day(),
        option::of(Just("ab".repeat(32))),
        prop_oneof![19 => Just(2_u32), 1 => 0..5_u32],
        select(OnWithdrawal::ALL),
        (
            option::of(any::<String>()),
            any::<bool>(),
            any::<bool>(),
            any::<u32>(),
        ),
    );
    (lists, scalars).prop_map(|(lists, scalars)| {
        let (purposes, prohibited, territories, processing_locations, model_families, needs_human) =
            lists;
        let (
            recipients,
            allows_commercial_use,
            valid_from,
            valid_until,
            document,
            rule_set,
            on_withdrawal,
            duties,
        ) = scalars;
        Terms {
            allows_commercial_use,
            duties: Duties {
                attribution: duties.0,
                compensate: duties.1,
                report_use: duties.2,
                delete_within_days: duties.3,
            },
            evidence: Evidence {
                document_sha256: document,
                note: String::new(),
            },
            model_families,
            needs_human,
            on_withdrawal,
            processing_locations,
            prohibited,
            purposes,
            recipients,
            rule_set,
            territories,
            valid_from,
            valid_until,
        }
    })
}

pub(crate) fn permission() -> impl Strategy<Value = Permission> {
    let state = prop_oneof![6 => Just(State::Given), 1 => select(State::ALL)];
    (select(Layer::ALL), state, terms(), 0..1000_u128).prop_map(|(layer, state, terms, id)| {
        Permission {
            id: PermissionId(Uuid::from_u128(id)),
            version: None,
            layer,
            terms,
            terms_sha256: "00".repeat(32),
            state,
            decided_by: String::new(),
            decided_at: noon(),
        }
    })
}

/// Each with an id of its own.
pub(crate) fn permissions() -> impl Strategy<Value = Vec<Permission>> {
    vec(permission(), 0..6).prop_map(|mut list| {
        list.sort_by_key(|one| one.id);
        list.dedup_by_key(|one| one.id);
        list
    })
}

pub(crate) fn licence() -> impl Strategy<Value = LicenceFacts> {
    let label = prop_oneof![
        6 => Just("CC0-1.0".to_owned()),
        3 => select(LICENCES.map(|(name, _)| name.to_owned()).to_vec()),
        2 => select(vec!["CC-BY-NC-4.0", "CC-BY-ND-4.0", "CC-BY-SA-4.0"]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let tdm = prop_oneof![3 => Just(TdmReservation::Unset), 1 => select(TdmReservation::ALL)];
    (label, tdm, option::of(-100..100_i64)).prop_map(|(label, tdm_reservation, found)| {
        LicenceFacts {
            tdm_reservation,
            found_at: found.map(|days| noon() + TimeDelta::days(days)),
            ..LicenceFacts::registered(&label)
        }
    })
}

pub(crate) fn privacy() -> impl Strategy<Value = PrivacyFacts> {
    let assessment = (
        option::of(select(Article6::ALL)),
        option::of(select(Article9::ALL)),
        any::<bool>(),
    )
        .prop_map(|(basis, special_basis, is_signed)| Assessment {
            basis,
            id: Uuid::nil(),
            is_signed,
            special_basis,
        });
    (any::<bool>(), any::<bool>(), option::of(assessment)).prop_map(
        |(has_personal_data, has_special_categories, assessment)| PrivacyFacts {
            assessment,
            has_personal_data,
            has_special_categories,
        },
    )
}

pub(crate) fn facts() -> impl Strategy<Value = DatasetFacts> {
    let privacy = prop_oneof![2 => Just(PrivacyFacts::default()), 1 => privacy()];
    let confidentiality =
        prop_oneof![2 => Just(Confidentiality::Public), 1 => select(Confidentiality::ALL)];
    let is_approved = prop_oneof![9 => Just(true), 1 => Just(false)];
    (confidentiality, is_approved, licence(), privacy).prop_map(
        |(confidentiality, is_approved, licence, privacy)| DatasetFacts {
            confidentiality,
            is_approved,
            licence,
            privacy,
        },
    )
}

pub(crate) fn wanted() -> impl Strategy<Value = Use> {
    (
        select(Purpose::ALL),
        select(Recipients::ALL),
        any::<bool>(),
        family(),
        territory(),
        territory(),
    )
        .prop_map(
            |(purpose, recipients, is_commercial, model_family, territory, processing_location)| {
                Use {
                    is_commercial,
                    model_family,
                    processing_location,
                    purpose,
                    recipients,
                    territory,
                }
            },
        )
}
