//! `faculty-training estimate`.

use std::process::ExitCode;

use clap::Args;
use job_contract::ExitCode as JobExit;
use training::{
    estimate::{Estimate, estimate},
    offline::sources,
};

use super::{Machine, finetune::TaskArguments, job_exit};

#[derive(Args)]
pub(crate) struct EstimateArguments {
    #[command(flatten)]
    task: TaskArguments,
    /// Floating-point operations a second that the machine does in training.
    #[arg(long)]
    flop_per_second: Option<f64>,
    /// Watts that it takes meanwhile.
    #[arg(long)]
    watts: Option<f64>,
}

impl EstimateArguments {
    pub(crate) fn run(self, machine: &Machine) -> ExitCode {
        match self.estimate(machine) {
            Ok(estimate) => {
                #[expect(
                    clippy::print_stdout,
                    reason = "the result is for standard output, the log is not"
                )]
                {
                    println!("{}", serde_json::json!(estimate));
                }
                ExitCode::SUCCESS
            }
            Err(error) => {
                tracing::error!("{error}");
                job_exit(JobExit::Failed)
            }
        }
    }

    fn estimate(&self, machine: &Machine) -> Result<Estimate, Failed> {
        let training = &self.task.training;
        let estimate = estimate(
            &self.task.task(),
            &self.task.base,
            (&sources(&training.data)?, &sources(&training.validation)?),
            (machine.precision, training.seed),
        )?;
        Ok(match self.flop_per_second {
            Some(speed) => estimate.at(speed, self.watts.unwrap_or(0.0)),
            None => estimate,
        })
    }
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Files(#[from] training::offline::OfflineError),
    #[error(transparent)]
    Estimate(#[from] training::estimate::EstimateError),
}
