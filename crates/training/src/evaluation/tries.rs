//! Which documents a model is asked to go on with: some of all together, and some of each dataset version.

use std::collections::BTreeMap;

use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

/// Documents that are tried of all together.
const OF_ALL: usize = 100;
/// Documents that are tried of each version, where it has so many: a small archive beside a large one is tried as well,
/// and where a tenth of it comes out word for word, one of 25 does so in 93 of 100 cases.
const OF_EACH: usize = 25;

/// Documents in the order in which they are tried, by their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tries {
    pub(super) places: Vec<usize>,
    /// The first so many are a plain sample of all documents, whatever version they are of.
    pub(super) of_all: usize,
}

/// Draws the documents that are tried: a hundred of all together, then of each version as many more as make 25; `most`
/// in place of either number where that is less.
///
/// `versions` says for each document which version it is of, in any numbering; none where it is too short to be
/// tried. The documents of one version that are drawn are a plain sample of those of that version. The same seed
/// gives the same documents.
pub(super) fn draw(versions: &[Option<usize>], most: usize, seed: u64) -> Tries {
    let mut order: Vec<usize> = (0..versions.len()).collect();
    order.shuffle(&mut StdRng::seed_from_u64(seed));
    let mut drawn = order.into_iter().filter_map(|place| {
        let version = versions.get(place).copied().flatten()?;
        Some((place, version))
    });
    let mut tried: BTreeMap<usize, usize> = BTreeMap::new();
    let mut places = Vec::new();
    for (place, version) in drawn.by_ref().take(OF_ALL.min(most)) {
        *tried.entry(version).or_default() += 1;
        places.push(place);
    }
    let of_all = places.len();
    // Going on with the same order, so that no document of a version is likelier to come than another.
    for (place, version) in drawn {
        let tried = tried.entry(version).or_default();
        if *tried < OF_EACH.min(most) {
            *tried += 1;
            places.push(place);
        }
    }
    Tries { places, of_all }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many documents of each version are tried.
    fn counts(versions: &[Option<usize>], tries: &Tries) -> BTreeMap<usize, usize> {
        let mut counts = BTreeMap::new();
        for place in &tries.places {
            *counts.entry(versions[*place].unwrap()).or_default() += 1;
        }
        counts
    }

    #[test]
    fn a_small_archive_beside_a_large_one_is_tried() {
        let mut versions = vec![Some(0); 100_000];
        versions.extend([Some(1); 50]);
        versions.extend([Some(2); 3]);
        for seed in 0..5 {
            let tries = draw(&versions, usize::MAX, seed);
            let counts = counts(&versions, &tries);
            assert!(counts[&0] >= 90, "{counts:?}");
            assert_eq!((counts[&1], counts[&2]), (25, 3), "{counts:?}");
            assert_eq!(tries.of_all, 100);
            assert!(tries.places.len() <= 100 + 25 + 3);
            let mut once = tries.places.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), tries.places.len(), "none is tried twice");
            assert_eq!(tries, draw(&versions, usize::MAX, seed));
        }
    }

    #[test]
    fn one_dataset_alone_is_tried_a_hundred_times_and_its_short_documents_never() {
        let versions: Vec<Option<usize>> = (0..400)
            .map(|place| (place % 2 == 0).then_some(7))
            .collect();
        let tries = draw(&versions, usize::MAX, 3);
        assert_eq!((tries.places.len(), tries.of_all), (100, 100));
        assert!(tries.places.iter().all(|place| place % 2 == 0));
        assert!(draw(&[None, None], usize::MAX, 3).places.is_empty());
        assert!(draw(&[], usize::MAX, 3).places.is_empty());
    }

    #[test]
    fn fewer_are_tried_of_all_and_of_each_where_that_is_asked() {
        let mut versions = vec![Some(0); 1000];
        versions.extend([Some(1); 50]);
        let tries = draw(&versions, 6, 1);
        let counts = counts(&versions, &tries);
        assert_eq!(tries.of_all, 6);
        assert_eq!((counts[&0], counts[&1]), (6, 6), "{counts:?}");
    }
}
