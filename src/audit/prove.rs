//! Lines with the proofs that they are in the log.

use transparency_log::{Hash, Plan};

use super::{
    checkpoint::Signed,
    log::{Log, LogError},
    store,
};
use crate::policy::Visibility;

/// One line as its reader can check it.
#[derive(Debug, Clone)]
pub struct Proven {
    /// Its number; its place in the tree is one less.
    pub seq: i64,
    /// The exact text that is hashed.
    pub leaf: String,
    /// Its hash.
    pub hash: Hash,
    /// The audit path under the checkpoint; none where the line is newer.
    pub proof: Option<Vec<Hash>>,
}

/// Lines under one checkpoint.
#[derive(Debug, Clone)]
pub struct ProvenLines {
    /// What the proofs lead to; none before the first one was signed.
    pub checkpoint: Option<Signed>,
    /// Oldest first.
    pub lines: Vec<Proven>,
}

/// The next `limit` lines after `after` that the asker may see, with proofs under the newest checkpoint.
///
/// # Errors
/// [`LogError`].
pub async fn proven_lines(
    log: &Log,
    visibility: Visibility,
    after: i64,
    limit: i64,
) -> Result<ProvenLines, LogError> {
    let mut conn = log.db.read().await?;
    let checkpoint = store::newest(&mut conn).await?;
    let found = store::lines(&mut conn, visibility, (after, i64::MAX), limit).await?;
    drop(conn);
    let size = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    let plans: Vec<Plan> = found
        .iter()
        .filter_map(|line| Plan::inclusion(index(line.seq), size))
        .collect();
    let mut proofs = log.proofs(&plans, size).await?.into_iter();
    let lines = found
        .iter()
        .map(|line| Proven {
            seq: line.seq,
            leaf: line.leaf().text(),
            hash: line.leaf().hash(),
            // Lines come in order, so those that are covered come first.
            proof: (index(line.seq) < size).then(|| proofs.next()).flatten(),
        })
        .collect();
    Ok(ProvenLines { checkpoint, lines })
}

/// The newest checkpoint.
///
/// # Errors
/// Where the database is away.
pub(super) async fn newest(log: &Log) -> Result<Option<Signed>, LogError> {
    let mut conn = log.db.read().await?;
    Ok(store::newest(&mut conn).await?)
}

/// The newest checkpoint and the newest check.
///
/// # Errors
/// Where the database is away.
pub(super) async fn standing(
    log: &Log,
) -> Result<(Option<Signed>, Option<store::Check>), LogError> {
    let mut conn = log.db.read().await?;
    Ok((
        store::newest(&mut conn).await?,
        store::last_check(&mut conn).await?,
    ))
}

/// The audit path of a line in a tree of `size` lines; none where there is no such line or no such tree yet.
///
/// # Errors
/// [`LogError`].
pub(super) async fn inclusion(
    log: &Log,
    seq: i64,
    size: u64,
) -> Result<Option<Vec<Hash>>, LogError> {
    match Plan::inclusion(index(seq), size) {
        Some(plan) => one(log, plan, size).await,
        None => Ok(None),
    }
}

/// The proof that the first `to` lines begin with the first `from`; none where there are not as many yet.
///
/// # Errors
/// [`LogError`].
pub(super) async fn consistency(
    log: &Log,
    from: u64,
    to: u64,
) -> Result<Option<Vec<Hash>>, LogError> {
    match Plan::consistency(from, to) {
        Some(plan) => one(log, plan, to).await,
        None => Ok(None),
    }
}

async fn one(log: &Log, plan: Plan, size: u64) -> Result<Option<Vec<Hash>>, LogError> {
    let available = newest(log).await?.map_or(0, |newest| newest.size);
    if size > available {
        return Ok(None);
    }
    let proofs = log.proofs(&[plan], available).await?;
    Ok(proofs.into_iter().next())
}

/// The place of a line in the tree, from 0; beyond every tree for what is no number of a line.
pub(super) fn index(seq: i64) -> u64 {
    u64::try_from(seq)
        .ok()
        .and_then(|seq| seq.checked_sub(1))
        .unwrap_or(u64::MAX)
}
