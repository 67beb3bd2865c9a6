//! Models as other programs open them: a folder in the model hub's layout.
//!
//! `config.json`, `tokenizer.json`, `tokenizer_config.json` and `model.safetensors`, which is written tensor by
//! tensor, so that a model larger than memory can be merged. Weights of more than [`LARGEST_FILE`] go into several files.

mod settings;
mod shards;
mod tensors;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensorError};

pub(crate) use self::settings::decimal;
use self::tensors::Stored;
use crate::{
    chat_template::ChatTemplate,
    config::Config,
    lora::LoraAdapter,
    model_file::ModelFile,
    parameters::Parameters,
    tokenizer::{Tokenizer, TokenizerError},
    whole_weights::WholeWeights,
};

/// The most bytes of weights in one file: object stores take 5 GiB in one piece.
pub const LARGEST_FILE: usize = 4 << 30;

/// How numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberFormat {
    F32,
    /// Rounded to nearest, ties to even.
    Bf16,
}

impl NumberFormat {
    fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::Bf16 => Dtype::BF16,
        }
    }
}

/// Which weights are written.
#[derive(Debug, Clone, Copy)]
pub enum Exported<'a> {
    /// A base model as it is, quantised numbers made whole.
    Base(&'a ModelFile),
    /// A base model with an adapter added to it: `W + (alpha / rank) B A`.
    Merged(&'a ModelFile, &'a LoraAdapter),
    /// Weights that were trained themselves.
    Whole(&'a WholeWeights),
}

/// A model to be written.
#[derive(Debug, Clone, Copy)]
pub struct Export<'a> {
    pub weights: Exported<'a>,
    pub tokenizer: &'a Tokenizer,
    /// None for a model that does not chat.
    pub chat_template: Option<&'a ChatTemplate>,
    pub format: NumberFormat,
}

/// Why a model cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("the adapter was made for a model of another shape")]
    OtherShape,
    #[error("{path}: {source}")]
    Disk {
        /// Which file.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the weights cannot be written: {0}")]
    Weights(#[from] SafeTensorError),
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

impl<'a> Export<'a> {
    /// `model` with an adapter, or as it is.
    pub fn of_model(
        model: &'a ModelFile,
        adapter: Option<&'a LoraAdapter>,
        format: NumberFormat,
    ) -> Self {
        Self {
            weights: adapter.map_or(Exported::Base(model), |adapter| {
                Exported::Merged(model, adapter)
            }),
            tokenizer: &model.tokenizer,
            chat_template: model.chat_template.as_ref(),
            format,
        }
    }

    fn config(&self) -> &'a Config {
        match self.weights {
            Exported::Base(model) | Exported::Merged(model, _) => &model.config,
            Exported::Whole(whole) => whole.config(),
        }
    }

    /// Writes the files into `folder`, which is made where it is not there; answers their names, weights first.
    ///
    /// # Errors
    /// [`ExportError`] where the adapter does not fit or the disk does not take it.
    pub fn write(&self, folder: &Path) -> Result<Vec<String>, ExportError> {
        self.write_in_files_of(LARGEST_FILE, folder)
    }

    /// [`Self::write`] with at most `largest` bytes of weights in a file.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_in_files_of(
        &self,
        largest: usize,
        folder: &Path,
    ) -> Result<Vec<String>, ExportError> {
        if let Exported::Merged(model, adapter) = self.weights
            && !adapter.layout().fits(&model.config)
        {
            return Err(ExportError::OtherShape);
        }
        let disk = |path: &Path, done: io::Result<()>| {
            done.map_err(|source| ExportError::Disk {
                path: path.to_owned(),
                source,
            })
        };
        disk(folder, fs::create_dir_all(folder))?;
        disk(folder, remove_weights(folder))?;
        let mut written = Vec::new();
        let shards = shards::spread(self.tensors(), largest);
        let index = (shards.len() > 1).then(|| shards::index(&shards));
        for (name, tensors) in shards {
            let metadata = Some([("format".to_owned(), "pt".to_owned())].into());
            safetensors::serialize_to_file(tensors, metadata, &folder.join(&name))?;
            written.push(name);
        }
        let mut put = |name: &str, content: &[u8]| {
            let path = folder.join(name);
            written.push(name.to_owned());
            disk(&path, fs::write(&path, content))
        };
        if let Some(index) = index {
            put(shards::INDEX, format!("{index:#}\n").as_bytes())?;
        }
        let config = settings::config(self.config(), self.tokenizer, self.format);
        put("config.json", format!("{config:#}\n").as_bytes())?;
        put("tokenizer.json", &self.tokenizer.to_hub_json()?)?;
        let template = self.chat_template;
        let settings = settings::tokenizer_config(self.config(), self.tokenizer, template);
        put(
            "tokenizer_config.json",
            format!("{settings:#}\n").as_bytes(),
        )?;
        Ok(written)
    }

    /// All tensors by their names in the hub's layout; their numbers are made when they are written.
    fn tensors(&self) -> Vec<(String, Stored<'a>)> {
        match self.weights {
            Exported::Base(model) => tensors::of_model(model, None, self.format),
            Exported::Merged(model, adapter) => {
                tensors::of_model(model, Some(adapter), self.format)
            }
            Exported::Whole(whole) => {
                let stored = |place: crate::Place| {
                    let numbers = &whole.flat()[place.range];
                    let stored = Stored::of_numbers(numbers, place.shape, self.format);
                    (place.name, stored)
                };
                whole.layout().into_iter().map(stored).collect()
            }
        }
    }
}

/// Removes the weights of an older export: whoever opens the folder would take them for these.
fn remove_weights(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_part = name.starts_with("model-") && name.ends_with(".safetensors");
        if is_part || name == "model.safetensors" || name == shards::INDEX {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
