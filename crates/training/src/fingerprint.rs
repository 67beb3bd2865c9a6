//! What decides a run to the last bit, in one hash.

use data_encoding::HEXLOWER;
use job_contract::{Recipe, Task};
use language_model::training_graph::Precision;
use sha2::{Digest, Sha256};

/// All that decides what comes out of a run. Not among it: which attempt it is, addresses, times.
#[derive(Debug)]
pub struct Deciding<'a> {
    pub task: &'a Task,
    /// Hashes of the base model's files, in order.
    pub base: &'a [String],
    /// Hashes of the data, in reading order.
    pub inputs: &'a [String],
    pub validation: &'a [String],
    pub seed: u64,
    pub precision: Precision,
    /// What multiplies by frozen weights, in words.
    pub device: &'a str,
    pub recipe: &'a Recipe,
}

impl Deciding<'_> {
    /// Lower-case hexadecimal SHA-256, over the program and the machine as well: other instructions or another number
    /// of threads round differently.
    #[must_use]
    pub fn hash(&self) -> String {
        let decides = format!(
            "{} {} {} threads\n{self:?}",
            program(),
            instructions(),
            rayon::current_num_threads()
        );
        HEXLOWER.encode(&Sha256::digest(decides.as_bytes()))
    }
}

/// Name and version of this program.
#[must_use]
pub fn program() -> String {
    format!("faculty-training {}", env!("CARGO_PKG_VERSION"))
}

/// The processor's instructions that kernels are chosen by.
fn instructions() -> String {
    #[cfg(target_arch = "x86_64")]
    let has = [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        (
            "avx512bf16",
            std::arch::is_x86_feature_detected!("avx512bf16"),
        ),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let has: [(&str, bool); 0] = [];
    let names = has.iter().filter(|(_, has)| *has).map(|(name, _)| *name);
    std::iter::once(std::env::consts::ARCH)
        .chain(names)
        .collect::<Vec<_>>()
        .join("+")
}

#[cfg(test)]
mod tests {
    use job_contract::TrainingSettings;

    use super::*;

    #[test]
    fn whatever_decides_the_run_changes_the_hash() {
        let task = Task::FineTuneFull {
            training: TrainingSettings::default(),
        };
        let hashes = ["a".to_owned(), "b".to_owned()];
        let swapped = ["b".to_owned(), "a".to_owned()];
        let one = || Deciding {
            task: &task,
            base: &hashes[..1],
            inputs: &hashes,
            validation: &[],
            seed: 1,
            precision: Precision::Full,
            device: "the processor",
            recipe: &Recipe::Own,
        };
        assert_eq!(one().hash(), one().hash());
        let other_task = Task::FineTuneFull {
            training: TrainingSettings {
                epochs: 4,
                ..TrainingSettings::default()
            },
        };
        let others = [
            Deciding { seed: 2, ..one() },
            Deciding {
                precision: Precision::Mixed,
                ..one()
            },
            Deciding {
                inputs: &swapped,
                ..one()
            },
            Deciding {
                validation: &hashes,
                ..one()
            },
            Deciding { base: &[], ..one() },
            Deciding {
                device: "a GPU",
                ..one()
            },
            Deciding {
                task: &other_task,
                ..one()
            },
        ];
        for other in others {
            assert_ne!(other.hash(), one().hash(), "{other:?}");
        }
    }
}
