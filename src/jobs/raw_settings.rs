//! Settings as people and programs send them.

use serde::{Deserialize, Serialize};

/// The settings that are seldom changed, as they came; an empty one takes what is usual for its method.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawSettings {
    /// [`Method::name`]; empty: the usual one for the purpose.
    pub method: String,
    /// Of DPO.
    pub beta: String,
    /// Of the adapters.
    pub alpha: String,
    pub dropout: String,
    /// Names as in PEFT; none: all seven.
    pub target_modules: Vec<String>,
    /// `tiny`, `small` or `medium`, of a new model.
    pub shape: String,
    /// `linear`, `cosine` or `constant`.
    pub schedule: String,
    pub warmup_steps: String,
    pub weight_decay: String,
    pub clip_norm: String,
    pub accumulate: String,
    /// `yes` or `no`.
    pub packing: String,
    /// `auto`, `f32` or `bf16`.
    pub precision: String,
    /// `auto`, `always` or `never`.
    pub recompute: String,
    pub held_out_share: String,
    pub evaluate_every_steps: String,
    /// Measurements without a gain after which training ends; empty: never.
    pub early_stop: String,
    /// `yes` or `no`.
    pub keep_best: String,
    pub canaries: String,
    /// Empty: a new one.
    pub seed: String,
}

impl RawSettings {
    /// The fields of a form that hold one text each, by name.
    pub(super) fn texts(&mut self) -> [(&'static str, &mut String); 19] {
        [
            ("method", &mut self.method),
            ("beta", &mut self.beta),
            ("alpha", &mut self.alpha),
            ("dropout", &mut self.dropout),
            ("shape", &mut self.shape),
            ("schedule", &mut self.schedule),
            ("warmup_steps", &mut self.warmup_steps),
            ("weight_decay", &mut self.weight_decay),
            ("clip_norm", &mut self.clip_norm),
            ("accumulate", &mut self.accumulate),
            ("packing", &mut self.packing),
            ("precision", &mut self.precision),
            ("recompute", &mut self.recompute),
            ("held_out_share", &mut self.held_out_share),
            ("evaluate_every_steps", &mut self.evaluate_every_steps),
            ("early_stop", &mut self.early_stop),
            ("keep_best", &mut self.keep_best),
            ("canaries", &mut self.canaries),
            ("seed", &mut self.seed),
        ]
    }
}
