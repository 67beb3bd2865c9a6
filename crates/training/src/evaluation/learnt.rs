//! The text that a model learnt from, by dataset version, and how much of it stands in what the model writes.

use job_contract::DatasetMemorisation;
use uuid::Uuid;

use super::{
    statistics::share,
    suffixes::Suffixes,
    tries::{self, Tries},
};
use crate::data::Piece;

/// Tokens of a document that are given, and tokens that must come out.
pub(super) const GIVEN: usize = 50;
pub(super) const ASKED: usize = 50;
/// Fewer given tokens than this say too little of which document is meant.
const LEAST_GIVEN: usize = 4;

/// A document that was learnt, with the number of its version.
pub(super) struct LearntDocument {
    pub(super) version: usize,
    pub(super) tokens: Vec<u32>,
}

/// Everything that the model learnt from, by dataset version.
pub(super) struct Learnt {
    /// None stands for files that belong to no dataset.
    pub(super) versions: Vec<Option<Uuid>>,
    documents: Vec<LearntDocument>,
}

impl Learnt {
    /// `datasets` has the version of each source. One of which no document is among `pieces` has its place too: all of
    /// it was held out.
    pub(super) fn new(pieces: &[Piece], datasets: &[Option<Uuid>]) -> Self {
        let version_of = |piece: &Piece| datasets.get(piece.source).copied().flatten();
        let mut versions: Vec<Option<Uuid>> = datasets.to_vec();
        versions.extend(pieces.iter().map(version_of));
        versions.sort_unstable();
        versions.dedup();
        let documents = pieces
            .iter()
            .map(|piece| LearntDocument {
                version: versions
                    .binary_search(&version_of(piece))
                    .unwrap_or_default(),
                tokens: piece.document.tokens.clone(),
            })
            .collect();
        Self {
            versions,
            documents,
        }
    }

    pub(super) fn draw(&self, most: usize, seed: u64) -> Tries {
        let versions: Vec<Option<usize>> = self
            .documents
            .iter()
            .map(|document| {
                let is_long_enough = given(&document.tokens).len() >= LEAST_GIVEN;
                is_long_enough.then_some(document.version)
            })
            .collect();
        tries::draw(&versions, most, seed)
    }

    /// The documents that are tried, in their order.
    pub(super) fn tried<'a>(
        &'a self,
        tries: &'a Tries,
    ) -> impl Iterator<Item = &'a LearntDocument> {
        let places = tries.places.iter();
        places.filter_map(move |place| self.documents.get(*place))
    }

    /// What of all that was written stands in the text of one version. Lengthens the longest match of each piece of
    /// writing where it is longer here than in the versions before.
    pub(super) fn of_version(&self, version: usize, written: &mut [Written]) -> Own {
        let mut text = Vec::new();
        let mut documents = 0;
        for document in &self.documents {
            if document.version == version {
                documents += 1;
                text.extend_from_slice(&document.tokens);
                // No match runs from one document into the next.
                text.push(u32::MAX);
            }
        }
        let suffixes = Suffixes::new(text);
        let mut own = Own {
            documents,
            ..Own::default()
        };
        for one in written {
            let length = suffixes.longest(&one.tokens);
            one.longest = one.longest.max(length);
            own.longest = own.longest.max(length);
            if one.version == version {
                own.tried += 1;
                own.repeated += u64::from(one.is_repeated);
            }
        }
        own
    }
}

/// The tokens of a document that are given. Short ones are halved, so that small data is tried as well.
pub(super) fn given(document: &[u32]) -> &[u32] {
    let count = GIVEN.min(document.len() / 2);
    document.get(..count).unwrap_or_default()
}

/// Whether the model went on with a document word for word.
fn is_repeated(document: &[u32], written: &[u32]) -> bool {
    let rest = document.get(given(document).len()..).unwrap_or_default();
    let rest = rest.get(..ASKED.min(rest.len())).unwrap_or_default();
    !rest.is_empty() && written.starts_with(rest)
}

/// What the model wrote when it was given the beginning of a document.
pub(super) struct Written {
    /// Of the document.
    pub(super) version: usize,
    /// Whether it is the document, word for word.
    pub(super) is_repeated: bool,
    /// Tokens of the longest stretch that stands in the training text, as far as that was looked through.
    pub(super) longest: usize,
    pub(super) tokens: Vec<u32>,
}

impl Written {
    pub(super) fn after(document: &LearntDocument, tokens: Vec<u32>) -> Self {
        Self {
            version: document.version,
            is_repeated: is_repeated(&document.tokens, &tokens),
            longest: 0,
            tokens,
        }
    }
}

/// What was found of one version.
#[derive(Debug, Default)]
pub(super) struct Own {
    documents: u64,
    tried: u64,
    repeated: u64,
    longest: usize,
}

impl Own {
    pub(super) fn of_dataset(&self, dataset_version: Uuid) -> DatasetMemorisation {
        DatasetMemorisation {
            dataset_version,
            documents: self.documents,
            items: self.tried,
            extracted: self.repeated as f64 / self.tried.max(1) as f64,
            interval: share(self.repeated, self.tried),
            longest_match: self.longest as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use language_model::Document;

    use super::*;

    /// Documents of counting tokens from `first` on, so that no two have one in common.
    fn piece(source: usize, first: u32, length: u32) -> Piece {
        let tokens: Vec<u32> = (first..first + length).collect();
        Piece {
            document: Document {
                is_target: vec![true; tokens.len()],
                tokens,
            },
            rejected: None,
            source,
        }
    }

    #[test]
    fn each_version_has_its_own_figures() {
        let (large, small, empty) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        // The large one lies in two files.
        let datasets = [Some(large), Some(small), Some(large), Some(empty)];
        let mut pieces: Vec<Piece> = (0..40)
            .map(|n| piece(n % 2 * 2, n as u32 * 100, 20))
            .collect();
        pieces.push(piece(1, 10_000, 20));
        // Too short to be tried.
        pieces.push(piece(1, 10_100, 6));
        let learnt = Learnt::new(&pieces, &datasets);
        assert_eq!(learnt.versions, [Some(large), Some(small), Some(empty)]);
        let tries = learnt.draw(6, 1);
        // Only the small one's document is gone on with, the second half of it whole.
        let mut written: Vec<Written> = learnt
            .tried(&tries)
            .map(|document| {
                let tokens: Vec<u32> = if document.version == 1 {
                    (10_010..10_020).chain([7; 40]).collect()
                } else {
                    vec![9_999; 50]
                };
                Written::after(document, tokens)
            })
            .collect();
        let own: Vec<DatasetMemorisation> = (0..3)
            .zip([large, small, empty])
            .map(|(number, id)| learnt.of_version(number, &mut written).of_dataset(id))
            .collect();
        let told = |of: &DatasetMemorisation| (of.documents, of.items, of.extracted);
        assert_eq!(told(&own[0]), (40, 6, 0.0));
        assert_eq!(told(&own[1]), (2, 1, 1.0));
        assert_eq!(told(&own[2]), (0, 0, 0.0));
        // The planted forty tokens 7 stand in the first document of the large one, once.
        assert_eq!(
            own.iter().map(|of| of.longest_match).collect::<Vec<_>>(),
            [1, 10, 0]
        );
        assert_eq!(own[2].interval, None);
        assert_eq!(tries.of_all, 6);
    }

    #[test]
    fn files_of_no_dataset_are_tried_and_told_of_together_alone() {
        let pieces = [piece(0, 0, 20), piece(1, 100, 20)];
        let learnt = Learnt::new(&pieces, &[None, None]);
        assert_eq!(learnt.versions, [None]);
        assert_eq!(learnt.draw(usize::MAX, 1).places.len(), 2);
        // A list that does not name every file takes them for files of no dataset.
        assert_eq!(Learnt::new(&pieces, &[]).versions, [None]);
    }
}
