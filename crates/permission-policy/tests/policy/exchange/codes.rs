//! DUO codes tell terms apart.

use permission_policy::{OnWithdrawal, Purpose, Recipients, Terms};
use proptest::prelude::{prop_assert_ne, proptest};

use super::duo;

proptest! {
    #[test]
    fn every_field_changes_the_codes(terms in crate::arbitrary::terms()) {
        let plain = serde_json::to_string(&duo(&terms)).unwrap();
        for changed in changes(&terms) {
            prop_assert_ne!(&serde_json::to_string(&duo(&changed)).unwrap(), &plain);
        }
    }
}

/// The same terms with one field changed, for every field.
fn changes(terms: &Terms) -> Vec<Terms> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Terms)| {
        let mut changed = terms.clone();
        change(&mut changed);
        all.push(changed);
    };
    let other = |list: &[Purpose]| {
        Purpose::ALL
            .iter()
            .copied()
            .find(|one| !list.contains(one))
            .map_or_else(Vec::new, |more| {
                let mut longer = list.to_vec();
                longer.push(more);
                longer
            })
    };
    with(&|t| t.purposes = other(&t.purposes));
    with(&|t| t.prohibited = other(&t.prohibited));
    with(&|t| {
        t.recipients = if t.recipients == Recipients::Public {
            Recipients::Consortium
        } else {
            Recipients::Public
        };
    });
    with(&|t| t.allows_commercial_use = !t.allows_commercial_use);
    with(&|t| t.territories.push("JP".parse().unwrap()));
    with(&|t| t.processing_locations.push("JP".parse().unwrap()));
    with(&|t| t.model_families.push("nog een".into()));
    with(&|t| t.valid_from = "1999-05-05".parse().unwrap());
    with(&|t| t.valid_until = "2199-05-05".parse().unwrap());
    with(&|t| t.evidence.note.push('!'));
    with(&|t| {
        t.evidence.document_sha256 = t
            .evidence
            .document_sha256
            .as_ref()
            .map_or(Some("cd".repeat(32)), |_| None);
    });
    with(&|t| {
        t.duties.attribution = t
            .duties
            .attribution
            .as_ref()
            .map_or(Some("zo".into()), |_| None);
    });
    with(&|t| t.duties.report_use = !t.duties.report_use);
    with(&|t| t.duties.compensate = !t.duties.compensate);
    with(&|t| t.duties.delete_within_days = t.duties.delete_within_days.wrapping_add(1));
    with(&|t| {
        t.on_withdrawal = if t.on_withdrawal == OnWithdrawal::Keep {
            OnWithdrawal::Retire
        } else {
            OnWithdrawal::Keep
        };
    });
    with(&|t| t.needs_human.push("nog een voorwaarde".into()));
    with(&|t| t.rule_set += 1);
    all
}
