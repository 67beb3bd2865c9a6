//! `faculty-training pretrain`.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use job_contract::{ModelShape, Recipe, Task};
use training::{offline::Request, stop::StopSign};

use super::{Machine, finetune::finish, settings::TrainingArguments};

#[derive(Args)]
pub(crate) struct PretrainArguments {
    /// Words of the tokenizer that is trained on the same text.
    #[arg(long, default_value_t = 8192)]
    vocabulary: u32,
    #[arg(long, default_value_t = 6)]
    layers: u32,
    /// Width of the stream, a multiple of the heads.
    #[arg(long, default_value_t = 192)]
    width: u32,
    #[arg(long, default_value_t = 6)]
    heads: u32,
    #[arg(long, default_value_t = 2)]
    key_value_heads: u32,
    /// Width inside the feed-forward part.
    #[arg(long, default_value_t = 512)]
    inner_width: u32,
    #[arg(long, default_value_t = 512)]
    context_length: u32,
    /// Keep a table of words of its own for output.
    #[arg(long)]
    untied: bool,
    /// Folder for the result; a stopped run goes on from its checkpoint there.
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    training: TrainingArguments,
}

impl PretrainArguments {
    pub(crate) fn run(self, machine: Machine, sign: StopSign) -> ExitCode {
        let shape = ModelShape {
            vocabulary: self.vocabulary,
            layers: self.layers,
            width: self.width,
            heads: self.heads,
            key_value_heads: self.key_value_heads,
            inner_width: self.inner_width,
            context_length: self.context_length,
            tied_embeddings: !self.untied,
        };
        let request = Request {
            task: Task::Pretrain {
                shape,
                training: self.training.settings(),
            },
            base: None,
            base_name: String::new(),
            data: self.training.data,
            validation: self.training.validation,
            out: self.out,
            seed: self.training.seed,
            precision: machine.precision,
            device: machine.device,
            memory: machine.memory,
            recipe: Recipe::Own,
            python: machine.python,
        };
        finish(&request, sign)
    }
}
