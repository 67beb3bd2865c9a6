//! A job as the request for another one alike.

use job_contract::{Precision, Recompute, Schedule, Task};

use super::{
    draft::RawDraft, job::Job, method::Method, raw_settings::RawSettings, settings::MODULES,
    shape::SHAPES,
};
use crate::ids::DatasetVersionId;

impl RawDraft {
    /// The form as it was when the job was asked for; the seed is left open, so that a new one is drawn.
    pub(super) fn of(job: &Job, versions: &[DatasetVersionId]) -> Self {
        let mut raw = Self {
            title: job.title.clone(),
            motivation: job.motivation.clone(),
            purpose: job.purpose.name().into(),
            is_commercial: if job.is_commercial { "yes" } else { "no" }.into(),
            recipients: job.recipients.name().into(),
            territory: job.territory.to_string(),
            base_model: job.base.map(|base| base.to_string()).unwrap_or_default(),
            dataset_versions: versions.iter().map(ToString::to_string).collect(),
            settings: RawSettings {
                method: Method::of(&job.task, job.purpose)
                    .map_or_else(String::new, |method| method.name().into()),
                ..RawSettings::default()
            },
            ..Self::fresh()
        };
        if let Some(lora) = job.task.lora() {
            raw.rank = lora.rank.to_string();
            raw.settings.alpha = lora.alpha.to_string();
            raw.settings.dropout = lora.dropout.to_string();
            if lora.target_modules.len() < MODULES.len() {
                raw.settings.target_modules.clone_from(&lora.target_modules);
            }
        }
        match &job.task {
            Task::Dpo { beta, .. } => raw.settings.beta = beta.to_string(),
            Task::Pretrain { shape, .. } => {
                let known = SHAPES.iter().find(|(_, one)| one == shape);
                raw.settings.shape = known.map_or("", |(name, _)| name).into();
            }
            _ => {}
        }
        if let Some(training) = job.task.training() {
            let yes_no = |is_on: bool| if is_on { "yes" } else { "no" }.to_owned();
            let at_will = |number: Option<u32>| number.map(|n| n.to_string()).unwrap_or_default();
            raw.epochs = training.epochs.to_string();
            raw.max_steps = at_will(training.max_steps);
            raw.learning_rate = training.learning_rate.to_string();
            raw.sequence_length = training.sequence_length.to_string();
            raw.batch_size = training.batch_size.to_string();
            let settings = &mut raw.settings;
            settings.schedule = match training.schedule {
                Schedule::Linear => "linear",
                Schedule::Cosine => "cosine",
                Schedule::Constant => "constant",
            }
            .into();
            settings.precision = match training.precision {
                Precision::Auto => "auto",
                Precision::F32 => "f32",
                Precision::Bf16 => "bf16",
            }
            .into();
            settings.recompute = match training.recompute {
                Recompute::Auto => "auto",
                Recompute::Always => "always",
                Recompute::Never => "never",
            }
            .into();
            settings.warmup_steps = training.warmup_steps.to_string();
            settings.weight_decay = training.weight_decay.to_string();
            settings.clip_norm = training.clip_norm.to_string();
            settings.accumulate = training.accumulate.to_string();
            settings.packing = yes_no(training.packing);
            settings.held_out_share = training.held_out_share.to_string();
            settings.evaluate_every_steps = at_will(training.evaluate_every_steps);
            settings.early_stop = at_will(training.early_stop.map(|stop| stop.patience));
            settings.keep_best = yes_no(training.keep_best);
            settings.canaries = training.canaries.to_string();
        }
        raw
    }
}
