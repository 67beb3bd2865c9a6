//! Weights in one file, or spread over several with an index, as the model hub names them.

use std::collections::BTreeMap;

use safetensors::View as _;
use serde_json::{Value as Json, json};

use super::tensors::Stored;

/// What tells in which file a tensor lies.
pub(super) const INDEX: &str = "model.safetensors.index.json";

/// A file of weights: its name, and its tensors by name.
pub(super) type Shard<'a> = (String, Vec<(String, Stored<'a>)>);

/// Spreads the tensors, in their order, over files of at most `largest` bytes each; a larger tensor has a file to
/// itself. One file alone is `model.safetensors`.
pub(super) fn spread(tensors: Vec<(String, Stored<'_>)>, largest: usize) -> Vec<Shard<'_>> {
    let mut files: Vec<Vec<_>> = vec![Vec::new()];
    let mut filled = 0;
    for (name, tensor) in tensors {
        let size = tensor.data_len();
        if filled > 0 && filled + size > largest {
            files.push(Vec::new());
            filled = 0;
        }
        filled += size;
        if let Some(file) = files.last_mut() {
            file.push((name, tensor));
        }
    }
    let count = files.len();
    let name = |number: usize| {
        if count == 1 {
            "model.safetensors".to_owned()
        } else {
            format!("model-{number:05}-of-{count:05}.safetensors")
        }
    };
    (1..).map(name).zip(files).collect()
}

/// The index of several files.
pub(super) fn index(shards: &[Shard<'_>]) -> Json {
    let tensors = || {
        let of_file = |(file, tensors)| std::iter::repeat(file).zip(tensors);
        shards
            .iter()
            .map(|(file, tensors)| (file, tensors))
            .flat_map(of_file)
    };
    let total: usize = tensors().map(|(_, (_, tensor))| tensor.data_len()).sum();
    let places: BTreeMap<&str, &str> = tensors()
        .map(|(file, (name, _))| (name.as_str(), file.as_str()))
        .collect();
    json!({"metadata": {"total_size": total}, "weight_map": places})
}
