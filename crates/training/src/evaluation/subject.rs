//! The model that is measured.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use language_model::{
    Config, Document, LoraAdapter, ModelFile, OpenError, Tokenizer,
    inference::{Adapter, AdapterError, InferenceModel},
    lora::PeftError,
    training_graph::{
        Batch, Device, DeviceError, GraphError, Loss, Precision, Trained, TrainingModel,
    },
};

/// A model with or without an adapter, ready to be measured.
#[derive(Debug)]
pub struct Subject {
    model: ModelFile,
    adapter: Option<LoraAdapter>,
    adapter_folder: Option<PathBuf>,
    graph: TrainingModel,
}

/// Why a model cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    #[error("the base model cannot be used: {0}")]
    Model(#[from] OpenError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error("the adapter cannot be used: {0}")]
    Adapter(#[from] PeftError),
    #[error("the adapter cannot be used: {0}")]
    Serving(#[from] AdapterError),
    #[error("{path}: {source}")]
    Disk {
        /// Which file.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Subject {
    /// Opens a model, and an adapter in PEFT's layout over it.
    ///
    /// # Errors
    /// [`SubjectError`] where one of them cannot be used.
    pub fn open(
        base: &Path,
        adapter: Option<&Path>,
        (precision, device): (Precision, &Device),
    ) -> Result<Self, SubjectError> {
        let model = ModelFile::open(base)?;
        let weights = match adapter {
            Some(folder) => Some(LoraAdapter::from_peft(
                &model.config,
                &read(&folder.join("adapter_config.json"))?,
                &read(&folder.join("adapter_model.safetensors"))?,
            )?),
            None => None,
        };
        Ok(Self {
            graph: TrainingModel::on(device, &model, precision)?,
            model,
            adapter: weights,
            adapter_folder: adapter.map(Path::to_owned),
        })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.model.config
    }

    pub(crate) fn has_adapter(&self) -> bool {
        self.adapter.is_some()
    }

    pub(crate) fn tokenizer(&self) -> &Tokenizer {
        &self.model.tokenizer
    }

    pub(crate) fn model(&self) -> &ModelFile {
        &self.model
    }

    /// Most tokens that are given to the model at once.
    pub(crate) fn most_tokens(&self) -> usize {
        self.config().context_length.min(2048)
    }

    /// The loss over the targets of each document.
    pub(crate) fn losses(&mut self, documents: &[&Document]) -> Result<Vec<Loss>, GraphError> {
        let trained = self.adapter.as_ref().map_or(Trained::None, Trained::lora);
        let mut losses = Vec::with_capacity(documents.len());
        for document in documents {
            let mut batch = Batch::default();
            batch.push(document);
            losses.push(self.graph.loss(trained, &batch)?);
        }
        Ok(losses)
    }

    /// The logarithm of the probability of each document's targets.
    pub(crate) fn log_probabilities(
        &mut self,
        documents: &[Document],
    ) -> Result<Vec<f64>, GraphError> {
        let trained = self.adapter.as_ref().map_or(Trained::None, Trained::lora);
        let mut batch = Batch::default();
        for document in documents {
            batch.push(document);
        }
        self.graph.log_probabilities(trained, &batch)
    }

    /// The model in the form in which it is served, for sequences of so many tokens.
    pub(crate) fn serving(
        &self,
        most_tokens: usize,
    ) -> Result<(InferenceModel, Option<Adapter>), SubjectError> {
        let model = InferenceModel::new(self.config(), &self.model.weights, most_tokens);
        let adapter = match &self.adapter_folder {
            Some(folder) => Some(Adapter::open(folder, self.config())?),
            None => None,
        };
        Ok((model, adapter))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SubjectError> {
    fs::read(path).map_err(|source| SubjectError::Disk {
        path: path.to_owned(),
        source,
    })
}
