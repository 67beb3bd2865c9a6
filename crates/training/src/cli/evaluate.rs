//! `faculty-training evaluate`.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use job_contract::ExitCode as JobExit;
use language_model::training_graph::Precision;
use training::{
    evaluate::{EvaluateError, Measurement, evaluate},
    stop::StopSign,
};

use super::{job_exit, stop_exit};

#[derive(Args)]
pub(crate) struct EvaluateArguments {
    /// GGUF file, or folder with config.json, tokenizer.json and safetensors.
    #[arg(long)]
    base: PathBuf,
    /// Folder with an adapter in PEFT's layout; none measures the base alone.
    #[arg(long)]
    adapter: Option<PathBuf>,
    /// Data: .jsonl, .txt or .csv; more than once for several files.
    #[arg(long, required = true)]
    data: Vec<PathBuf>,
    /// Tokens a sequence; longer documents are cut.
    #[arg(long, default_value_t = 512)]
    sequence_length: usize,
}

impl EvaluateArguments {
    pub(crate) fn run(self, precision: Precision, sign: &StopSign) -> ExitCode {
        let measurement = Measurement {
            base: self.base,
            adapter: self.adapter,
            data: self.data,
            sequence_length: self.sequence_length,
            precision,
        };
        match evaluate(&measurement, sign) {
            Ok(score) => {
                #[expect(
                    clippy::print_stdout,
                    reason = "the result is for standard output, the log is not"
                )]
                {
                    println!("{}", serde_json::json!(score));
                }
                ExitCode::SUCCESS
            }
            Err(EvaluateError::Stopped(stop)) => stop_exit(&stop),
            Err(error) => {
                tracing::error!("{error}");
                job_exit(JobExit::Failed)
            }
        }
    }
}
