//! Checking proofs with nothing but hashes, RFC 9162 sections 2.1.3.2 and 2.1.4.2.

use crate::hash::{Hash, node_hash};

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The tree has no such leaf, or the older tree is the larger.
    #[error("the sizes make no sense")]
    Sizes,
    /// It has too many or too few hashes for trees of these sizes.
    #[error("the proof has another length than trees of these sizes need")]
    Length,
    /// It leads to another root.
    #[error("the proof leads to another root")]
    Root,
    /// It begins at another older root.
    #[error("the proof begins at another root")]
    OldRoot,
}

/// Checks that the tree of `size` leaves under `root` has a leaf of this hash at `index` (from 0).
///
/// # Errors
/// [`ProofError`].
pub fn verify_inclusion(
    (index, size): (u64, u64),
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Sizes);
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            // A node without a sibling moves up by itself.
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        Err(ProofError::Length)
    } else if hash == *root {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}

/// Checks that the tree of `to` leaves under `new_root` begins with the tree of `from` leaves under `old_root`.
///
/// # Errors
/// [`ProofError`].
pub fn verify_consistency(
    (from, to): (u64, u64),
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if from > to {
        return Err(ProofError::Sizes);
    }
    if from == to || from == 0 {
        return match (proof, from == to && old_root != new_root) {
            ([], false) => {
                let is_empty = from != 0 || *old_root == crate::hash::empty_root();
                is_empty.then_some(()).ok_or(ProofError::OldRoot)
            }
            ([], true) => Err(ProofError::Root),
            _ => Err(ProofError::Length),
        };
    }
    // Where the old tree is perfect, its root is the first hash and is left out.
    let mut hashes = proof.iter().copied();
    let first = if from.is_power_of_two() {
        Some(*old_root)
    } else {
        hashes.next()
    };
    let first = first.ok_or(ProofError::Length)?;
    let (mut at, mut last) = (from - 1, to - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut old, mut new) = (first, first);
    for hash in hashes {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if at & 1 == 1 || at == last {
            old = node_hash(&hash, &old);
            new = node_hash(&hash, &new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, &hash);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        Err(ProofError::Length)
    } else if old != *old_root {
        Err(ProofError::OldRoot)
    } else if new != *new_root {
        Err(ProofError::Root)
    } else {
        Ok(())
    }
}
