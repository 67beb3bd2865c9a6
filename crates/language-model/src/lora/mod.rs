//! Low-rank adapters (Hu et al. 2021, arXiv 2106.09685): `y = W x + (alpha / rank) B A x`.
//!
//! Stored as PEFT stores them, so that other programs can load what is trained here and the other way round.

mod layout;
mod peft;

pub use self::{
    layout::{Group, Layout, Part},
    peft::PeftError,
};
use crate::{config::Config, synthetic::Noise};

/// A projection that can carry an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    Query,
    Key,
    Value,
    Output,
    Gate,
    Up,
    Down,
}

impl Target {
    /// All of them, in the order of the graph.
    pub const ALL: [Self; 7] = [
        Self::Query,
        Self::Key,
        Self::Value,
        Self::Output,
        Self::Gate,
        Self::Up,
        Self::Down,
    ];

    /// PEFT's name, for example `q_proj`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "q_proj",
            Self::Key => "k_proj",
            Self::Value => "v_proj",
            Self::Output => "o_proj",
            Self::Gate => "gate_proj",
            Self::Up => "up_proj",
            Self::Down => "down_proj",
        }
    }

    /// The projection that PEFT calls `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    /// The part of the block that holds it: `self_attn` or `mlp`.
    pub fn parent(self) -> &'static str {
        match self {
            Self::Query | Self::Key | Self::Value | Self::Output => "self_attn",
            Self::Gate | Self::Up | Self::Down => "mlp",
        }
    }

    /// Inputs and outputs of the projection.
    pub fn shape(self, config: &Config) -> (usize, usize) {
        let (d, ff) = (config.hidden_size, config.intermediate_size);
        match self {
            Self::Query => (d, config.query_size()),
            Self::Key | Self::Value => (d, config.kv_size()),
            Self::Output => (config.query_size(), d),
            Self::Gate | Self::Up => (d, ff),
            Self::Down => (ff, d),
        }
    }
}

/// The adapters of a whole model; all numbers in one flat vector, ordered by [`Layout`].
#[derive(Debug, Clone, PartialEq)]
pub struct LoraAdapter {
    layout: Layout,
    alpha: f32,
    parameters: Vec<f32>,
}

/// Settings that make no adapter.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LoraError {
    #[error("the rank is {0}, expected 1 to 256")]
    Rank(usize),
    #[error("alpha must be a number above zero")]
    Alpha,
    #[error("no target modules are named")]
    NoTargets,
}

impl LoraAdapter {
    /// A new adapter: `A` uniform within ±1/√inputs as PEFT does, `B` zero, so that it starts without effect.
    ///
    /// # Errors
    /// [`LoraError`] where rank, alpha or targets make no sense.
    pub fn new(
        config: &Config,
        rank: usize,
        alpha: f32,
        targets: &[Target],
        seed: u64,
    ) -> Result<Self, LoraError> {
        let mut adapter = Self::zeroed(config, rank, alpha, targets)?;
        let mut noise = Noise::new(seed);
        for layer in 0..config.layers {
            for part in adapter
                .layout
                .layer(layer)
                .flat_map(|group| group.parts.clone())
            {
                let scale = 1.0 / (part.inputs as f32).sqrt();
                for weight in &mut adapter.parameters[part.a] {
                    *weight = noise.sample() * scale;
                }
            }
        }
        Ok(adapter)
    }

    fn zeroed(
        config: &Config,
        rank: usize,
        alpha: f32,
        targets: &[Target],
    ) -> Result<Self, LoraError> {
        if !(1..=256).contains(&rank) {
            return Err(LoraError::Rank(rank));
        }
        if !(alpha.is_finite() && alpha > 0.0) {
            return Err(LoraError::Alpha);
        }
        if targets.is_empty() {
            return Err(LoraError::NoTargets);
        }
        let layout = Layout::new(config, rank, targets);
        let parameters = vec![0.0; layout.len()];
        Ok(Self {
            layout,
            alpha,
            parameters,
        })
    }

    /// What the adapter's output is multiplied by: `alpha / rank`.
    pub fn scale(&self) -> f32 {
        self.alpha / self.layout.rank() as f32
    }

    /// The inner dimension.
    pub fn rank(&self) -> usize {
        self.layout.rank()
    }

    /// Where each matrix lies in [`LoraAdapter::parameters`].
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// All numbers that are trained.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// All numbers that are trained, to change them.
    pub fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// `A` (`[rank, inputs]`) and `B` (`[outputs, rank]`) of one projection, row-major.
    pub fn matrices(&self, layer: usize, target: Target) -> Option<(&[f32], &[f32])> {
        let part = self.layout.part(layer, target)?;
        Some((
            &self.parameters[part.a.clone()],
            &self.parameters[part.b.clone()],
        ))
    }
}
