//! Trees and proofs against the published vectors, against another implementation, and against every mutation.

#![expect(clippy::unwrap_used, reason = "a check that cannot look should fail")]

use std::{cell::RefCell, collections::HashMap};

use data_encoding::HEXLOWER;
use proptest::prelude::*;
use transparency_log::{
    Hash, Plan, ProofError, Tile, Tiles, TreeBuilder, empty_root, leaf_hash, new_tiles,
    verify_consistency, verify_inclusion,
};

/// A log of numbered leaves: its stored tiles as of each size, and its roots.
struct Log {
    tiles: HashMap<String, Vec<u8>>,
    roots: Vec<Hash>,
    leaves: Vec<Hash>,
}

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

fn log(size: u64) -> Log {
    let mut builder = TreeBuilder::new();
    let (tiles, mut roots, mut leaves) =
        (RefCell::new(HashMap::new()), vec![builder.root()], vec![]);
    for at in 0..size {
        let leaf = leaf_hash(format!("leaf {at}").as_bytes());
        leaves.push(leaf);
        builder.push(leaf, |tile, hashes| {
            tiles.borrow_mut().insert(tile.path(), bytes(hashes));
        });
        roots.push(builder.root());
        for (tile, hashes) in builder.partial_tiles() {
            tiles.borrow_mut().insert(tile.path(), bytes(hashes));
        }
    }
    Log {
        tiles: tiles.into_inner(),
        roots,
        leaves,
    }
}

impl Log {
    fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// The hashes of a plan, from the tiles of a tree of `available` leaves.
    fn read(&self, plan: &Plan, available: u64) -> Vec<Hash> {
        let mut tiles = Tiles::default();
        for tile in plan.tiles(available) {
            assert!(tiles.insert(tile, &self.tiles[&tile.path()]));
        }
        plan.hashes(&tiles).unwrap()
    }
}

#[test]
fn roots_are_those_of_the_published_vectors() {
    let leaves = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut builder = TreeBuilder::new();
    assert_eq!(
        empty_root().to_hex(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    for (leaf, root) in leaves.iter().zip(roots) {
        builder.push(
            leaf_hash(&HEXLOWER.decode(leaf.as_bytes()).unwrap()),
            |_, _| {},
        );
        assert_eq!(builder.root().to_hex(), root);
    }
}

#[test]
fn every_proof_of_every_size_holds_and_no_other_does() {
    let log = log(130);
    for size in 1..=log.size() {
        let root = &log.roots[usize::try_from(size).unwrap()];
        for index in 0..size {
            let plan = Plan::inclusion(index, size).unwrap();
            let proof = log.read(&plan, log.size());
            let leaf = &log.leaves[usize::try_from(index).unwrap()];
            let place = (index, size);
            assert_eq!(
                verify_inclusion(place, leaf, &proof, root),
                Ok(()),
                "{place:?}"
            );
            assert!(verify_inclusion((index + 1, size), leaf, &proof, root).is_err());
            // In a tree of one leaf the leaf is the root.
            assert_eq!(
                verify_inclusion(place, root, &proof, leaf).is_ok(),
                size == 1
            );
            for mutated in mutations(&proof) {
                assert!(
                    verify_inclusion(place, leaf, &mutated, root).is_err(),
                    "{place:?}"
                );
            }
        }
    }
    for to in 1..=log.size() {
        let new = &log.roots[usize::try_from(to).unwrap()];
        for from in 1..=to {
            let old = &log.roots[usize::try_from(from).unwrap()];
            let proof = log.read(&Plan::consistency(from, to).unwrap(), log.size());
            let sizes = (from, to);
            assert_eq!(
                verify_consistency(sizes, old, new, &proof),
                Ok(()),
                "{sizes:?}"
            );
            if from < to {
                assert!(verify_consistency(sizes, new, new, &proof).is_err());
                assert!(verify_consistency(sizes, old, old, &proof).is_err());
                for mutated in mutations(&proof) {
                    assert!(
                        verify_consistency(sizes, old, new, &mutated).is_err(),
                        "{sizes:?}"
                    );
                }
            }
        }
    }
}

/// The proof with a bit changed in each hash, one hash less, one more, and two changed places.
fn mutations(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut mutated = vec![[proof, &[empty_root()]].concat()];
    for at in 0..proof.len() {
        let mut changed = proof.to_vec();
        changed[at].0[at % 32] ^= 1;
        mutated.push(changed);
        let mut shorter = proof.to_vec();
        shorter.remove(at);
        mutated.push(shorter);
        if at > 0 && proof[at] != proof[at - 1] {
            let mut swapped = proof.to_vec();
            swapped.swap(at, at - 1);
            mutated.push(swapped);
        }
    }
    mutated
}

#[test]
fn sizes_that_make_no_sense_have_no_proof() {
    assert_eq!(Plan::inclusion(5, 5), None);
    assert_eq!(Plan::consistency(6, 5), None);
    let root = empty_root();
    assert_eq!(
        verify_inclusion((0, 0), &root, &[], &root),
        Err(ProofError::Sizes)
    );
    assert_eq!(
        verify_consistency((2, 1), &root, &root, &[]),
        Err(ProofError::Sizes)
    );
    assert_eq!(
        verify_consistency((0, 3), &root, &leaf_hash(b""), &[]),
        Ok(())
    );
}

/// The other implementation's store of hashes.
struct Stored(Vec<tlog_tiles::Hash>);

impl tlog_tiles::HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes
            .iter()
            .map(|at| self.0[usize::try_from(*at).unwrap()])
            .collect())
    }
}

#[test]
fn another_implementation_makes_and_takes_the_same_proofs() {
    let log = log(1100);
    let mut stored = Stored(Vec::new());
    for at in 0..log.size() {
        let more = tlog_tiles::stored_hashes(at, format!("leaf {at}").as_bytes(), &stored).unwrap();
        stored.0.extend(more);
    }
    for size in (1..=log.size()).step_by(37) {
        let root = tlog_tiles::tree_hash(size, &stored).unwrap();
        assert_eq!(log.roots[usize::try_from(size).unwrap()].0, root.0);
        for index in (0..size).step_by(19) {
            let theirs = tlog_tiles::prove_record(size, index, &stored).unwrap();
            let ours = log.read(&Plan::inclusion(index, size).unwrap(), log.size());
            assert!(
                theirs
                    .iter()
                    .map(|hash| hash.0)
                    .eq(ours.iter().map(|hash| hash.0))
            );
        }
        for from in (1..=size).step_by(23) {
            let theirs = tlog_tiles::prove_tree(size, from, &stored).unwrap();
            let ours = log.read(&Plan::consistency(from, size).unwrap(), log.size());
            assert!(
                theirs
                    .iter()
                    .map(|hash| hash.0)
                    .eq(ours.iter().map(|hash| hash.0))
            );
        }
    }
}

#[test]
fn paths_are_those_of_another_implementation() {
    for (level, index, width) in [
        (0, 0, 256),
        (0, 5, 3),
        (1, 999, 256),
        (2, 1_234_067, 255),
        (0, 1_000, 1),
    ] {
        let ours = Tile {
            level,
            index,
            width,
        };
        let path = ours.path();
        // Theirs name the height of tiles, as the predecessor of the specification did.
        let theirs = tlog_tiles::Tile::new(8, level, index, u32::from(width), false).path();
        assert_eq!(path, theirs.replacen("tile/8/", "tile/", 1));
        assert_eq!(Tile::parse(&path), Some(ours));
    }
    for wrong in [
        "tile/0/1",
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/9/000",
        "tile/0/x000/001",
        "tile/0/../000",
        "tile/00/000",
    ] {
        assert_eq!(Tile::parse(wrong), None, "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Tiles that are written step by step are those of the whole tree, and a builder goes on from them.
    #[test]
    fn a_tree_grows_the_same_in_any_steps(steps in prop::collection::vec(0u64..700, 1..6)) {
        let whole = log(steps.iter().sum());
        let (mut size, mut tiles) = (0, HashMap::new());
        for step in steps {
            let edge: Vec<(Tile, Vec<Hash>)> = TreeBuilder::edge(size)
                .into_iter()
                .map(|tile| {
                    let bytes: &Vec<u8> = &tiles[&tile.path()];
                    (tile, bytes.chunks(32).map(|hash| Hash::from_slice(hash).unwrap()).collect())
                })
                .collect();
            let mut builder = TreeBuilder::resume(size, &edge).unwrap();
            let before = size;
            let mut made = Vec::new();
            for at in size..size + step {
                builder.push(whole.leaves[usize::try_from(at).unwrap()], |tile, hashes| {
                    made.push(tile);
                    tiles.insert(tile.path(), bytes(hashes));
                });
            }
            size += step;
            if step > 0 {
                for (tile, hashes) in builder.partial_tiles() {
                    made.push(tile);
                    tiles.insert(tile.path(), bytes(hashes));
                }
            }
            prop_assert_eq!(builder.root(), whole.roots[usize::try_from(size).unwrap()]);
            // A tile at the edge may be written again as it was; what it says is compared below.
            for tile in new_tiles(before, size) {
                prop_assert!(made.contains(&tile), "{} was not written", tile.path());
            }
        }
        for (path, bytes) in &tiles {
            prop_assert_eq!(Some(bytes), whole.tiles.get(path));
        }
    }

    #[test]
    fn proofs_hold_in_large_trees(size in 65_000u64..70_000, a in 0u64..65_000, b in 1u64..65_000) {
        let log = large();
        let root = &log.roots[usize::try_from(size).unwrap()];
        let proof = log.read(&Plan::inclusion(a, size).unwrap(), 70_000);
        let leaf = &log.leaves[usize::try_from(a).unwrap()];
        prop_assert_eq!(verify_inclusion((a, size), leaf, &proof, root), Ok(()));
        let proof = log.read(&Plan::consistency(b, size).unwrap(), 70_000);
        let old = &log.roots[usize::try_from(b).unwrap()];
        prop_assert_eq!(verify_consistency((b, size), old, root, &proof), Ok(()));
    }
}

fn large() -> &'static Log {
    static LARGE: std::sync::OnceLock<Log> = std::sync::OnceLock::new();
    LARGE.get_or_init(|| {
        let mut builder = TreeBuilder::new();
        let (mut tiles, mut roots, mut leaves) = (HashMap::new(), vec![builder.root()], vec![]);
        for at in 0..70_000_u32 {
            let leaf = leaf_hash(&at.to_be_bytes());
            leaves.push(leaf);
            builder.push(leaf, |tile, hashes| {
                tiles.insert(tile.path(), bytes(hashes));
            });
            roots.push(builder.root());
        }
        for (tile, hashes) in builder.partial_tiles() {
            tiles.insert(tile.path(), bytes(hashes));
        }
        Log {
            tiles,
            roots,
            leaves,
        }
    })
}
