//! Sequences of different lengths, one after another, without padding.

use std::ops::Range;

use crate::document::Document;

/// What one step learns from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    tokens: Vec<u32>,
    /// For each position: the token to be predicted there, if it counts.
    targets: Vec<Option<u32>>,
    /// Where each sequence ends.
    ends: Vec<usize>,
}

impl Batch {
    /// Adds a document as a sequence of its own.
    pub fn push(&mut self, document: &Document) {
        let Some((_, inputs)) = document.tokens.split_last() else {
            return;
        };
        if inputs.is_empty() {
            return;
        }
        self.tokens.extend(inputs);
        let next = document.tokens.iter().zip(&document.is_target).skip(1);
        self.targets
            .extend(next.map(|(token, counts)| counts.then_some(*token)));
        self.ends.push(self.tokens.len());
    }

    /// One sequence in which nothing is to be predicted.
    pub(super) fn of_tokens(tokens: &[u32]) -> Self {
        Self {
            tokens: tokens.to_vec(),
            targets: vec![None; tokens.len()],
            ends: vec![tokens.len()],
        }
    }

    /// Input tokens over all sequences.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// For each input token: the next one, where it counts.
    pub fn targets(&self) -> &[Option<u32>] {
        &self.targets
    }

    /// Number of positions that carry a loss.
    pub fn target_count(&self) -> usize {
        self.targets.iter().flatten().count()
    }

    /// Places of the sequences among the tokens.
    pub fn sequences(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| start..*end)
    }

    /// Parts of whole sequences with at most `most` tokens each; a longer sequence is a part of its own.
    pub fn split(&self, most: usize) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        for sequence in self.sequences() {
            let has_room = |part: &Self| part.tokens.len() + sequence.len() <= most;
            if !parts.last().is_some_and(has_room) {
                parts.push(Self::default());
            }
            if let Some(part) = parts.last_mut() {
                part.tokens.extend(&self.tokens[sequence.clone()]);
                part.targets.extend(&self.targets[sequence]);
                part.ends.push(part.tokens.len());
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_keep_their_bounds_when_split() {
        let mut batch = Batch::default();
        for length in [4u32, 3, 6, 1] {
            batch.push(&Document {
                tokens: (0..length).collect(),
                is_target: (0..length).map(|token| token % 2 == 0).collect(),
            });
        }
        assert_eq!(batch.sequences().collect::<Vec<_>>(), [0..3, 3..5, 5..10]);
        assert_eq!(batch.targets()[..5], [None, Some(2), None, None, Some(2)]);
        let parts = batch.split(5);
        assert_eq!(
            parts
                .iter()
                .map(|part| part.tokens.len())
                .collect::<Vec<_>>(),
            [5, 5]
        );
        assert_eq!(
            parts.iter().map(Batch::target_count).sum::<usize>(),
            batch.target_count()
        );
    }
}
