//! Tiles: 256 neighbouring hashes of every eighth level of the tree, C2SP tlog-tiles.

use std::fmt::Write as _;

/// Hashes in a full tile.
pub const TILE_WIDTH: u64 = 256;
/// Levels of the tree from one level of tiles to the next.
pub(crate) const TILE_HEIGHT: u32 = 8;
/// Levels of tiles that a tree of 2^63 leaves needs.
const MOST_LEVELS: u8 = 8;

/// One tile: where it is and how much of it there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// 0 holds leaf hashes; each level above holds the roots of full tiles below.
    pub level: u8,
    /// Counted from the left, from 0.
    pub index: u64,
    /// Hashes in it, 1 to 256.
    pub width: u16,
}

impl Tile {
    /// The tile at `level` and `index` as a tree of `size` leaves has it; none where it would be empty.
    #[must_use]
    pub fn at(level: u8, index: u64, size: u64) -> Option<Self> {
        let hashes = size
            .checked_shr(TILE_HEIGHT * u32::from(level))
            .unwrap_or(0);
        let width = hashes
            .saturating_sub(index.saturating_mul(TILE_WIDTH))
            .min(TILE_WIDTH);
        Some(Self {
            level,
            index,
            width: u16::try_from(width).ok().filter(|width| *width > 0)?,
        })
    }

    /// Whether nothing will be added to it.
    #[must_use]
    pub fn is_full(self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// Its path below the log's address: `tile/0/x001/234`, and `tile/0/x001/234.p/7` with 7 hashes only.
    #[must_use]
    pub fn path(self) -> String {
        let mut groups = vec![format!("{:03}", self.index % 1000)];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        let mut path = format!("tile/{}/{}", self.level, groups.join("/"));
        if !self.is_full() {
            let _ = write!(path, ".p/{}", self.width);
        }
        path
    }

    /// The tile that a path names; only the one spelling that [`Tile::path`] gives is taken.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("tile/")?;
        let (level, rest) = rest.split_once('/')?;
        let (groups, width) = match rest.split_once(".p/") {
            Some((groups, width)) => (groups, width.parse().ok()?),
            None => (rest, 256),
        };
        let mut index: u64 = 0;
        for group in groups.split('/') {
            let digits = group.strip_prefix('x').unwrap_or(group);
            index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        }
        let tile = Self {
            level: level.parse().ok().filter(|level| *level < MOST_LEVELS)?,
            index,
            width: (1..=256).contains(&width).then_some(width)?,
        };
        (tile.path() == path).then_some(tile)
    }
}

/// The tiles that a tree of `new` leaves has and one of `old` leaves had not, or not as wide; lowest level first.
#[must_use]
pub fn new_tiles(old: u64, new: u64) -> Vec<Tile> {
    let mut tiles = Vec::new();
    for level in 0..MOST_LEVELS {
        let hashes = |size: u64| size >> (TILE_HEIGHT * u32::from(level));
        let (before, after) = (hashes(old), hashes(new));
        if after <= before {
            break;
        }
        tiles.extend(
            (before / TILE_WIDTH..=(after - 1) / TILE_WIDTH)
                .filter_map(|index| Tile::at(level, index, new)),
        );
    }
    tiles
}
