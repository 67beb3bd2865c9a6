//! Text of a page, and quotations from it: whether a passage stands there, and where.

use std::ops::Range;

/// Longest passage that may be quoted, in characters.
pub(super) const LONGEST_PASSAGE: usize = 2000;
/// Shortest; less than a word proves nothing.
pub(super) const SHORTEST_PASSAGE: usize = 3;

/// Text as it is stored: whitespace is single spaces and line feeds, no control characters, letters that were
/// joined in print (`ﬁ`) apart again, soft hyphens gone. Without it a quotation typed by a person would not match.
#[must_use]
pub(super) fn tidy(text: &str) -> String {
    let mut tidy = String::with_capacity(text.len());
    let mut space = None;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            let is_break = matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{2028}' | '\u{2029}');
            space = match (space, is_break) {
                (Some('\n'), _) | (_, true) => Some('\n'),
                _ => Some(' '),
            };
            continue;
        }
        // Soft hyphen, zero-width marks, byte order mark: not seen, so not quoted.
        if matches!(
            c,
            '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}'
        ) {
            continue;
        }
        if let Some(space) = space.take()
            && !tidy.is_empty()
        {
            tidy.push(space);
        }
        match c {
            '\u{fb00}' => tidy.push_str("ff"),
            '\u{fb01}' => tidy.push_str("fi"),
            '\u{fb02}' => tidy.push_str("fl"),
            '\u{fb03}' => tidy.push_str("ffi"),
            '\u{fb04}' => tidy.push_str("ffl"),
            '\u{fb05}' | '\u{fb06}' => tidy.push_str("st"),
            _ => tidy.push(c),
        }
    }
    tidy
}

/// A quotation as it is stored and compared: tidy, and on one line.
#[must_use]
pub(super) fn quotation(text: &str) -> String {
    tidy(text).replace('\n', " ")
}

/// Where `passage` stands in the `page`'s tidy text, as bytes; none where it does not.
///
/// Both are compared with each run of whitespace as one space, so a passage may run over the end of a line.
#[must_use]
pub(super) fn find(page: &str, passage: &str) -> Option<Range<usize>> {
    let wanted = quotation(passage);
    if wanted.is_empty() {
        return None;
    }
    // Tidy text has one sign for each run of whitespace, each a byte long, so that places stay the same.
    let start = page.replace('\n', " ").find(&wanted)?;
    Some(start..start + wanted.len())
}

/// A run of a page's text, and the passages (by their place in the list given) that it is part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run<'a> {
    /// The text.
    pub(super) text: &'a str,
    /// Which passages cover it; empty: none.
    pub(super) marks: Vec<usize>,
}

/// The page's text cut where a passage begins or ends. Passages may overlap; those outside the text are left out.
#[must_use]
pub(super) fn runs<'a>(page: &'a str, passages: &[Range<usize>]) -> Vec<Run<'a>> {
    let mut cuts: Vec<usize> = passages
        .iter()
        .flat_map(|range| [range.start, range.end])
        .chain([0, page.len()])
        .filter(|cut| page.is_char_boundary(*cut))
        .collect();
    cuts.sort_unstable();
    cuts.dedup();
    cuts.windows(2)
        .filter_map(|pair| {
            let (start, end) = (*pair.first()?, *pair.last()?);
            let marks = (0_usize..)
                .zip(passages)
                .filter(|(_, range)| range.start <= start && end <= range.end)
                .map(|(at, _)| at)
                .collect();
            Some(Run {
                text: page.get(start..end)?,
                marks,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whitespace_and_print_do_not_hide_a_passage() {
        let page =
            tidy("Artikel 2.\r\n De  data mag ge\u{ad}bruikt\tworden\n\nom te \u{fb01}netunen.  ");
        assert_eq!(
            page,
            "Artikel 2.\nDe data mag gebruikt worden\nom te finetunen."
        );
        let found = find(&page, " mag gebruikt\n worden om te finetunen").unwrap();
        assert_eq!(&page[found], "mag gebruikt worden\nom te finetunen");
        assert_eq!(find(&page, "mag niet gebruikt worden"), None);
        assert_eq!(find(&page, " \n "), None);
    }

    #[test]
    fn overlapping_passages_are_cut_into_runs() {
        let runs = runs("abcdef", &[1..4, 3..5]);
        let told: Vec<_> = runs
            .iter()
            .map(|run| (run.text, run.marks.clone()))
            .collect();
        assert_eq!(
            told,
            [
                ("a", vec![]),
                ("bc", vec![0]),
                ("d", vec![0, 1]),
                ("e", vec![1]),
                ("f", vec![])
            ]
        );
    }

    proptest! {
        #[test]
        fn tidying_twice_changes_nothing(text in "\\PC{0,80}|[ a\\n\\t\u{ad}\u{a0}\u{fb01}é]{0,60}") {
            let once = tidy(&text);
            prop_assert_eq!(tidy(&once), once);
        }

        #[test]
        fn what_is_cut_from_a_page_is_found_there(text in "[ab é\\n\\t\u{fb01}]{1,60}", at in 0_usize..60, length in 1_usize..40) {
            let page = tidy(&text);
            let cut: String = page.chars().skip(at).take(length).collect();
            if !quotation(&cut).is_empty() {
                let found = find(&page, &cut).unwrap();
                prop_assert_eq!(quotation(&page[found]), quotation(&cut));
            }
        }

        #[test]
        fn runs_put_together_are_the_page(text in "[abcé]{0,30}", cuts in prop::collection::vec((0_usize..40, 0_usize..40), 0..6)) {
            let passages: Vec<_> = cuts.into_iter().map(|(a, b)| a.min(b)..a.max(b)).collect();
            let whole: String = runs(&text, &passages).iter().map(|run| run.text).collect();
            prop_assert_eq!(whole, text);
        }
    }
}
