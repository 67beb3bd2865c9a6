//! Everything that is needed to go on after a stop, in one file that is replaced whole.
//!
//! A safetensors file: the trained numbers, the optimiser's moments and, where the best so far is kept, those numbers
//! too; the position in its metadata. What is drawn (order, dropout) follows from the seed and the step, so there is
//! no state of a random generator to keep. Written and read as a stream, without a copy in memory.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::optimiser::Optimiser;

/// The best measurement so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    pub step: u32,
    /// Nats a target token.
    pub loss: f64,
}

/// Numbers beside the parameters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Hash over everything that decides the run.
    pub run: String,
    /// Optimiser steps taken.
    pub step: u32,
    /// Tokens read in training.
    pub tokens_seen: u64,
    /// The same by source.
    pub tokens_by_source: Vec<u64>,
    /// The same at the start of the attempt.
    pub tokens_before: Vec<u64>,
    /// Where the attempt took over from an earlier one.
    pub resumed_from: Option<u32>,
    /// Tokens read to measure.
    pub measured_tokens: u64,
    /// The step of the last measurement.
    pub measured_step: Option<u32>,
    pub held_out_before: Option<f64>,
    pub held_out_last: Option<f64>,
    pub best: Option<Best>,
    /// Measurements since the last gain.
    pub without_gain: u32,
    /// Time spent in training, over all lives of the process.
    pub seconds: f64,
}

/// A moment in training, read back.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    pub position: Position,
    pub parameters: Vec<f32>,
    pub optimiser: Optimiser,
    /// The numbers at the best measurement, where they are kept.
    pub best: Option<Vec<f32>>,
}

/// A moment in training, to be written.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot<'a> {
    pub position: &'a Position,
    pub parameters: &'a [f32],
    pub optimiser: &'a Optimiser,
    pub best: Option<&'a [f32]>,
}

const PARAMETERS: &str = "parameters";
const FIRST: &str = "first_moments";
const SECOND: &str = "second_moments";
const BEST: &str = "best_parameters";
const POSITION: &str = "position";
/// The longest header that is read.
const MOST_HEADER_BYTES: u64 = 16 << 20;
/// Numbers that are turned into bytes at once.
const STRETCH: usize = 1 << 14;

impl Snapshot<'_> {
    /// Writes to `path` so that it holds either the old or the new checkpoint, whenever the process dies.
    ///
    /// # Errors
    /// Where the disk does not take it.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut parts = vec![
            (PARAMETERS, self.parameters),
            (FIRST, self.optimiser.first.as_slice()),
            (SECOND, self.optimiser.second.as_slice()),
        ];
        parts.extend(self.best.map(|best| (BEST, best)));
        let position = serde_json::to_string(self.position).map_err(io::Error::other)?;
        let mut header = serde_json::Map::new();
        header.insert("__metadata__".to_owned(), json!({ POSITION: position }));
        let mut start = 0;
        for (name, numbers) in &parts {
            let end = start + 4 * numbers.len();
            let entry =
                json!({"dtype": "F32", "shape": [numbers.len()], "data_offsets": [start, end]});
            header.insert((*name).to_owned(), entry);
            start = end;
        }
        let mut header = serde_json::to_vec(&header).map_err(io::Error::other)?;
        header.resize(header.len().next_multiple_of(8), b' ');
        replace(path, |file| {
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(&header)?;
            let mut bytes = Vec::with_capacity(4 * STRETCH);
            for numbers in parts
                .iter()
                .flat_map(|(_, numbers)| numbers.chunks(STRETCH))
            {
                bytes.clear();
                bytes.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
                file.write_all(&bytes)?;
            }
            Ok(())
        })
    }
}

impl Checkpoint {
    /// Reads what [`Snapshot::write`] wrote for `parameters` numbers.
    ///
    /// # Errors
    /// Where the file is missing, broken or of another shape.
    pub fn read(path: &Path, parameters: usize) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut file = BufReader::new(file);
        let (head, header) = read_header(&mut file)?;
        let position = header
            .get("__metadata__")
            .and_then(|metadata| metadata.get(POSITION)?.as_str())
            .ok_or_else(|| broken("there is no position"))?;
        let position: Position = serde_json::from_str(position)?;
        let has_best = header.get(BEST).is_some();
        let parts = if has_best { 4 } else { 3 };
        if length != 8 + head + parts * 4 * parameters as u64 {
            return Err(broken("the numbers are not as many as this run has"));
        }
        let mut numbers = || -> io::Result<Vec<f32>> {
            let mut numbers = Vec::with_capacity(parameters);
            let mut bytes = vec![0; 4 * STRETCH.min(parameters.max(1))];
            while numbers.len() < parameters {
                let count = (parameters - numbers.len()).min(STRETCH);
                let stretch = bytes.get_mut(..4 * count).unwrap_or_default();
                file.read_exact(stretch)?;
                let each = stretch.chunks_exact(4);
                numbers.extend(each.map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]])));
            }
            Ok(numbers)
        };
        Ok(Self {
            parameters: numbers()?,
            optimiser: Optimiser {
                first: numbers()?,
                second: numbers()?,
                steps: position.step,
            },
            best: has_best.then(numbers).transpose()?,
            position,
        })
    }
}

/// What a safetensors file with a position says of itself, as text.
///
/// # Errors
/// Where the file is missing, broken or has no position.
pub fn metadata(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let header = read_header(&mut file)?.1;
    let metadata = header.get("__metadata__");
    let position = metadata.and_then(|metadata| metadata.get(POSITION)?.as_str());
    position
        .map(str::to_owned)
        .ok_or_else(|| broken("there is no position"))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// The length of a safetensors file's header, and the header.
fn read_header(file: &mut impl Read) -> io::Result<(u64, Value)> {
    let mut head = [0; 8];
    file.read_exact(&mut head)?;
    let head = u64::from_le_bytes(head);
    if head > MOST_HEADER_BYTES {
        return Err(broken("the header is too long"));
    }
    let mut header = vec![0; usize::try_from(head).unwrap_or(0)];
    file.read_exact(&mut header)?;
    Ok((head, serde_json::from_slice(&header)?))
}

/// Replaces the file at `path` by what `write` writes, safe against a stop of process or machine at any moment.
///
/// # Errors
/// Where the disk does not take it.
pub fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let part = path.with_extension("part");
    let written = (|| {
        let mut file = BufWriter::with_capacity(1 << 16, File::create(&part)?);
        write(&mut file)?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&part, path)
    })();
    if let Err(error) = written {
        // A disk that is full has no use for half a file.
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Replaces the file at `path` by `content`, as [`replace`].
///
/// # Errors
/// Where the disk does not take it.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    replace(path, |file| file.write_all(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            position: Position {
                run: "abc".to_owned(),
                step: 3,
                tokens_seen: 99,
                tokens_by_source: vec![90, 9],
                held_out_before: Some(4.25),
                best: Some(Best { step: 2, loss: 0.1 }),
                seconds: 1.5,
                ..Position::default()
            },
            parameters: vec![1.0, -2.5],
            optimiser: Optimiser {
                first: vec![0.1, 0.2],
                second: vec![0.3, 0.4],
                steps: 3,
            },
            best: Some(vec![0.5, 0.25]),
        }
    }

    fn write(checkpoint: &Checkpoint, path: &Path) {
        let snapshot = Snapshot {
            position: &checkpoint.position,
            parameters: &checkpoint.parameters,
            optimiser: &checkpoint.optimiser,
            best: checkpoint.best.as_deref(),
        };
        snapshot.write(path).unwrap();
    }

    #[test]
    fn a_checkpoint_comes_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        write(&checkpoint(), &path);
        assert_eq!(Checkpoint::read(&path, 2).unwrap(), checkpoint());
        let bytes = fs::read(&path).unwrap();
        let others = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(others.names().len(), 4, "other programs can read it");
        let without = Checkpoint {
            best: None,
            ..checkpoint()
        };
        write(&without, &path);
        assert_eq!(Checkpoint::read(&path, 2).unwrap(), without);
    }

    #[test]
    fn one_of_another_shape_or_cut_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        assert!(Checkpoint::read(&path, 2).is_err());
        write(&checkpoint(), &path);
        assert!(Checkpoint::read(&path, 3).is_err());
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(Checkpoint::read(&path, 2).is_err());
        fs::write(&path, [0xff; 64]).unwrap();
        assert!(Checkpoint::read(&path, 2).is_err());
    }
}
