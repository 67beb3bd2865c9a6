//! The longest stretch of a text that occurs in another: a suffix array (Manber and Myers 1993).

/// All suffixes of a text of tokens, in order.
#[derive(Debug)]
pub struct Suffixes {
    text: Vec<u32>,
    order: Vec<u32>,
}

impl Suffixes {
    /// Sorts by doubling: ranks of stretches of 1, 2, 4, … tokens until all differ. `text` has below 2³² tokens; what
    /// is beyond is left out.
    pub fn new(mut text: Vec<u32>) -> Self {
        text.truncate(u32::MAX as usize);
        let count = text.len();
        let mut order: Vec<u32> = (0..count).map(|place| place as u32).collect();
        let mut rank: Vec<u32> = text.clone();
        let mut next = vec![0u32; count];
        let mut length = 1;
        loop {
            // Beyond the end sorts before everything.
            let key = |place: u32| {
                let place = place as usize;
                let behind = rank
                    .get(place + length)
                    .map_or(0, |rank| u64::from(*rank) + 1);
                (rank.get(place).copied().unwrap_or(0), behind)
            };
            order.sort_unstable_by_key(|place| key(*place));
            let mut last = 0;
            for (number, place) in order.iter().enumerate() {
                if let Some(before) = number.checked_sub(1).and_then(|before| order.get(before)) {
                    last += u32::from(key(*before) != key(*place));
                }
                if let Some(next) = next.get_mut(*place as usize) {
                    *next = last;
                }
            }
            std::mem::swap(&mut rank, &mut next);
            if last as usize + 1 >= count || length >= count {
                return Self { text, order };
            }
            length *= 2;
        }
    }

    /// The length of the longest start of `query` that occurs anywhere.
    pub fn longest_start(&self, query: &[u32]) -> usize {
        let suffix = |place: u32| self.text.get(place as usize..).unwrap_or_default();
        let at = self.order.partition_point(|place| suffix(*place) < query);
        let common = |place: &u32| {
            let pairs = suffix(*place).iter().zip(query);
            pairs.take_while(|(a, b)| a == b).count()
        };
        let before = at.checked_sub(1).and_then(|before| self.order.get(before));
        let after = self.order.get(at);
        before
            .into_iter()
            .chain(after)
            .map(common)
            .max()
            .unwrap_or(0)
    }

    /// The length of the longest stretch of `query` that occurs anywhere.
    pub fn longest(&self, query: &[u32]) -> usize {
        let starts = (0..query.len()).map(|start| query.get(start..).unwrap_or_default());
        starts
            .map(|start| self.longest_start(start))
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    fn plainly(text: &[u32], query: &[u32]) -> usize {
        let mut longest = 0;
        for start in 0..query.len() {
            for from in 0..text.len() {
                let pairs = text[from..].iter().zip(&query[start..]);
                longest = longest.max(pairs.take_while(|(a, b)| a == b).count());
            }
        }
        longest
    }

    #[test]
    fn the_longest_match_is_that_of_a_plain_search() {
        let mut draw = StdRng::seed_from_u64(5);
        for words in [2, 3, 20] {
            for length in [0, 1, 2, 50, 200] {
                let text: Vec<u32> = (0..length).map(|_| draw.random_range(0..words)).collect();
                let query: Vec<u32> = (0..30).map(|_| draw.random_range(0..words)).collect();
                let suffixes = Suffixes::new(text.clone());
                assert_eq!(
                    suffixes.longest(&query),
                    plainly(&text, &query),
                    "{text:?} {query:?}"
                );
            }
        }
        let same = Suffixes::new(vec![7; 1000]);
        assert_eq!(same.longest(&[7; 400]), 400);
    }
}
