//! Everything that is needed to go on after a stop, in one file that is replaced whole.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use crate::optimiser::Optimiser;

/// Numbers beside the parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Hash over everything that decides the run; another run's checkpoint is not taken.
    pub fingerprint: String,
    /// Optimiser steps taken.
    pub step: u32,
    /// Tokens read in training.
    pub tokens_seen: u64,
    /// The same by source.
    pub tokens_by_source: Vec<u64>,
    pub held_out_before: Option<f64>,
    /// Time spent in training, over all lives of the process.
    pub seconds: f64,
}

/// A moment in training.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    pub position: Position,
    pub parameters: Vec<f32>,
    pub optimiser: Optimiser,
}

const PARAMETERS: &str = "parameters";
const FIRST: &str = "first_moments";
const SECOND: &str = "second_moments";
const POSITION: &str = "position";

impl Checkpoint {
    /// Writes to `path` so that it holds either the old or the new checkpoint, whenever the process dies.
    ///
    /// # Errors
    /// Where the disk does not take it.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let bytes =
            |numbers: &[f32]| -> Vec<u8> { numbers.iter().flat_map(|x| x.to_le_bytes()).collect() };
        let parts = [
            (PARAMETERS, bytes(&self.parameters)),
            (FIRST, bytes(&self.optimiser.first)),
            (SECOND, bytes(&self.optimiser.second)),
        ];
        let mut tensors = Vec::new();
        for (name, bytes) in &parts {
            let view = TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes)
                .map_err(io::Error::other)?;
            tensors.push((*name, view));
        }
        let position = serde_json::to_string(&self.position).map_err(io::Error::other)?;
        let metadata = HashMap::from([(POSITION.to_owned(), position)]);
        let content = safetensors::serialize(tensors, Some(metadata)).map_err(io::Error::other)?;
        write_whole(path, &content)
    }

    /// Reads what [`Checkpoint::write`] wrote; none where there is no file, or it is of another run or broken.
    pub fn read(path: &Path, fingerprint: &str, parameters: usize) -> Option<Self> {
        let content = fs::read(path).ok()?;
        let (_, metadata) = SafeTensors::read_metadata(&content).ok()?;
        let position: Position =
            serde_json::from_str(metadata.metadata().as_ref()?.get(POSITION)?).ok()?;
        let stored = SafeTensors::deserialize(&content).ok()?;
        let numbers = |name| {
            let view = stored.tensor(name).ok()?;
            let numbers = view
                .data()
                .chunks_exact(4)
                .map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]]));
            let numbers: Vec<f32> = numbers.collect();
            (numbers.len() == parameters).then_some(numbers)
        };
        let checkpoint = Self {
            parameters: numbers(PARAMETERS)?,
            optimiser: Optimiser {
                first: numbers(FIRST)?,
                second: numbers(SECOND)?,
                steps: position.step,
            },
            position,
        };
        (checkpoint.position.fingerprint == fingerprint).then_some(checkpoint)
    }
}

/// Replaces the file at `path` by `content`, safe against a stop of process or machine at any moment.
///
/// # Errors
/// Where the disk does not take it.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            position: Position {
                fingerprint: "abc".to_owned(),
                step: 3,
                tokens_seen: 99,
                tokens_by_source: vec![90, 9],
                held_out_before: Some(4.25),
                seconds: 1.5,
            },
            parameters: vec![1.0, -2.5],
            optimiser: Optimiser {
                first: vec![0.1, 0.2],
                second: vec![0.3, 0.4],
                steps: 3,
            },
        }
    }

    #[test]
    fn a_checkpoint_comes_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        checkpoint().write(&path).unwrap();
        assert_eq!(Checkpoint::read(&path, "abc", 2), Some(checkpoint()));
    }

    #[test]
    fn anothers_or_a_cut_checkpoint_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        assert_eq!(Checkpoint::read(&path, "abc", 2), None);
        checkpoint().write(&path).unwrap();
        assert_eq!(Checkpoint::read(&path, "other", 2), None);
        assert_eq!(Checkpoint::read(&path, "abc", 3), None);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(Checkpoint::read(&path, "abc", 2), None);
    }
}
