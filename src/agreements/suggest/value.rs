//! The value that a sentence seems to say.

use super::{
    super::term::{Term, Value},
    dates::{dates, days},
    stems::begins_a_word,
};
use crate::permissions::{OnWithdrawal, Purpose};

/// What a sentence seems to say, where that is plain enough to propose. `text` is in lower case.
pub(super) fn value(term: Term, text: &str) -> Option<Value> {
    let has = |stems: &[&str]| stems.iter().any(|stem| begins_a_word(text, stem));
    let denies = has(&["niet", "geen", "not ", "no ", "non-", "zonder", "without"]);
    match term {
        Term::ValidFrom => dates(text).first().copied().map(Value::Day),
        Term::ValidUntil => dates(text).last().copied().map(Value::Day),
        Term::DeleteWithinDays => days(text).map(Value::Days),
        Term::Purposes if !denies => {
            let words: [(Purpose, &[&str]); 5] = [
                (
                    Purpose::Pretraining,
                    &["pretrain", "pre-train", "voortrain"],
                ),
                (Purpose::FineTuning, &["finetun", "fine-tun", "bijtrain"]),
                (Purpose::Evaluation, &["evalu"]),
                (Purpose::SafetyTesting, &["veiligheidstest", "safety test"]),
                (Purpose::RetrievalIndex, &["zoekindex", "retrieval"]),
            ];
            let purposes: Vec<_> = words
                .into_iter()
                .filter(|(_, stems)| has(stems))
                .map(|(purpose, _)| purpose)
                .collect();
            (!purposes.is_empty()).then_some(Value::Purposes(purposes))
        }
        Term::OnWithdrawal => {
            let words: [(OnWithdrawal, &[&str]); 3] = [
                (
                    OnWithdrawal::Retrain,
                    &["opnieuw getraind", "opnieuw train", "retrain"],
                ),
                (
                    OnWithdrawal::Retire,
                    &["buiten gebruik", "retire", "taken out of"],
                ),
                (
                    OnWithdrawal::Keep,
                    &["blijven bestaan", "behouden", "may remain", "keep"],
                ),
            ];
            let mut found = words.into_iter().filter(|(_, stems)| has(stems));
            match (found.next(), found.next()) {
                (Some((one, _)), None) => Some(Value::OnWithdrawal(one)),
                _ => None,
            }
        }
        Term::CommercialUse => denies.then_some(Value::Flag(false)),
        Term::Purposes
        | Term::Prohibited
        | Term::Recipients
        | Term::Territories
        | Term::ProcessingLocations
        | Term::ModelFamilies
        | Term::Attribution
        | Term::ReportUse
        | Term::Compensate => None,
    }
}
