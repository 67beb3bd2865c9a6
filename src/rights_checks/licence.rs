//! A licence as people write it, as an SPDX expression: the label is kept, the expression is for rules.

/// What is said where nothing is known (SPDX 2.3, annex A).
pub const UNKNOWN: &str = "NOASSERTION";

/// Longest label that is read; longer ones are texts, not labels.
const LONGEST: usize = 500;

/// Labels that are written so often that they are known, in small letters with single blanks.
const KNOWN: [(&str, &str); 26] = [
    ("public domain", "CC-PDDC"),
    ("publiek domein", "CC-PDDC"),
    ("publicdomain", "CC-PDDC"),
    ("pd", "CC-PDDC"),
    ("no copyright", "CC-PDDC"),
    ("auteurswet 11", "LicenseRef-NL-Auteurswet-11"),
    ("auteurswet artikel 11", "LicenseRef-NL-Auteurswet-11"),
    ("auteurswet 15b", "LicenseRef-NL-Auteurswet-15b"),
    ("auteurswet artikel 15b", "LicenseRef-NL-Auteurswet-15b"),
    ("cc0", "CC0-1.0"),
    ("cc 0", "CC0-1.0"),
    ("cc zero", "CC0-1.0"),
    ("cc0 1.0", "CC0-1.0"),
    ("cc 0 1.0", "CC0-1.0"),
    ("creative commons zero", "CC0-1.0"),
    ("unknown", UNKNOWN),
    ("onbekend", UNKNOWN),
    ("n/a", UNKNOWN),
    ("other", UNKNOWN),
    ("noassertion", UNKNOWN),
    ("none", "NONE"),
    ("geen", "NONE"),
    ("all rights reserved", "LicenseRef-All-Rights-Reserved"),
    (
        "alle rechten voorbehouden",
        "LicenseRef-All-Rights-Reserved",
    ),
    ("eigen afspraak", "LicenseRef-Agreement"),
    ("own agreement", "LicenseRef-Agreement"),
];

/// The SPDX expression that `label` stands for: ids of the SPDX list where it names any, `LicenseRef-…` for
/// what the list does not have, [`UNKNOWN`] where it says nothing. At most 200 signs.
///
/// A list with commas or semicolons counts as all of them together (`AND`): what one of them forbids stays
/// forbidden. A Creative Commons label without a version names no text and becomes a reference.
#[must_use]
pub fn normalise(label: &str) -> String {
    let label = label.trim();
    if label.is_empty() || label.chars().count() > LONGEST {
        return UNKNOWN.to_owned();
    }
    if let Some(expression) = expression(label) {
        return expression;
    }
    let parts: Vec<&str> = label
        .split([',', ';'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    let mut ids: Vec<String> = parts.iter().map(|part| one(part)).collect();
    ids.sort_unstable();
    ids.dedup();
    let joined = ids.join(" AND ");
    if ids.is_empty() || (ids.len() > 1 && ids.iter().any(|id| id == UNKNOWN || id == "NONE")) {
        UNKNOWN.to_owned()
    } else if joined.len() > 200 {
        reference(label)
    } else {
        joined
    }
}

/// A label that is an SPDX expression already, with its ids as the list writes them.
fn expression(label: &str) -> Option<String> {
    let mode = spdx::ParseMode {
        allow_slash_as_or_operator: false,
        allow_imprecise_license_names: false,
        allow_postfix_plus_on_gpl: true,
        allow_deprecated: true,
        allow_unknown: false,
    };
    let found = spdx::Expression::parse_mode(label, mode).ok()?.to_string();
    (found.len() <= 200).then_some(found)
}

fn one(label: &str) -> String {
    let plain = plain(label);
    if let Some((_, id)) = KNOWN.iter().find(|(known, _)| *known == plain) {
        return (*id).to_owned();
    }
    if let Some(id) = creative_commons(label).or_else(|| creative_commons(&plain)) {
        return id;
    }
    let hyphened = plain.replace(' ', "-");
    let listed = spdx::license_id(label)
        .or_else(|| {
            spdx::identifiers::LICENSES.iter().find_map(|listed| {
                listed
                    .name
                    .eq_ignore_ascii_case(&hyphened)
                    .then(|| spdx::license_id(listed.name))?
            })
        })
        .map(|id| id.name.to_owned());
    listed.unwrap_or_else(|| reference(label))
}

/// Small letters, and every run of blanks, hyphens and underscores as one blank.
fn plain(label: &str) -> String {
    label
        .to_lowercase()
        .split(|c: char| c.is_whitespace() || matches!(c, '-' | '_'))
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// `https://creativecommons.org/licenses/by-nc/4.0/` and `cc by nc 4.0`.
fn creative_commons(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let after = |mark: &str| text.find(mark).map(|at| text[at + mark.len()..].to_owned());
    if let Some(rest) = after("creativecommons.org/publicdomain/") {
        let kind = rest.split('/').next().unwrap_or_default();
        return match kind {
            "zero" => Some("CC0-1.0".into()),
            "mark" => Some("CC-PDDC".into()),
            _ => None,
        };
    }
    let words: Vec<String> = if let Some(rest) = after("creativecommons.org/licenses/") {
        let mut parts = rest.split('/');
        let (kind, version) = (parts.next()?, parts.next().unwrap_or_default());
        kind.split('-')
            .map(str::to_owned)
            .chain([version.to_owned()])
            .collect()
    } else {
        let mut words = text.split(' ');
        if words.next() != Some("cc") {
            return None;
        }
        words.map(str::to_owned).collect()
    };
    let mut elements = Vec::new();
    let mut version = None;
    for word in words
        .iter()
        .map(String::as_str)
        .filter(|word| !word.is_empty())
    {
        match word {
            "by" | "nc" | "nd" | "sa" if version.is_none() => elements.push(word.to_uppercase()),
            _ if word.contains('.') && word.chars().all(|c| c.is_ascii_digit() || c == '.') => {
                version = Some(word);
            }
            _ => return None,
        }
    }
    if elements.first().map(String::as_str) != Some("BY") {
        return None;
    }
    let name = format!("CC-{}", elements.join("-"));
    let Some(version) = version else {
        return Some(format!("LicenseRef-{name}"));
    };
    let id = format!("{name}-{version}");
    Some(match spdx::license_id(&id) {
        Some(listed) => listed.name.to_owned(),
        None => format!("LicenseRef-{id}"),
    })
}

/// A name of our own for what no list has: the same for the same label.
fn reference(label: &str) -> String {
    let mut name = String::new();
    for c in label.chars().take(80) {
        if c.is_ascii_alphanumeric() || c == '.' {
            name.push(c);
        } else if !name.ends_with('-') && !name.is_empty() {
            name.push('-');
        }
    }
    let name = name.trim_end_matches('-');
    if name.is_empty() {
        UNKNOWN.to_owned()
    } else {
        format!("LicenseRef-{name}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_labels_of_one_published_corpus_are_understood() {
        for (label, expected) in [
            ("public-domain", "CC-PDDC"),
            ("Public domain", "CC-PDDC"),
            ("Public Domain", "CC-PDDC"),
            ("publiek domein", "CC-PDDC"),
            ("CC-0 1.0", "CC0-1.0"),
            ("CC0-1.0", "CC0-1.0"),
            ("CC0", "CC0-1.0"),
            ("CC-BY", "LicenseRef-CC-BY"),
            ("CC-By", "LicenseRef-CC-BY"),
            ("cc-by-4.0", "CC-BY-4.0"),
            ("CC BY-SA 4.0", "CC-BY-SA-4.0"),
            ("CC-BY-NC-ND-4.0", "CC-BY-NC-ND-4.0"),
            (
                "https://creativecommons.org/licenses/by-nc/4.0/deed.nl",
                "CC-BY-NC-4.0",
            ),
            (
                "http://creativecommons.org/publicdomain/zero/1.0/",
                "CC0-1.0",
            ),
            (
                "http://creativecommons.org/publicdomain/mark/1.0/",
                "CC-PDDC",
            ),
            ("unknown", "NOASSERTION"),
            ("", "NOASSERTION"),
            ("none", "NONE"),
            ("Apache-2.0, MIT", "Apache-2.0 AND MIT"),
            ("MIT OR Apache-2.0", "MIT OR Apache-2.0"),
            ("mit", "MIT"),
            ("LicenseRef-GPT-NL-CCA-12", "LicenseRef-GPT-NL-CCA-12"),
            (
                "Artikel 7 van de overeenkomst",
                "LicenseRef-Artikel-7-van-de-overeenkomst",
            ),
            ("CC-BY-4.0, unknown", "NOASSERTION"),
        ] {
            assert_eq!(normalise(label), expected, "{label:?}");
        }
    }

    proptest! {
        #[test]
        fn any_label_becomes_a_short_expression(label in ".{0,600}") {
            let expression = normalise(&label);
            prop_assert!((1..=200).contains(&expression.len()), "{expression}");
        }

        #[test]
        fn an_expression_stays_what_it_is(label in ".{0,120}") {
            let once = normalise(&label);
            prop_assert_eq!(normalise(&once), once.clone());
        }
    }
}
