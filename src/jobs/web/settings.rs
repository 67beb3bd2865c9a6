//! The settings of a job in words: the main ones beside its page, all of them where two jobs are compared.

use job_contract::{Precision, Recompute, Schedule, Task, TrainingSettings};

use super::{
    super::{Method, job::Job},
    words::count,
};
use crate::web::Lang;

/// One setting with its value.
pub(super) struct Said {
    pub(super) name: String,
    pub(super) value: String,
    /// Whether it is worth a line beside the job.
    pub(super) is_main: bool,
}

/// Every setting of a job that means something for its method.
pub(super) fn said(lang: Lang, job: &Job) -> Vec<Said> {
    let mut list = List {
        lang,
        said: Vec::new(),
    };
    if let Some(method) = Method::of(&job.task, job.purpose) {
        list.main(
            "jobs-method",
            lang.t(&format!("jobs-method-{}", method.name())),
        );
    }
    if let Task::Pretrain { shape, .. } = &job.task {
        let words = [
            ("layers", shape.layers),
            ("width", shape.width),
            ("vocabulary", shape.vocabulary),
            ("context", shape.context_length),
        ]
        .map(|(name, value)| (name, count(lang, u64::from(value))));
        list.main("jobs-shape", lang.t_with("jobs-shape-said", &words));
    }
    if let Some(lora) = job.task.lora() {
        list.main("jobs-rank", lora.rank.to_string());
        list.more("jobs-alpha", list.number(lora.alpha));
        list.more("jobs-dropout", list.number(lora.dropout));
        list.more("jobs-target-modules", lora.target_modules.join(", "));
    }
    if let Task::Dpo { beta, .. } = &job.task {
        list.main("jobs-beta", list.number(*beta));
    }
    if let Some(training) = job.task.training() {
        list.training(training);
    }
    list.more("jobs-seed", job.seed.to_string());
    list.said
}

struct List {
    lang: Lang,
    said: Vec<Said>,
}

impl List {
    fn add(&mut self, name: &str, value: String, is_main: bool) {
        self.said.push(Said {
            name: self.lang.t(name),
            value,
            is_main,
        });
    }

    fn main(&mut self, name: &str, value: String) {
        self.add(name, value, true);
    }

    fn more(&mut self, name: &str, value: String) {
        self.add(name, value, false);
    }

    fn number(&self, value: f32) -> String {
        let text = value.to_string();
        match self.lang {
            Lang::Nl => text.replace('.', ","),
            Lang::En => text,
        }
    }

    fn yes_no(&self, value: bool) -> String {
        self.lang.t(if value { "answer-yes" } else { "answer-no" })
    }

    fn training(&mut self, training: &TrainingSettings) {
        let lang = self.lang;
        let whole = |value: u32| count(lang, u64::from(value));
        self.main("jobs-epochs", whole(training.epochs));
        if let Some(steps) = training.max_steps {
            self.main("jobs-max-steps", whole(steps));
        }
        self.main("jobs-learning-rate", self.number(training.learning_rate));
        self.main("jobs-sequence-length", whole(training.sequence_length));
        self.main("jobs-batch-size", whole(training.batch_size));
        let schedule = match training.schedule {
            Schedule::Linear => "jobs-schedule-linear",
            Schedule::Cosine => "jobs-schedule-cosine",
            Schedule::Constant => "jobs-schedule-constant",
        };
        self.more("jobs-schedule", lang.t(schedule));
        self.more("jobs-warmup-steps", whole(training.warmup_steps));
        self.more("jobs-weight-decay", self.number(training.weight_decay));
        self.more("jobs-clip-norm", self.number(training.clip_norm));
        self.more("jobs-accumulate", whole(training.accumulate));
        self.more("jobs-packing", self.yes_no(training.packing));
        let precision = match training.precision {
            Precision::Auto => "jobs-precision-auto",
            Precision::F32 => "jobs-precision-f32",
            Precision::Bf16 => "jobs-precision-bf16",
        };
        self.more("jobs-precision", lang.t(precision));
        let recompute = match training.recompute {
            Recompute::Auto => "jobs-recompute-auto",
            Recompute::Always => "jobs-recompute-always",
            Recompute::Never => "jobs-recompute-never",
        };
        self.more("jobs-recompute", lang.t(recompute));
        self.more("jobs-held-out-share", self.number(training.held_out_share));
        let every = training
            .evaluate_every_steps
            .map_or_else(|| lang.t("jobs-each-epoch"), whole);
        self.more("jobs-evaluate-every", every);
        let stop = training
            .early_stop
            .map_or_else(|| lang.t("answer-no"), |stop| whole(stop.patience));
        self.more("jobs-early-stop", stop);
        self.more("jobs-keep-best", self.yes_no(training.keep_best));
        self.more("jobs-canaries", whole(training.canaries));
    }
}
