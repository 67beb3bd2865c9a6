//! The words around a find, read from the object store.

use super::{find::Place, fold::fold_with_places, term::Term};
use crate::{
    objects::{ObjectError, ObjectStore},
    uploads::text_of,
};

/// A passage of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// What stands before; cut off where there is more.
    pub before: String,
    /// What was found; empty where only the beginning of the document is shown.
    pub hit: String,
    /// What stands behind.
    pub after: String,
}

/// So much of a document is read; only paragraphs of plain text can be longer.
const MOST_BYTES: u64 = 1024 * 1024;
/// Characters on each side.
const AROUND: usize = 160;

/// Reads the document and cuts out the first of the terms that stands in it, with what is around it.
///
/// # Errors
/// Where the object store is away, or the object is gone.
pub async fn passage(
    objects: &ObjectStore,
    place: &Place,
    terms: &[Term],
) -> Result<Passage, ObjectError> {
    let range = (place.offset_bytes, place.size_bytes.min(MOST_BYTES));
    let bytes = objects
        .read_range(&place.object_key, &place.object_version, range)
        .await?;
    Ok(cut(&text_of(place.format, &bytes), terms))
}

fn cut(text: &str, terms: &[Term]) -> Passage {
    let (folded, places) = fold_with_places(text);
    let found = terms
        .iter()
        .filter_map(|term| term.find(&folded))
        .min_by_key(|(from, _)| *from);
    let source = |at: usize| places.get(at).copied().unwrap_or(text.len());
    let (from, to) = found.map_or((0, 0), |(from, to)| {
        // Up to the end of the character that the last byte comes from.
        let last = source(to.saturating_sub(1));
        let end = text
            .get(last..)
            .and_then(|rest| rest.chars().next())
            .map_or(last, |c| last + c.len_utf8());
        (source(from), end)
    });
    let before: Vec<char> = text.get(..from).unwrap_or_default().chars().collect();
    let after = text.get(to..).unwrap_or_default();
    let skipped = before.len().saturating_sub(AROUND);
    let mut shown = String::new();
    if skipped > 0 {
        shown.push('…');
    }
    shown.extend(before.into_iter().skip(skipped));
    let mut rest: String = after.chars().take(AROUND).collect();
    if rest.len() < after.len() {
        rest.push('…');
    }
    Passage {
        before: shown,
        hit: text.get(from..to).unwrap_or_default().to_owned(),
        after: rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hit_is_shown_as_it_stands_in_the_text() {
        let terms = [Term::parse("de vries").unwrap()];
        let passage = cut("Burgemeester J. De  VRIÈS opende.", &terms);
        assert_eq!(passage.before, "Burgemeester J. ");
        assert_eq!(passage.hit, "De  VRIÈS");
        assert_eq!(passage.after, " opende.");
    }

    #[test]
    fn long_texts_are_cut_on_both_sides() {
        let terms = [Term::parse("naald").unwrap()];
        let text = format!("{} naald {}", "hooi ".repeat(100), "hooi ".repeat(100));
        let passage = cut(&text, &terms);
        assert!(passage.before.starts_with('…') && passage.after.ends_with('…'));
        assert!(passage.before.chars().count() <= AROUND + 1);
        assert_eq!(cut("niets", &terms).hit, "");
    }
}
