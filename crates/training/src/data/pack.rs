//! Several short pieces in one sequence.

use std::collections::BTreeMap;

/// Puts pieces together so that none of the sequences has more than `room` tokens; a longer piece goes alone.
///
/// Each piece goes where it leaves the least room (best fit), the earliest such place first, so that the same
/// lengths give the same sequences. Attention ends at the bounds of a piece wherever it lies, so packing changes how
/// many pieces a step takes, never what one of them sees.
pub fn pack(lengths: &[usize], room: usize) -> Vec<Vec<usize>> {
    let mut sequences: Vec<Vec<usize>> = Vec::new();
    // Sequences by the room that is left, the earliest last.
    let mut open: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (piece, length) in lengths.iter().enumerate() {
        let found = open.range(*length..).next().map(|(left, _)| *left);
        let fits = found.and_then(|left| {
            let places = open.get_mut(&left)?;
            let place = places.pop()?;
            if places.is_empty() {
                open.remove(&left);
            }
            Some((place, left))
        });
        let (place, left) = fits.unwrap_or_else(|| {
            sequences.push(Vec::new());
            (sequences.len() - 1, room.max(*length))
        });
        if let Some(sequence) = sequences.get_mut(place) {
            sequence.push(piece);
        }
        open.entry(left - length).or_default().push(place);
    }
    sequences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_filled_and_nothing_is_lost_or_doubled() {
        let lengths: Vec<usize> = (0..500).map(|n| 3 + (n * 37) % 60).collect();
        let sequences = pack(&lengths, 64);
        let mut seen: Vec<usize> = sequences.iter().flatten().copied().collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..500).collect::<Vec<_>>());
        for sequence in &sequences {
            let tokens: usize = sequence.iter().map(|piece| lengths[*piece]).sum();
            assert!(tokens <= 64, "{tokens} tokens");
        }
        let least = lengths.iter().sum::<usize>().div_ceil(64);
        assert!(
            sequences.len() * 100 <= least * 110,
            "{} sequences where {least} could do",
            sequences.len()
        );
    }

    #[test]
    fn what_is_longer_than_a_sequence_goes_alone() {
        assert_eq!(pack(&[10, 100, 10], 64), [vec![0, 2], vec![1]]);
        assert!(pack(&[], 64).is_empty());
    }
}
