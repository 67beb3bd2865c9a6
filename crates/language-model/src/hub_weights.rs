//! Weights in safetensors files, named as the model hub names them.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::Deserialize;

use crate::{
    config::Config,
    model_file::map,
    quantised::Format,
    weights::{HUB_NAMES, Tensor, Weights, WeightsError},
};

/// Why the weights of a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HubWeightsError {
    #[error("{0} has no .safetensors file")]
    NoFile(String),
    #[error("{file} cannot be read: {source}")]
    Broken {
        /// Which file.
        file: String,
        #[source]
        source: SafeTensorError,
    },
    #[error("{INDEX} cannot be used: {0}")]
    Index(String),
    #[error("{0} cannot be opened")]
    Unreadable(String),
    #[error("the tensor {name:?} has the number format {format}, which this engine cannot read")]
    UnknownFormat {
        /// Which tensor.
        name: String,
        /// safetensors' name for it.
        format: String,
    },
    #[error("the tensor {0:?} is neither a vector nor a matrix")]
    BadShape(String),
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// The file that says which of several files holds which tensor.
const INDEX: &str = "model.safetensors.index.json";

/// Reads the weights of `folder`: the files that its index names, or else all `.safetensors` files.
///
/// # Errors
/// [`HubWeightsError`] where there is none, one is broken, or tensors do not fit `config`.
pub(crate) fn read_hub_weights(folder: &Path, config: &Config) -> Result<Weights, HubWeightsError> {
    let files = match fs::read(folder.join(INDEX)) {
        Ok(index) => named_files(folder, &index)?,
        Err(_) => all_files(folder)?,
    };
    if files.is_empty() {
        return Err(HubWeightsError::NoFile(folder.display().to_string()));
    }
    let mut tensors = HashMap::new();
    for path in files {
        let source =
            map(&path).map_err(|_| HubWeightsError::Unreadable(path.display().to_string()))?;
        collect(&Arc::new(source), &path, &mut tensors)?;
    }
    Ok(Weights::assemble(config, &HUB_NAMES, |name| {
        tensors.remove(name)
    })?)
}

fn all_files(folder: &Path) -> Result<BTreeSet<PathBuf>, HubWeightsError> {
    let unreadable = || HubWeightsError::Unreadable(folder.display().to_string());
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(|_| unreadable())? {
        let path = entry.map_err(|_| unreadable())?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "safetensors")
        {
            files.insert(path);
        }
    }
    Ok(files)
}

/// The files that an index names, all of them in `folder` itself.
fn named_files(folder: &Path, index: &[u8]) -> Result<BTreeSet<PathBuf>, HubWeightsError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: HashMap<String, String>,
    }
    let broken = |what: String| HubWeightsError::Index(what);
    let index: Index = serde_json::from_slice(index).map_err(|error| broken(error.to_string()))?;
    let mut files = BTreeSet::new();
    for name in index.weight_map.into_values() {
        if Path::new(&name).file_name() != Some(name.as_ref()) {
            return Err(broken(format!("{name:?} is no plain file name")));
        }
        files.insert(folder.join(name));
    }
    Ok(files)
}

fn collect(
    source: &Arc<Mmap>,
    path: &Path,
    tensors: &mut HashMap<String, Tensor>,
) -> Result<(), HubWeightsError> {
    let broken = |source| HubWeightsError::Broken {
        file: path.display().to_string(),
        source,
    };
    let (header_length, metadata) = SafeTensors::read_metadata(source).map_err(broken)?;
    let data_start = header_length + size_of::<u64>();
    for (name, info) in metadata.tensors() {
        let format = match info.dtype {
            Dtype::F32 => Format::F32,
            Dtype::F16 => Format::F16,
            Dtype::BF16 => Format::Bf16,
            // Buffers such as rotary tables come in other kinds and are not weights of the graph.
            other if name.ends_with(".weight") => {
                return Err(HubWeightsError::UnknownFormat {
                    name,
                    format: format!("{other:?}"),
                });
            }
            _ => continue,
        };
        let (rows, columns) = match info.shape.as_slice() {
            [columns] => (1, *columns),
            [rows, columns] => (*rows, *columns),
            _ => return Err(HubWeightsError::BadShape(name)),
        };
        let Some(row_bytes) = format.row_bytes(columns).filter(|bytes| *bytes > 0) else {
            return Err(HubWeightsError::BadShape(name));
        };
        // `read_metadata` has checked the offsets against the shapes and the file.
        let (start, end) = info.data_offsets;
        let tensor = Tensor {
            source: Arc::clone(source),
            place: data_start + start..data_start + end,
            format,
            rows,
            columns,
            row_bytes,
            interleaved_head_dim: None,
        };
        tensors.insert(name, tensor);
    }
    Ok(())
}
