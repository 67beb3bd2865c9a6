//! Measuring a model, with or without an adapter, on files of this machine.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use language_model::{
    LoraAdapter, ModelFile, OpenError,
    lora::PeftError,
    training_graph::{Batch, GraphError, Loss, Precision, TOKENS_AT_ONCE, Trained, TrainingModel},
};
use serde::Serialize;

use crate::{
    data::{DataError, DataSettings, Wanted, prepare},
    offline::{OfflineError, sources},
    stop::{Stop, StopSign},
};

/// What to measure, and on what.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// GGUF file, or folder in the model hub's layout.
    pub base: PathBuf,
    /// Folder with an adapter in PEFT's layout.
    pub adapter: Option<PathBuf>,
    pub data: Vec<PathBuf>,
    /// Longer documents are cut.
    pub sequence_length: usize,
    pub precision: Precision,
}

/// How well the model predicts the data.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// Mean cross-entropy in nats a target token.
    pub loss: f64,
    pub documents: u64,
    pub target_tokens: u64,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    #[error("the base model cannot be used: {0}")]
    Model(#[from] OpenError),
    #[error(transparent)]
    Files(#[from] OfflineError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error("the adapter cannot be used: {0}")]
    Adapter(#[from] PeftError),
    #[error("{path}: {source}")]
    Disk {
        /// Which file.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(transparent)]
    Stopped(#[from] Stop),
}

/// Measures the loss over all documents.
///
/// # Errors
/// [`EvaluateError`], in words for the person at the terminal.
pub fn evaluate(request: &Measurement, sign: &StopSign) -> Result<Score, EvaluateError> {
    let model = ModelFile::open(&request.base)?;
    let adapter = match &request.adapter {
        Some(folder) => Some(LoraAdapter::from_peft(
            &model.config,
            &read(&folder.join("adapter_config.json"))?,
            &read(&folder.join("adapter_model.safetensors"))?,
        )?),
        None => None,
    };
    let sources = sources(&request.data)?;
    let speech = (&model.tokenizer, model.chat_template.as_ref());
    let settings = DataSettings {
        sequence_length: request.sequence_length,
        held_out_share: 0.0,
        seed: 0,
        packing: false,
        canaries: 0,
        wanted: Wanted::Examples,
    };
    let data = prepare(&sources, &[], speech, settings)?;
    let mut graph = TrainingModel::new(&model, request.precision);
    let mut whole = Batch::default();
    for piece in &data.pieces {
        whole.push(&piece.document);
    }
    let mut loss = Loss::default();
    for batch in whole.split(TOKENS_AT_ONCE) {
        sign.check()?;
        loss.add(graph.loss(
            adapter.as_ref().map_or(Trained::None, Trained::lora),
            &batch,
        )?);
    }
    Ok(Score {
        loss: loss.mean().ok_or(DataError::NothingToLearn)?,
        documents: data.documents,
        target_tokens: loss.targets,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, EvaluateError> {
    fs::read(path).map_err(|source| EvaluateError::Disk {
        path: path.to_owned(),
        source,
    })
}
