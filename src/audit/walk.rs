//! Walking the whole log: every line, tile and checkpoint, in order; names the first that is not as it should be.

use std::collections::VecDeque;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use transparency_log::{Hash, Tile, TreeBuilder, leaf_hash};

use super::{
    checkpoint::{SignatureProblem, Signed, check_checkpoint, follows},
    log::{Log, LogError},
    store::{self, Line},
};
use crate::{policy::Visibility, signing::PublishedKeys};

/// Lines that are read at a time; as many as fill tiles.
const PAGE: i64 = 8192;
/// Tiles that are compared or written at the same time.
const AT_ONCE: usize = 16;

/// The first thing that is wrong with the log, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("line {seq} is missing")]
    Missing { seq: i64 },
    #[error("line {seq} was added: no line of the log has that number")]
    Added { seq: i64 },
    #[error("line {seq} was changed: what it says does not fit the hash beside it")]
    Changed { seq: i64 },
    #[error("line {seq} was changed or replaced: another hash was published for it, in {path}")]
    Replaced { seq: i64, path: String },
    #[error("{path} is missing or cut off in the object store")]
    TileMissing { path: String },
    #[error("{path} was changed in the object store: its hash {place} is another")]
    TileChanged { path: String, place: usize },
    #[error("the checkpoint of {size} lines does not hold: {problem}")]
    Signature {
        size: u64,
        problem: SignatureProblem,
    },
    #[error("the checkpoint in the object store does not hold: {problem}")]
    Copy { problem: SignatureProblem },
    #[error("the checkpoint of {size} lines says something else than its signed note")]
    CheckpointChanged { size: u64 },
    #[error(
        "a line from {first} to {size} was changed: the checkpoint of {size} lines was signed over another tree"
    )]
    Root { first: u64, size: u64 },
    #[error(
        "line {} is missing: a checkpoint of {size} lines was signed at {at}",
        events + 1
    )]
    Shortened {
        events: u64,
        size: u64,
        at: chrono::DateTime<chrono::Utc>,
    },
}

/// What a walk found in order.
#[derive(Debug, Clone)]
pub struct Walked {
    /// Lines.
    pub events: u64,
    /// Root over all of them.
    pub root: Hash,
    /// Checkpoints, each with its signature and root.
    pub checkpoints: usize,
    /// Tiles that were compared.
    pub tiles: u64,
}

/// How far a walk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Lines, checkpoints and signatures, and the tiles too.
    Everything,
    /// Without the tiles: the roots say as much, but not where.
    Roots,
    /// As `Roots`, and writes the tiles of the lines that are after the newest checkpoint.
    Extend,
}

/// Why a walk ended early.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The log is not as it should be.
    #[error(transparent)]
    Broken(#[from] Problem),
    /// It could not be looked at.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Our own program broke.
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}

impl From<crate::db::StoreError> for WalkError {
    fn from(error: crate::db::StoreError) -> Self {
        Self::Log(error.into())
    }
}

impl From<sqlx::Error> for WalkError {
    fn from(error: sqlx::Error) -> Self {
        Self::Log(error.into())
    }
}

impl From<crate::objects::ObjectError> for WalkError {
    fn from(error: crate::objects::ObjectError) -> Self {
        Self::Log(error.into())
    }
}

/// The tree so far, with the checkpoints that are still ahead.
struct Walk {
    builder: TreeBuilder,
    keys: PublishedKeys,
    origin: String,
    ahead: VecDeque<Signed>,
    checkpoints: usize,
    /// The signed note of the last checkpoint that was passed.
    last_note: Option<String>,
    /// Size of the newest checkpoint, up to which tiles are published.
    published: u64,
    last_size: u64,
    depth: Depth,
    /// A root that another tree led to, while the tiles are asked which line it was.
    suspect: Option<Problem>,
}

/// What comes of one page of lines.
struct Paged {
    walk: Walk,
    tiles: Vec<(Tile, Vec<u8>)>,
    problem: Option<Problem>,
}

/// Walks the whole log.
///
/// # Errors
/// [`WalkError::Broken`] with the first line, tile or checkpoint that is wrong, missing or added.
pub async fn walk(log: &Log, depth: Depth) -> Result<Walked, WalkError> {
    let mut conn = log.db.read().await?;
    let head = store::head(&mut conn).await?;
    let mut ahead = VecDeque::from(store::checkpoints(&mut conn).await?);
    drop(conn);
    let keys = log.keys().await?;
    let published = ahead.back().map_or(0, |newest| newest.size);
    // The copy in the object store is out of reach of whoever can change the database.
    let copy = log.file("checkpoint").await?;
    if let Some(copy) = copy {
        let note = String::from_utf8_lossy(&copy).into_owned();
        let signed = check_checkpoint(&keys, &log.origin(), &note)
            .map_err(|problem| Problem::Copy { problem })?;
        if ahead.iter().all(|known| known.note != note) {
            let at = ahead.partition_point(|known| known.size <= signed.size);
            ahead.insert(at, signed);
        }
    }
    let mut walk = Walk {
        builder: TreeBuilder::new(),
        keys,
        origin: log.origin(),
        ahead,
        checkpoints: 0,
        last_note: None,
        published,
        last_size: 0,
        depth,
        suspect: None,
    };
    walk.pass_checkpoints()?;
    let (mut compared, mut tiles) = (0, Vec::new());
    let mut page = read(log, i64::MIN).await?;
    while let Some(last) = page.last().map(|line| line.seq) {
        // The database reads the next page and the store the tiles of the one before while this one is hashed.
        let hashing = tokio::task::spawn_blocking(move || walk.take(&page, head.cast_signed()));
        let (next, paged, tended) =
            tokio::join!(read(log, last), hashing, tend_tiles(log, tiles, published));
        compared += tended?;
        let paged = paged?;
        (walk, tiles) = (paged.walk, paged.tiles);
        if let Some(problem) = paged.problem {
            tend_tiles(log, tiles, published).await?;
            return Err(walk.suspect.unwrap_or(problem).into());
        }
        page = next?;
    }
    compared += tend_tiles(log, tiles, published).await?;
    if let Some(problem) = walk.suspect {
        return Err(problem.into());
    }
    let events = walk.builder.size();
    if let Some(missed) = walk.ahead.front() {
        return Err(Problem::Shortened {
            events,
            size: missed.size,
            at: missed.at,
        }
        .into());
    }
    if events < head {
        return Err(Problem::Missing {
            seq: events.cast_signed() + 1,
        }
        .into());
    }
    // A line and the head are committed at once, so no line is ahead of a head that is read after it.
    let mut conn = log.db.read().await?;
    let head = store::head(&mut conn).await?;
    drop(conn);
    if events > head {
        return Err(Problem::Added {
            seq: head.cast_signed() + 1,
        }
        .into());
    }
    if depth == Depth::Extend {
        let edge = owned(&walk.builder.partial_tiles());
        compared += tend_tiles(log, edge, walk.published).await?;
    }
    Ok(Walked {
        events,
        root: walk.builder.root(),
        checkpoints: walk.checkpoints,
        tiles: compared,
    })
}

async fn read(log: &Log, after: i64) -> Result<Vec<Line>, LogError> {
    let mut conn = log.db.read().await?;
    Ok(store::lines(&mut conn, Visibility::All, (after, i64::MAX), PAGE).await?)
}

fn owned(tiles: &[(Tile, &[Hash])]) -> Vec<(Tile, Vec<u8>)> {
    tiles
        .iter()
        .map(|(tile, hashes)| (*tile, bytes(hashes)))
        .collect()
}

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

impl Walk {
    /// Takes lines into the tree until one is wrong. `head` is the last number that was given out.
    fn take(mut self, page: &[Line], head: i64) -> Paged {
        let (mut tiles, mut problem, mut text) = (Vec::new(), None, String::new());
        for line in page {
            if let Err(found) = self.take_line(line, head, &mut text, &mut tiles) {
                problem = Some(found);
                break;
            }
        }
        Paged {
            walk: self,
            tiles,
            problem,
        }
    }

    fn take_line(
        &mut self,
        line: &Line,
        head: i64,
        text: &mut String,
        tiles: &mut Vec<(Tile, Vec<u8>)>,
    ) -> Result<(), Problem> {
        let (seq, expected) = (line.seq, self.builder.size().cast_signed() + 1);
        if seq < expected {
            return Err(Problem::Added { seq });
        }
        // A line may be written while we walk; one beyond both is nobody's.
        if seq > expected {
            let is_beyond = expected > head;
            return Err(if is_beyond {
                Problem::Added { seq }
            } else {
                Problem::Missing { seq: expected }
            });
        }
        text.clear();
        line.leaf().write(text);
        let hash = leaf_hash(text.as_bytes());
        if hash.0.as_slice() != line.hash {
            return Err(Problem::Changed { seq });
        }
        let (depth, published) = (self.depth, self.published);
        self.builder.push(hash, |tile, hashes| {
            let end = (tile.index + 1) << (8 * (u32::from(tile.level) + 1));
            let is_published = end <= published;
            if depth == Depth::Everything && is_published || depth == Depth::Extend && !is_published
            {
                tiles.push((tile, bytes(hashes)));
            }
        });
        if self.builder.size() == self.published && self.depth == Depth::Everything {
            tiles.extend(owned(&self.builder.partial_tiles()));
        }
        self.pass_checkpoints()
    }

    /// Checks the checkpoints of the tree as large as it is now.
    fn pass_checkpoints(&mut self) -> Result<(), Problem> {
        while let Some(signed) = self.ahead.front()
            && signed.size <= self.builder.size()
        {
            let size = signed.size;
            let read = check_checkpoint(&self.keys, &self.origin, &signed.note)
                .map_err(|problem| Problem::Signature { size, problem })?;
            follows(&signed.note, self.last_note.as_deref())
                .map_err(|problem| Problem::Signature { size, problem })?;
            if read != *signed || size < self.builder.size() {
                return Err(Problem::CheckpointChanged { size });
            }
            if read.root != self.builder.root() {
                let problem = Problem::Root {
                    first: self.last_size + 1,
                    size,
                };
                if self.depth != Depth::Everything {
                    return Err(problem);
                }
                self.suspect.get_or_insert(problem);
            }
            self.last_size = size;
            self.checkpoints += 1;
            self.last_note = self.ahead.pop_front().map(|signed| signed.note);
        }
        Ok(())
    }
}

/// Compares tiles with those in the object store as far as they are published, and writes the others.
async fn tend_tiles(
    log: &Log,
    tiles: Vec<(Tile, Vec<u8>)>,
    published: u64,
) -> Result<u64, WalkError> {
    let count = tiles.len() as u64;
    let problems: Vec<Option<Problem>> = stream::iter(tiles)
        .map(|(tile, own)| async move {
            let hashes_published = published >> (8 * u32::from(tile.level));
            let end = tile.index * 256 + u64::from(tile.width);
            if end > hashes_published {
                log.put_file(&tile.path(), own).await?;
                return Ok(None);
            }
            let stored = log.file(&tile.path()).await?.unwrap_or_default();
            Ok::<_, WalkError>(compare(tile, &own, &stored))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    match problems.into_iter().flatten().next() {
        Some(problem) => Err(problem.into()),
        None => Ok(count),
    }
}

fn compare(tile: Tile, own: &[u8], stored: &[u8]) -> Option<Problem> {
    if own == stored {
        return None;
    }
    let path = tile.path();
    if own.len() != stored.len() {
        return Some(Problem::TileMissing { path });
    }
    let place = own
        .chunks(32)
        .zip(stored.chunks(32))
        .position(|(own, stored)| own != stored)?;
    Some(if tile.level == 0 {
        let seq = tile.index * 256 + place as u64 + 1;
        Problem::Replaced {
            seq: seq.cast_signed(),
            path,
        }
    } else {
        Problem::TileChanged { path, place }
    })
}
