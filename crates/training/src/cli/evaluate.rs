//! `faculty-training evaluate`.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};
use job_contract::{Canaries, EvaluationSettings, ExitCode as JobExit, Recipe, Suite, Task};
use training::{
    device::{self, DeviceRefused},
    evaluation::{EvaluateError, Order, Report, Subject, evaluate},
    offline::{progress_bar, sources, watch},
    stop::StopSign,
};

use super::{Machine, job_exit, stop_exit};

#[derive(Args)]
pub(crate) struct EvaluateArguments {
    /// GGUF file, or folder with config.json, tokenizer.json and safetensors.
    #[arg(long)]
    base: PathBuf,
    /// Folder with an adapter in PEFT's layout; none measures the base alone.
    #[arg(long)]
    adapter: Option<PathBuf>,
    /// What to measure; more than once for several.
    #[arg(long, default_value = "held-out")]
    suite: Vec<SuiteChoice>,
    /// Files to measure the loss on: .jsonl, .txt or .csv.
    #[arg(long)]
    data: Vec<PathBuf>,
    /// Files that the model was trained on, to see how much of them it repeats.
    #[arg(long)]
    training_data: Vec<PathBuf>,
    /// Most items of each suite.
    #[arg(long)]
    most_items: Option<u32>,
    /// Groups of canaries that were planted in training.
    #[arg(long)]
    canaries: Option<u32>,
    /// The seed of the training.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum SuiteChoice {
    HeldOut,
    DutchTasks,
    Bias,
    Memorisation,
}

impl EvaluateArguments {
    pub(crate) fn run(self, machine: Machine, sign: StopSign) -> ExitCode {
        let suite = |choice: &SuiteChoice| match choice {
            SuiteChoice::HeldOut => Suite::HeldOut,
            SuiteChoice::DutchTasks => Suite::DutchTasks,
            SuiteChoice::Bias => Suite::Bias,
            SuiteChoice::Memorisation => Suite::Memorisation,
        };
        let settings = EvaluationSettings {
            suites: self.suite.iter().map(suite).collect(),
            most_items: self.most_items,
            canaries: self.canaries.map(|count| Canaries {
                count,
                seed: self.seed,
            }),
            held_out_share: None,
        };
        match self.measure(&settings, machine, sign) {
            Ok(report) => {
                #[expect(
                    clippy::print_stdout,
                    reason = "the result is for standard output, the log is not"
                )]
                {
                    println!("{}", serde_json::json!(report));
                }
                ExitCode::SUCCESS
            }
            Err(Failed::Evaluate(EvaluateError::Stopped(stop))) => stop_exit(&stop),
            Err(error) => {
                tracing::error!("{error}");
                job_exit(JobExit::Failed)
            }
        }
    }

    fn measure(
        &self,
        settings: &EvaluationSettings,
        machine: Machine,
        sign: StopSign,
    ) -> Result<Report, Failed> {
        let validation = sources(&self.data)?;
        let sources = sources(&self.training_data)?;
        let adapter = self.adapter.as_deref();
        let task = Task::Evaluate {
            evaluation: settings.clone(),
        };
        let device = device::find(machine.device, &task, &Recipe::Own)?;
        let multiplies = (machine.precision, &device);
        let mut subject =
            Subject::open(&self.base, adapter, multiplies).map_err(EvaluateError::from)?;
        let order = Order {
            settings,
            sources: &sources,
            // Files of one's own belong to no dataset.
            datasets: &[],
            validation: &validation,
            seed: self.seed,
        };
        let mut observer = watch(sign, progress_bar());
        Ok(evaluate(&mut subject, order, &mut observer)?)
    }
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Files(#[from] training::offline::OfflineError),
    #[error(transparent)]
    Device(#[from] DeviceRefused),
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
}
