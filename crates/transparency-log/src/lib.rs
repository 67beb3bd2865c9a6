//! A log that can only grow, and the proofs of it: the Merkle tree of RFC 6962 (and 9162), stored as the tiles of
//! [C2SP tlog-tiles](https://c2sp.org/tlog-tiles), under checkpoints of
//! [C2SP tlog-checkpoint](https://c2sp.org/tlog-checkpoint) signed as [C2SP signed-note](https://c2sp.org/signed-note).
//!
//! Pure: no clock, no store, no network. Who uses it brings the tiles ([`Plan::tiles`] says which) and the signature.
//!
//! * [`TreeBuilder`] takes leaf hashes in order and gives tiles and roots.
//! * [`Plan`] says what a proof consists of, which tiles it is read from, and reads it from them.
//! * [`verify_inclusion`] and [`verify_consistency`] check proofs with nothing but hashes.
//! * [`Checkpoint`], [`Note`] and [`VerifierKey`] are the text that is signed, and its signature.

mod builder;
mod checkpoint;
mod hash;
mod note;
mod plan;
mod proof;
mod tile;

pub use self::{
    builder::TreeBuilder,
    checkpoint::{Checkpoint, CheckpointError},
    hash::{Hash, empty_root, leaf_hash, node_hash},
    note::{Note, NoteError, NoteSignature, VerifierKey},
    plan::{Plan, TileMissing, Tiles},
    proof::{ProofError, verify_consistency, verify_inclusion},
    tile::{TILE_WIDTH, Tile, new_tiles},
};
