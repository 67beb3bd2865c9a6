//! Growing a tree leaf by leaf, with what a tree of any size needs to keep: at most 255 hashes a level.

use crate::{
    hash::{Hash, empty_root, node_hash, perfect_root},
    tile::{TILE_HEIGHT, TILE_WIDTH, Tile},
};

/// A tree that leaves are added to at the right.
#[derive(Debug, Clone, Default)]
pub struct TreeBuilder {
    size: u64,
    /// For each level of tiles the hashes of its last tile, while that is not full.
    rows: Vec<Vec<Hash>>,
}

impl TreeBuilder {
    /// An empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tiles that [`TreeBuilder::resume`] needs to go on from a tree of `size` leaves, lowest level first.
    #[must_use]
    pub fn edge(size: u64) -> Vec<Tile> {
        (0..8)
            .filter_map(|level| {
                let hashes = size >> (TILE_HEIGHT * u32::from(level));
                Tile::at(level, hashes / TILE_WIDTH, size)
            })
            .collect()
    }

    /// Goes on from a tree of `size` leaves, given the hashes of the tiles of [`TreeBuilder::edge`]; none where
    /// they are others.
    #[must_use]
    pub fn resume(size: u64, edge: &[(Tile, Vec<Hash>)]) -> Option<Self> {
        let mut rows = Vec::new();
        let wanted = Self::edge(size);
        if edge.len() != wanted.len() {
            return None;
        }
        for (wanted, (tile, hashes)) in wanted.iter().zip(edge) {
            if wanted != tile || hashes.len() != usize::from(tile.width) {
                return None;
            }
            let level = usize::from(tile.level);
            if rows.len() <= level {
                rows.resize(level + 1, Vec::new());
            }
            if let Some(row) = rows.get_mut(level) {
                row.clone_from(hashes);
            }
        }
        Some(Self { size, rows })
    }

    /// Leaves so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf; `full` is given each tile that this fills, with its hashes, lowest level first.
    pub fn push(&mut self, leaf: Hash, mut full: impl FnMut(Tile, &[Hash])) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0..8_u8 {
            let at = usize::from(level);
            if self.rows.len() <= at {
                self.rows.push(Vec::with_capacity(256));
            }
            let Some(row) = self.rows.get_mut(at) else {
                return;
            };
            row.push(hash);
            if (row.len() as u64) < TILE_WIDTH {
                return;
            }
            let hashes_here = self.size >> (TILE_HEIGHT * u32::from(level));
            let tile = Tile {
                level,
                index: hashes_here / TILE_WIDTH - 1,
                width: 256,
            };
            full(tile, row);
            let Some(root) = perfect_root(row) else {
                return;
            };
            row.clear();
            hash = root;
        }
    }

    /// The tiles at the right edge that are not full yet, lowest level first.
    #[must_use]
    pub fn partial_tiles(&self) -> Vec<(Tile, &[Hash])> {
        (0_u8..)
            .zip(&self.rows)
            .filter_map(|(level, row)| {
                let hashes = self.size >> (TILE_HEIGHT * u32::from(level));
                let tile = Tile::at(level, hashes / TILE_WIDTH, self.size)?;
                Some((tile, row.as_slice()))
            })
            .collect()
    }

    /// The root of the tree as it is.
    #[must_use]
    pub fn root(&self) -> Hash {
        // The roots of the perfect trees that the leaves fall into, the smallest and rightmost first.
        let mut root: Option<Hash> = None;
        for row in &self.rows {
            let mut end = row.len();
            while end > 0 {
                let length = 1 << end.trailing_zeros();
                let peak = row.get(end - length..end).and_then(perfect_root);
                root = match (peak, root) {
                    (Some(peak), Some(right)) => Some(node_hash(&peak, &right)),
                    (peak, right) => peak.or(right),
                };
                end -= length;
            }
        }
        root.unwrap_or_else(empty_root)
    }
}
