//! What computes at a place, where that is not the training program itself.

use std::path::PathBuf;

use job_contract::{Recipe, Strategy};
use serde::{Deserialize, Serialize};

use crate::Resources;

/// `[compute.places.recipe]`: several processes of PyTorch, for the jobs that they can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceRecipe {
    /// What starts the processes.
    pub kind: RecipeKind,
    /// Processes of a job, each with one thread; as many as GPUs where there are.
    pub processes: u32,
    /// Machines of a job; 1.
    #[serde(default = "one")]
    pub nodes: u32,
    /// How the processes share the model.
    pub strategy: Strategy,
    /// A Python with what `crates/training/recipes/torchrun/requirements.txt` names: its absolute path, as seen by the
    /// training program there.
    pub python: PathBuf,
}

fn one() -> u32 {
    1
}

/// What starts the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipeKind {
    /// PyTorch's `torchrun`.
    Torchrun,
}

impl PlaceRecipe {
    /// As jobs are told of it.
    #[must_use]
    pub fn recipe(&self) -> Recipe {
        match self.kind {
            RecipeKind::Torchrun => Recipe::Torchrun {
                processes: self.processes,
                nodes: self.nodes,
                strategy: self.strategy,
            },
        }
    }

    /// What cannot work where a job gets these resources, a sentence each.
    pub(crate) fn problems(&self, resources: &Resources) -> Vec<String> {
        let (processes, gpus, cores) = (self.processes, resources.gpus, resources.cores);
        let mut problems = Vec::new();
        if self.nodes != 1 {
            problems.push("recipe.nodes: is 1, since a job has one machine".to_owned());
        }
        if processes == 0 {
            problems.push("recipe.processes: needs at least 1".to_owned());
        } else if gpus > 0 && processes != gpus {
            // Two on one GPU are refused by NCCL; a GPU without one would be paid for and do nothing.
            problems.push(format!(
                "recipe.processes: is {processes}, and resources has {gpus} GPUs: one process for each"
            ));
        }
        if processes > cores {
            problems.push(format!(
                "recipe.processes: is {processes}, and resources has cores = {cores}: each process needs a core"
            ));
        }
        if !self.python.is_absolute() {
            problems.push("recipe.python: needs its absolute path there".to_owned());
        }
        problems
    }
}
