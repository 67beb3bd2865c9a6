//! Words as they are compared: without case, accents and punctuation.

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// The words of `text`, in lower case, without accents, parted by single spaces. What is neither letter nor digit
/// parts words: `J.-W. de Vriès` becomes `j w de vries`. Compatibility decomposition as in Unicode's NFKD.
#[must_use]
pub(super) fn fold(text: &str) -> String {
    fold_with_places(text).0
}

/// As [`fold`], with the place in `text` that each byte of the answer comes from.
pub(super) fn fold_with_places(text: &str) -> (String, Vec<usize>) {
    let (mut folded, mut places) = (String::new(), Vec::new());
    for (at, c) in text.char_indices() {
        for part in c.nfkd().filter(|part| !is_combining_mark(*part)) {
            if part.is_alphanumeric() {
                for lower in part.to_lowercase().filter(|one| one.is_alphanumeric()) {
                    folded.push(lower);
                    places.resize(folded.len(), at);
                }
            } else if !folded.is_empty() && !folded.ends_with(' ') {
                folded.push(' ');
                places.push(at);
            }
        }
    }
    if folded.ends_with(' ') {
        folded.pop();
        places.pop();
    }
    (folded, places)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accents_case_and_punctuation_make_no_difference() {
        assert_eq!(fold("  J.-W. de VRIÈS,\n"), "j w de vries");
        assert_eq!(fold("jan@example.nl"), "jan example nl");
        assert_eq!(fold("Súdwest-Fryslân"), "sudwest fryslan");
        assert_eq!(fold("…"), "");
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in ".{0,60}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn every_place_is_in_the_text(text in ".{0,60}") {
            let (folded, places) = fold_with_places(&text);
            prop_assert_eq!(folded.len(), places.len());
            prop_assert!(places.iter().all(|at| text.is_char_boundary(*at) && *at < text.len()));
        }
    }
}
