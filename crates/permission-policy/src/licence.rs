//! What a licence asks and allows. The rules read these flags, never the name.

use serde::{Deserialize, Serialize};

use crate::word::words;

words! {
    /// Whether a licence lets one train on the work.
    Training {
        Yes = "yes",
        No = "no",
        /// Only by agreement with the right holder, whose document is then the evidence.
        Contract = "contract",
    }
}

/// What a licence asks and allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenceFlags {
    /// Whether the work itself may be passed on, as far as the licence is concerned.
    pub allows_redistribution: bool,
    /// Whether one may train on it.
    pub allows_training: Training,
    /// The author must be named.
    pub attribution: bool,
    /// The licence text must travel along.
    pub needs_notice: bool,
    /// No adaptations.
    pub no_derivatives: bool,
    /// Not for profit.
    pub non_commercial: bool,
    /// Adaptations only under the same licence.
    pub share_alike: bool,
}

const FREE: LicenceFlags = LicenceFlags {
    allows_redistribution: true,
    allows_training: Training::Yes,
    attribution: false,
    needs_notice: false,
    no_derivatives: false,
    non_commercial: false,
    share_alike: false,
};
/// Asks for its text to travel along.
const NOTICE: LicenceFlags = LicenceFlags {
    needs_notice: true,
    ..FREE
};
/// Asks for the author's name.
const NAMED: LicenceFlags = LicenceFlags {
    attribution: true,
    ..NOTICE
};
/// Asks for the same licence.
const COPYLEFT: LicenceFlags = LicenceFlags {
    share_alike: true,
    ..NOTICE
};
/// Asks for the author's name and the same licence.
const NAMED_COPYLEFT: LicenceFlags = LicenceFlags {
    share_alike: true,
    ..NAMED
};
/// The institution's own work: it asks nothing of itself, and what its permission says, holds. Not to pass on.
const OWN: LicenceFlags = MINING;
/// Nothing without an agreement; what the agreement says, the permission says.
const CONTRACT: LicenceFlags = LicenceFlags {
    allows_training: Training::Contract,
    ..FREE
};
/// The exception for text and data mining (art. 15o Aw, directive 2019/790 art. 4): to read, not to pass on.
const MINING: LicenceFlags = LicenceFlags {
    allows_redistribution: false,
    ..FREE
};
/// The exception for research organisations (art. 15n Aw, directive 2019/790 art. 3).
const MINING_FOR_RESEARCH: LicenceFlags = LicenceFlags {
    non_commercial: true,
    ..MINING
};
/// Not for training, whatever else.
const NO_TRAINING: LicenceFlags = LicenceFlags {
    allows_training: Training::No,
    ..FREE
};

/// The SPDX ids that the form offers, and the labels that are found in published corpora, in small letters.
/// Creative Commons licences are read by their elements and stand in [`creative_commons`].
pub const TABLE: [(&str, LicenceFlags); 38] = [
    ("cc0-1.0", FREE),
    ("cc0", FREE),
    ("cc-0 1.0", FREE),
    ("cc-0", FREE),
    ("cc-pddc", FREE),
    ("pddl-1.0", FREE),
    ("public-domain", FREE),
    ("public domain", FREE),
    ("publiek domein", FREE),
    ("licenseref-nl-auteurswet-11", FREE),
    ("licenseref-nl-auteurswet-15b", FREE),
    ("licenseref-nl-auteurswet-15n", MINING_FOR_RESEARCH),
    ("licenseref-nl-auteurswet-15o", MINING),
    ("odc-by-1.0", NAMED),
    ("ogl-uk-3.0", NAMED),
    ("etalab-2.0", NAMED),
    ("dl-de-by-2.0", NAMED),
    ("nlod-2.0", NAMED),
    ("apache-2.0", NAMED),
    ("mit", NOTICE),
    ("odbl-1.0", NAMED_COPYLEFT),
    ("gfdl-1.3-or-later", NAMED_COPYLEFT),
    ("gfdl", NAMED_COPYLEFT),
    ("eupl-1.2", COPYLEFT),
    ("mpl-2.0", COPYLEFT),
    ("gpl-2.0", COPYLEFT),
    ("gpl-2.0-only", COPYLEFT),
    ("gpl-2.0-or-later", COPYLEFT),
    ("gpl-3.0", COPYLEFT),
    ("gpl-3.0-or-later", COPYLEFT),
    ("licenseref-own", OWN),
    ("none", CONTRACT),
    ("all rights reserved", CONTRACT),
    ("alle rechten voorbehouden", CONTRACT),
    ("niet-open", CONTRACT),
    ("proprietary", CONTRACT),
    ("licenseref-gpt-nl-cca", CONTRACT),
    ("licenseref-no-training", NO_TRAINING),
];

/// What `label` asks and allows, as far as it is known; none where it is not.
///
/// Takes SPDX ids and the labels found in practice (`Public domain`, `CC-0 1.0`, `CC-By`). Of several labels
/// ("Apache-2.0, MIT", `A AND B`, `A OR B`) every demand counts, and one that is unknown makes all unknown.
#[must_use]
pub fn flags(label: &str) -> Option<LicenceFlags> {
    let label = label.trim().to_lowercase();
    let label = label.replace(" and ", ",").replace(" or ", ",");
    let mut all: Option<LicenceFlags> = None;
    for part in label.split([',', ';']) {
        let one = single(part.trim())?;
        all = Some(all.map_or(one, |before| both(before, one)));
    }
    all
}

/// A label that asks all that `a` and `b` ask: the one that asks more, else both (`a AND b`). What is unknown asks
/// more than anything that is known.
#[must_use]
pub fn stricter(a: &str, b: &str) -> String {
    match (flags(a), flags(b)) {
        (None, _) => a.to_owned(),
        (_, None) => b.to_owned(),
        (Some(of_a), Some(of_b)) => match both(of_a, of_b) {
            all if all == of_a => a.to_owned(),
            all if all == of_b => b.to_owned(),
            _ => format!("{a} AND {b}"),
        },
    }
}

fn single(label: &str) -> Option<LicenceFlags> {
    TABLE
        .iter()
        .find(|(name, _)| *name == label)
        .map(|(_, flags)| *flags)
        .or_else(|| creative_commons(label))
        .or_else(|| agreement(label))
}

/// `cc-by[-nc][-nd|-sa][-version]`, also with blanks, and as an address at creativecommons.org.
fn creative_commons(label: &str) -> Option<LicenceFlags> {
    let address = label
        .trim_start_matches("https://")
        .trim_start_matches("http://")
        .trim_start_matches("www.");
    if let Some(path) = address.strip_prefix("creativecommons.org/") {
        return match path.split('/').collect::<Vec<_>>()[..] {
            ["publicdomain", ..] => Some(FREE),
            ["licenses", elements, ..] => by_elements(elements),
            _ => None,
        };
    }
    by_elements(label.strip_prefix("cc")?.trim_start_matches(['-', ' ']))
}

fn by_elements(elements: &str) -> Option<LicenceFlags> {
    let mut elements = elements.split(['-', ' ']);
    (elements.next() == Some("by")).then_some(())?;
    let mut flags = NAMED;
    for element in elements {
        match element {
            "nc" => flags.non_commercial = true,
            "nd" => flags.no_derivatives = true,
            "sa" => flags.share_alike = true,
            "1.0" | "2.0" | "2.5" | "3.0" | "4.0" | "nl" => {}
            _ => return None,
        }
    }
    Some(flags)
}

/// `LicenseRef-GPT-NL-CCA-<n>`: a Content Contributor Agreement.
fn agreement(label: &str) -> Option<LicenceFlags> {
    let number = label.strip_prefix("licenseref-gpt-nl-cca-")?;
    (!number.is_empty()
        && number
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-'))
    .then_some(CONTRACT)
}

/// Every demand of both.
fn both(a: LicenceFlags, b: LicenceFlags) -> LicenceFlags {
    let allows_training = match (a.allows_training, b.allows_training) {
        (Training::No, _) | (_, Training::No) => Training::No,
        (Training::Contract, _) | (_, Training::Contract) => Training::Contract,
        (Training::Yes, Training::Yes) => Training::Yes,
    };
    LicenceFlags {
        allows_redistribution: a.allows_redistribution && b.allows_redistribution,
        allows_training,
        attribution: a.attribution || b.attribution,
        needs_notice: a.needs_notice || b.needs_notice,
        no_derivatives: a.no_derivatives || b.no_derivatives,
        non_commercial: a.non_commercial || b.non_commercial,
        share_alike: a.share_alike || b.share_alike,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_of_two_labels_asks_what_both_ask() {
        let labels = TABLE.iter().map(|(label, _)| *label);
        let labels: Vec<_> = labels
            .chain(["cc-by-nc-4.0", "cc-by-nd-4.0", "x"])
            .collect();
        for a in &labels {
            for b in &labels {
                let expected = flags(a).zip(flags(b)).map(|(a, b)| both(a, b));
                assert_eq!(flags(&stricter(a, b)), expected, "{a} and {b}");
            }
        }
        assert_eq!(stricter("CC0-1.0", "CC-BY-4.0"), "CC-BY-4.0");
        assert_eq!(stricter("CC-BY-4.0", "CC0-1.0"), "CC-BY-4.0");
        assert_eq!(stricter("CC0-1.0", "Public domain"), "CC0-1.0", "as strict");
    }

    #[test]
    fn every_demand_of_either_label_counts() {
        let labels = [
            "cc0-1.0",
            "cc-by-4.0",
            "cc-by-nc-4.0",
            "cc-by-nd-4.0",
            "cc-by-sa-4.0",
        ];
        let known: Vec<_> = labels.iter().filter_map(|label| flags(label)).collect();
        assert_eq!(known.len(), labels.len());
        for a in &known {
            for b in &known {
                let of_both = both(*a, *b);
                for demand in [
                    |one: &LicenceFlags| one.attribution,
                    |one: &LicenceFlags| one.non_commercial,
                    |one: &LicenceFlags| one.no_derivatives,
                    |one: &LicenceFlags| one.share_alike,
                ] {
                    let is_asked = [a, b].into_iter().any(demand);
                    assert_eq!(demand(&of_both), is_asked, "{a:?} and {b:?}");
                }
            }
        }
    }

    #[test]
    fn the_number_of_an_agreement_is_letters_digits_and_dashes() {
        for known in ["12", "2026-a", "-"] {
            assert!(flags(&format!("LicenseRef-GPT-NL-CCA-{known}")).is_some());
        }
        for unknown in ["", "1/2", "1_2", "1 2"] {
            let label = format!("LicenseRef-GPT-NL-CCA-{unknown}");
            assert_eq!(flags(&label), None, "{label}");
        }
    }
}
