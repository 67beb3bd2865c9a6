//! What a proof consists of, and reading it from tiles.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    hash::{Hash, node_hash, perfect_root},
    tile::{TILE_HEIGHT, TILE_WIDTH, Tile},
};

/// The subtrees whose roots make up a proof, in the order of the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Leaves from (inclusive) and to (exclusive).
    ranges: Vec<(u64, u64)>,
}

/// Tiles that were read, to make proofs from.
#[derive(Debug, Clone, Default)]
pub struct Tiles(BTreeMap<(u8, u64), Vec<Hash>>);

/// A tile that a proof needs is not among those given, or is too narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tile at level {level} and index {index} is missing or too narrow")]
pub struct TileMissing {
    /// Level of tiles.
    pub level: u8,
    /// From the left.
    pub index: u64,
}

/// A perfect subtree: 2^height leaves, the `index`-th from the left of that height.
#[derive(Debug, Clone, Copy)]
struct Subtree {
    height: u32,
    index: u64,
}

impl Plan {
    /// The audit path of the leaf `index` (from 0) in a tree of `size` leaves (RFC 6962, 2.1.1); none where the tree
    /// has no such leaf.
    #[must_use]
    pub fn inclusion(index: u64, size: u64) -> Option<Self> {
        if index >= size {
            return None;
        }
        let (mut start, mut end, mut ranges) = (0, size, Vec::new());
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                ranges.push((middle, end));
                end = middle;
            } else {
                ranges.push((start, middle));
                start = middle;
            }
        }
        ranges.reverse();
        Some(Self { ranges })
    }

    /// The proof that a tree of `to` leaves begins with one of `from` leaves (RFC 6962, 2.1.2); none where `from` is
    /// larger. Empty for the same tree and for the empty one.
    #[must_use]
    pub fn consistency(from: u64, to: u64) -> Option<Self> {
        if from > to {
            return None;
        }
        let (mut start, mut end, mut ranges) = (0, to, Vec::new());
        if from == 0 || from == to {
            return Some(Self { ranges });
        }
        // Down to the right edge of the old tree; `start` is 0 while all of it is one subtree of the new one.
        while from != end {
            let middle = start + split(end - start);
            if from <= middle {
                ranges.push((middle, end));
                end = middle;
            } else {
                ranges.push((start, middle));
                start = middle;
            }
        }
        if start > 0 {
            ranges.push((start, end));
        }
        ranges.reverse();
        Some(Self { ranges })
    }

    /// The root of a tree of `size` leaves as a proof of one hash; of the empty tree, none.
    #[must_use]
    pub fn root(size: u64) -> Self {
        let ranges = if size == 0 {
            Vec::new()
        } else {
            vec![(0, size)]
        };
        Self { ranges }
    }

    /// The tiles to read it from, where tiles of a tree of `available` leaves (as large or larger) are stored.
    #[must_use]
    pub fn tiles(&self, available: u64) -> BTreeSet<Tile> {
        self.ranges
            .iter()
            .flat_map(|range| subtrees(*range))
            .filter_map(|subtree| {
                let (level, index, _) = place(subtree);
                Tile::at(level, index, available)
            })
            .collect()
    }

    /// Its hashes.
    ///
    /// # Errors
    /// [`TileMissing`] where `tiles` lacks one.
    pub fn hashes(&self, tiles: &Tiles) -> Result<Vec<Hash>, TileMissing> {
        self.ranges
            .iter()
            .filter(|(start, end)| start < end)
            .map(|range| {
                let mut root: Option<Hash> = None;
                for subtree in subtrees(*range).into_iter().rev() {
                    let left = tiles.subtree(subtree)?;
                    root = Some(match root {
                        Some(right) => node_hash(&left, &right),
                        None => left,
                    });
                }
                root.ok_or(TileMissing { level: 0, index: 0 })
            })
            .collect()
    }
}

impl Tiles {
    /// Adds a tile's bytes, 32 a hash; answers whether they are as many as the tile says.
    pub fn insert(&mut self, tile: Tile, bytes: &[u8]) -> bool {
        if bytes.len() != usize::from(tile.width) * 32 {
            return false;
        }
        let hashes = bytes
            .chunks_exact(32)
            .filter_map(Hash::from_slice)
            .collect();
        self.0.insert((tile.level, tile.index), hashes);
        true
    }

    /// The hashes of a tile that was added.
    #[must_use]
    pub fn get(&self, tile: Tile) -> Option<&[Hash]> {
        self.0.get(&(tile.level, tile.index)).map(Vec::as_slice)
    }

    fn subtree(&self, subtree: Subtree) -> Result<Hash, TileMissing> {
        let (level, index, offset) = place(subtree);
        let length = 1_usize << (subtree.height % TILE_HEIGHT);
        self.0
            .get(&(level, index))
            .and_then(|hashes| hashes.get(offset..offset + length))
            .and_then(perfect_root)
            .ok_or(TileMissing { level, index })
    }
}

/// The largest power of two below `n`, for `n` of 2 and more.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// The perfect subtrees that the leaves of a range of a tree fall into, left to right. Such a range begins at a
/// multiple of its largest power of two, so the largest come first.
fn subtrees((mut start, end): (u64, u64)) -> Vec<Subtree> {
    let mut found = Vec::new();
    while start < end {
        let fits = 63 - (end - start).leading_zeros();
        let height = if start == 0 {
            fits
        } else {
            fits.min(start.trailing_zeros())
        };
        found.push(Subtree {
            height,
            index: start >> height,
        });
        start += 1 << height;
    }
    found
}

/// The tile that a subtree's root is made from: level, index, and where in it its hashes begin.
fn place(subtree: Subtree) -> (u8, u64, usize) {
    let level = subtree.height / TILE_HEIGHT;
    let first = subtree.index << (subtree.height % TILE_HEIGHT);
    (
        u8::try_from(level).unwrap_or(u8::MAX),
        first / TILE_WIDTH,
        usize::try_from(first % TILE_WIDTH).unwrap_or(usize::MAX),
    )
}
