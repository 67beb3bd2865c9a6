//! The ways in which one name is written.

use super::term::parse_terms;

/// Words that stand before a family name in the Netherlands and around it.
const PREFIXES: [&str; 22] = [
    "van", "de", "der", "den", "het", "'t", "t", "ter", "ten", "te", "op", "in", "von", "zu", "la",
    "le", "du", "el", "al", "ben", "bin", "dos",
];

/// The name and the ways in which it is likely to be written as well: with initials, family name first, the prefix
/// last. Each once, the name itself first; nothing for a text without words.
#[must_use]
pub fn name_variants(name: &str) -> Vec<String> {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let words: Vec<&str> = name.split(' ').filter(|word| !word.is_empty()).collect();
    let is_prefix = |word: &str| PREFIXES.contains(&word.to_lowercase().as_str());
    let mut variants = vec![name.clone()];
    // Given names, then prefixes, then the family name; nothing to turn around in a single word.
    let family_at = words
        .iter()
        .skip(1)
        .position(|word| is_prefix(word))
        .map_or(words.len().saturating_sub(1), |at| at + 1);
    let (given, rest) = words.split_at(family_at.min(words.len()));
    let prefixes = rest.iter().take_while(|word| is_prefix(word)).count();
    let (prefix, family) = rest.split_at(prefixes);
    if !given.is_empty() && !family.is_empty() {
        let letters: Vec<String> = given
            .iter()
            .flat_map(|word| word.split(['-', '.']))
            .filter_map(|part| part.chars().next())
            .map(|letter| letter.to_uppercase().collect())
            .collect();
        let (given, prefix, family) = (given.join(" "), prefix.join(" "), family.join(" "));
        let whole = if prefix.is_empty() {
            family.clone()
        } else {
            format!("{prefix} {family}")
        };
        let initials = letters.join(".") + ".";
        variants.extend([
            format!("{initials} {whole}"),
            format!("{} {whole}", letters.concat()),
            format!("{}. {whole}", letters.first().map_or("", String::as_str)),
            format!("{whole}, {given}"),
            format!("{whole}, {initials}"),
        ]);
        if !prefix.is_empty() {
            variants.extend([
                format!("{family}, {given} {prefix}"),
                format!("{family}, {initials} {prefix}"),
            ]);
        }
    }
    parse_terms(variants.iter().map(String::as_str))
        .into_iter()
        .map(|term| term.text)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_written_in_several_ways() {
        let variants = name_variants("Jan-Willem  de Vries");
        for expected in [
            "Jan-Willem de Vries",
            "J.W. de Vries",
            "JW de Vries",
            "J. de Vries",
            "de Vries, Jan-Willem",
            "de Vries, J.W.",
            "Vries, Jan-Willem de",
            "Vries, J.W. de",
        ] {
            assert!(
                variants.iter().any(|one| one == expected),
                "{expected}: {variants:?}"
            );
        }
        assert_eq!(name_variants("Sukarno"), ["Sukarno"]);
        assert_eq!(name_variants(" – "), Vec::<String>::new());
        assert!(name_variants("Fenna Bakker").contains(&"Bakker, Fenna".to_owned()));
    }

    proptest! {
        #[test]
        fn the_name_itself_comes_first_and_nothing_twice(name in "[A-Za-zë' .-]{0,40}") {
            let variants = name_variants(&name);
            let mut folded: Vec<_> = variants.iter().map(|one| super::super::fold::fold(one)).collect();
            if let Some(first) = folded.first() {
                prop_assert_eq!(first, &super::super::fold::fold(&name));
            }
            let all = folded.len();
            folded.sort();
            folded.dedup();
            prop_assert_eq!(folded.len(), all);
        }
    }
}
