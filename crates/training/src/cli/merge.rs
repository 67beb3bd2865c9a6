//! `faculty-training merge`.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};
use job_contract::ExitCode as JobExit;
use language_model::{
    LoraAdapter, ModelFile, OpenError,
    export::{Export, ExportError, NumberFormat},
    lora::PeftError,
};

use super::job_exit;

#[derive(Args)]
pub(crate) struct MergeArguments {
    /// GGUF file, or folder with config.json, tokenizer.json and safetensors.
    #[arg(long)]
    base: PathBuf,
    /// Folder with an adapter in PEFT's layout; without one the base is written as it is.
    #[arg(long)]
    adapter: Option<PathBuf>,
    /// Folder for the model in the model hub's layout.
    #[arg(long)]
    out: PathBuf,
    #[arg(long, default_value = "bf16")]
    format: FormatChoice,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatChoice {
    /// Half the size.
    Bf16,
    /// Exact.
    F32,
}

#[derive(Debug, thiserror::Error)]
enum MergeError {
    #[error("the base model cannot be used: {0}")]
    Model(#[from] OpenError),
    #[error("the adapter cannot be used: {0}")]
    Adapter(#[from] PeftError),
    #[error("{path}: {source}")]
    Disk {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the model cannot be written: {0}")]
    Export(#[from] ExportError),
}

impl MergeArguments {
    pub(crate) fn run(self) -> ExitCode {
        match self.merge() {
            Ok(()) => {
                tracing::info!("the model is in {}", self.out.display());
                ExitCode::SUCCESS
            }
            Err(error) => {
                tracing::error!("{error}");
                job_exit(JobExit::Failed)
            }
        }
    }

    fn merge(&self) -> Result<(), MergeError> {
        let model = ModelFile::open(&self.base)?;
        let read =
            |path: PathBuf| fs::read(&path).map_err(|source| MergeError::Disk { path, source });
        let adapter = match &self.adapter {
            Some(folder) => Some(LoraAdapter::from_peft(
                &model.config,
                &read(folder.join("adapter_config.json"))?,
                &read(folder.join("adapter_model.safetensors"))?,
            )?),
            None => None,
        };
        let format = match self.format {
            FormatChoice::Bf16 => NumberFormat::Bf16,
            FormatChoice::F32 => NumberFormat::F32,
        };
        Export::of_model(&model, adapter.as_ref(), format).write(&self.out)?;
        Ok(())
    }
}
