//! `faculty-training finetune`.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};
use job_contract::{ExitCode as JobExit, Recipe, Strategy, Task};
use training::{
    offline::{OfflineError, Request, progress_bar, train},
    stop::StopSign,
    training_loop::TrainError,
    work::WorkError,
};

use super::{
    Machine, job_exit,
    settings::{LoraArguments, TrainingArguments},
    stop_exit,
};

#[derive(Args)]
pub(crate) struct FinetuneArguments {
    #[command(flatten)]
    task: TaskArguments,
    /// Folder for the result; a stopped run goes on from its checkpoint there.
    #[arg(long)]
    out: PathBuf,
    /// Compute with so many processes of PyTorch instead of this program.
    #[arg(long)]
    torchrun: Option<u32>,
    /// With --torchrun: every process holds a part of the model instead of all of it.
    #[arg(long)]
    fsdp: bool,
}

/// A base, a method, data and settings.
#[derive(Args)]
pub(super) struct TaskArguments {
    /// GGUF file, or folder with config.json, tokenizer.json and safetensors.
    #[arg(long)]
    pub(super) base: PathBuf,
    /// Name of the base model in adapter_config.json, where PEFT looks for it. Without it the folder of --base, or the
    /// name of its file.
    #[arg(long)]
    base_name: Option<String>,
    #[arg(long, default_value = "lora")]
    method: Method,
    /// With --method dpo: how far the model may move from the base.
    #[arg(long, default_value_t = 0.1)]
    beta: f32,
    #[command(flatten)]
    lora: LoraArguments,
    #[command(flatten)]
    pub(super) training: TrainingArguments,
}

#[derive(Clone, Copy, ValueEnum)]
enum Method {
    /// Adapters over the base.
    Lora,
    /// Every weight of the base; on plain text this is continued pretraining.
    Full,
    /// Adapters that learn which of two answers is better.
    Dpo,
}

impl TaskArguments {
    /// What an adapter says that it lies over.
    pub(super) fn base_name(&self) -> String {
        if let Some(name) = &self.base_name {
            return name.clone();
        }
        let name = if self.base.is_dir() {
            Some(self.base.as_os_str())
        } else {
            self.base.file_stem()
        };
        name.unwrap_or_default().to_string_lossy().into_owned()
    }

    pub(super) fn task(&self) -> Task {
        let training = self.training.settings();
        match self.method {
            Method::Lora => Task::FineTuneLora {
                lora: self.lora.settings(),
                training,
            },
            Method::Full => Task::FineTuneFull { training },
            Method::Dpo => Task::Dpo {
                lora: self.lora.settings(),
                training,
                beta: self.beta,
            },
        }
    }
}

impl FinetuneArguments {
    pub(crate) fn run(self, machine: Machine, sign: StopSign) -> ExitCode {
        let task = self.task.task();
        let base_name = self.task.base_name();
        let request = Request {
            task,
            base: Some(self.task.base),
            base_name,
            data: self.task.training.data,
            validation: self.task.training.validation,
            out: self.out,
            seed: self.task.training.seed,
            precision: machine.precision,
            device: machine.device,
            memory: machine.memory,
            recipe: match self.torchrun {
                None => Recipe::Own,
                Some(processes) => Recipe::Torchrun {
                    processes,
                    nodes: 1,
                    strategy: if self.fsdp {
                        Strategy::Fsdp
                    } else {
                        Strategy::Ddp
                    },
                },
            },
            python: machine.python,
        };
        finish(&request, sign)
    }
}

/// Trains, and says how it went.
pub(super) fn finish(request: &Request, sign: StopSign) -> ExitCode {
    match train(request, sign, progress_bar()) {
        Ok(summary) => {
            tracing::info!(
                held_out_loss_before = summary.held_out_loss_before,
                held_out_loss_after = summary.held_out_loss_after,
                steps = summary.steps,
                tokens = summary.tokens_trained,
                seconds = summary.seconds,
                "the result is in {}",
                request.out.display()
            );
            ExitCode::SUCCESS
        }
        Err(OfflineError::Work(WorkError::Train(TrainError::Stopped(stop)))) => {
            tracing::warn!(%stop, "stopped; start again alike to go on");
            stop_exit(&stop)
        }
        Err(error) => {
            tracing::error!("{error}");
            job_exit(JobExit::Failed)
        }
    }
}
