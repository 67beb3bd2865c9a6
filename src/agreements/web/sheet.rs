//! The document's text as it is shown: page by page, with the passages that lines quote marked and numbered.

use super::super::{line::Pages, passage};

/// A run of text under the same marks.
pub(super) struct Run {
    pub(super) text: String,
    pub(super) is_marked: bool,
    /// Numbers of the passages that begin here; each is a link to its line.
    pub(super) begins: Vec<usize>,
}

/// A page of the document.
pub(super) struct Sheet {
    pub(super) number: usize,
    pub(super) runs: Vec<Run>,
    /// Whether it has text at all.
    pub(super) has_text: bool,
}

/// A passage to be marked.
pub(super) struct Mark<'a> {
    /// The number it is shown with.
    pub(super) number: usize,
    pub(super) page: i32,
    pub(super) passage: &'a str,
}

/// The pages with `marks`; a passage that does not stand on its page is not marked.
pub(super) fn sheets(pages: &Pages, marks: &[Mark<'_>]) -> Vec<Sheet> {
    (1_usize..)
        .zip(&pages.texts)
        .map(|(number, text)| {
            let found: Vec<_> = marks
                .iter()
                .filter(|mark| usize::try_from(mark.page) == Ok(number))
                .filter_map(|mark| Some((mark.number, passage::find(text, mark.passage)?)))
                .collect();
            let ranges: Vec<_> = found.iter().map(|(_, range)| range.clone()).collect();
            let mut at = 0;
            let runs = passage::runs(text, &ranges)
                .into_iter()
                .map(|run| {
                    let begins = found
                        .iter()
                        .filter(|(_, range)| range.start == at)
                        .map(|(number, _)| *number)
                        .collect();
                    at += run.text.len();
                    Run {
                        text: run.text.to_owned(),
                        is_marked: !run.marks.is_empty(),
                        begins,
                    }
                })
                .collect();
            Sheet {
                number,
                runs,
                has_text: !text.is_empty(),
            }
        })
        .collect()
}
