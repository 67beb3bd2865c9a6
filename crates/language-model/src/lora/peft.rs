//! Adapters as PEFT stores them: `adapter_model.safetensors` and `adapter_config.json`.

use std::{
    collections::{BTreeSet, HashMap},
    io,
};

use safetensors::{Dtype, SafeTensorError, SafeTensors, tensor::TensorView};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{LoraAdapter, LoraError, Target};
use crate::{
    config::Config,
    parameters::{Parameters, Place},
    quantised::Format,
};

const PREFIX: &str = "base_model.model.model.layers.";

/// Why adapter files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PeftError {
    #[error("adapter_config.json cannot be read: {0}")]
    Config(#[source] serde_json::Error),
    #[error("the adapter needs {0}, which this engine does not have")]
    Unsupported(&'static str),
    #[error("adapter_model.safetensors cannot be read: {0}")]
    Weights(#[source] SafeTensorError),
    #[error("the tensor {0:?} is not one of an adapter for this base model")]
    UnknownTensor(String),
    #[error("the tensor {name:?} is {found:?}, expected {expected:?}")]
    Shape {
        /// Which tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape by rank and base model.
        expected: [usize; 2],
    },
    #[error("the tensor {0:?} is missing")]
    Missing(String),
    #[error("the tensor {0:?} holds a number that is not finite")]
    NotFinite(String),
    #[error(transparent)]
    Lora(#[from] LoraError),
}

#[derive(Deserialize)]
struct AdapterConfig {
    peft_type: String,
    r: usize,
    lora_alpha: f32,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    fan_in_fan_out: bool,
    bias: Option<String>,
    modules_to_save: Option<Json>,
    #[serde(default)]
    rank_pattern: serde_json::Map<String, Json>,
    #[serde(default)]
    alpha_pattern: serde_json::Map<String, Json>,
}

impl LoraAdapter {
    /// Reads the two files of an adapter over a model of this shape.
    ///
    /// # Errors
    /// [`PeftError`] where a file is broken, a tensor is missing, unknown or of another shape, or the adapter is of
    /// a kind that is not computed here (DoRA, biases, ranks that differ).
    pub fn from_peft(
        config: &Config,
        config_json: &[u8],
        safetensors: &[u8],
    ) -> Result<Self, PeftError> {
        let settings: AdapterConfig =
            serde_json::from_slice(config_json).map_err(PeftError::Config)?;
        refuse_other_kinds(&settings)?;
        let stored = SafeTensors::deserialize(safetensors).map_err(PeftError::Weights)?;
        let mut targets = BTreeSet::new();
        for name in stored.names() {
            let known = parse(name).filter(|(layer, ..)| *layer < config.layers);
            let (_, target, _) = known.ok_or_else(|| PeftError::UnknownTensor(name.to_owned()))?;
            targets.insert(target);
        }
        let targets: Vec<Target> = targets.into_iter().collect();
        let mut adapter = Self::zeroed(config, settings.r, settings.lora_alpha, &targets)?;
        let layout = adapter.layout.clone();
        for layer in 0..config.layers {
            for part in layout.layer(layer).flat_map(|group| &group.parts) {
                for (which, place, shape) in [
                    ('A', part.a.clone(), [settings.r, part.inputs]),
                    ('B', part.b.clone(), [part.outputs, settings.r]),
                ] {
                    let name = tensor_name(layer, part.target, which);
                    read_tensor(&stored, name, shape, &mut adapter.parameters[place])?;
                }
            }
        }
        Ok(adapter)
    }

    /// The bytes of `adapter_model.safetensors`, all numbers as f32.
    ///
    /// # Errors
    /// Where the format cannot hold them, which sizes within [`Config::validate`] rule out.
    pub fn to_safetensors(&self) -> io::Result<Vec<u8>> {
        let bytes: Vec<u8> = self
            .parameters
            .iter()
            .flat_map(|weight| weight.to_le_bytes())
            .collect();
        let mut tensors = HashMap::new();
        let rank = self.rank();
        for layer in 0..self.layout.layers() {
            for part in self.layout.layer(layer).flat_map(|group| &group.parts) {
                for (which, place, shape) in [
                    ('A', &part.a, vec![rank, part.inputs]),
                    ('B', &part.b, vec![part.outputs, rank]),
                ] {
                    let data = &bytes[place.start * 4..place.end * 4];
                    let view =
                        TensorView::new(Dtype::F32, shape, data).map_err(io::Error::other)?;
                    tensors.insert(tensor_name(layer, part.target, which), view);
                }
            }
        }
        let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        safetensors::serialize(tensors, Some(format)).map_err(io::Error::other)
    }

    /// The text of `adapter_config.json`; `base_model` is the name under which others find the base.
    pub fn to_config_json(&self, base_model: &str) -> String {
        let targets: Vec<&str> = self
            .layout
            .targets()
            .iter()
            .map(|target| target.name())
            .collect();
        let config = json!({
            "base_model_name_or_path": base_model,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": true,
            "lora_alpha": self.alpha,
            "lora_dropout": 0.0,
            "modules_to_save": null,
            "peft_type": "LORA",
            "r": self.rank(),
            "target_modules": targets,
            "task_type": "CAUSAL_LM",
            "use_dora": false,
            "use_rslora": false,
        });
        format!("{config:#}\n")
    }
}

impl Parameters for LoraAdapter {
    fn flat(&self) -> &[f32] {
        self.parameters()
    }

    fn flat_mut(&mut self) -> &mut [f32] {
        self.parameters_mut()
    }

    /// Named as in PEFT's files.
    fn layout(&self) -> Vec<Place> {
        let layout = &self.layout;
        let mut places = Vec::new();
        for layer in 0..layout.layers() {
            for part in layout.layer(layer).flat_map(|group| &group.parts) {
                for (which, range, shape) in [
                    ('A', &part.a, [layout.rank(), part.inputs]),
                    ('B', &part.b, [part.outputs, layout.rank()]),
                ] {
                    places.push(Place {
                        name: tensor_name(layer, part.target, which),
                        range: range.clone(),
                        shape,
                        decays: true,
                    });
                }
            }
        }
        places.sort_unstable_by_key(|place| place.range.start);
        places
    }
}

fn refuse_other_kinds(settings: &AdapterConfig) -> Result<(), PeftError> {
    let refuse = |is_so: bool, what| {
        if is_so {
            Err(PeftError::Unsupported(what))
        } else {
            Ok(())
        }
    };
    refuse(settings.peft_type != "LORA", "another method than LoRA")?;
    refuse(settings.use_dora, "DoRA")?;
    refuse(settings.use_rslora, "rank-stabilised scaling")?;
    refuse(settings.fan_in_fan_out, "transposed weights")?;
    refuse(
        settings.bias.as_deref().unwrap_or("none") != "none",
        "trained biases",
    )?;
    refuse(
        settings
            .modules_to_save
            .as_ref()
            .is_some_and(|modules| !modules.is_null()),
        "whole trained modules",
    )?;
    let has_patterns = !settings.rank_pattern.is_empty() || !settings.alpha_pattern.is_empty();
    refuse(has_patterns, "ranks or scales that differ by module")
}

fn tensor_name(layer: usize, target: Target, which: char) -> String {
    format!(
        "{PREFIX}{layer}.{}.{}.lora_{which}.weight",
        target.parent(),
        target.name()
    )
}

fn parse(name: &str) -> Option<(usize, Target, char)> {
    let (layer, rest) = name.strip_prefix(PREFIX)?.split_once('.')?;
    let layer = layer.parse().ok()?;
    let (_, rest) = rest.split_once('.')?;
    let (target, rest) = rest.split_once('.')?;
    let target = Target::from_name(target)?;
    let which = rest.strip_prefix("lora_")?.chars().next()?;
    (tensor_name(layer, target, which) == name).then_some((layer, target, which))
}

fn read_tensor(
    stored: &SafeTensors<'_>,
    name: String,
    shape: [usize; 2],
    weights: &mut [f32],
) -> Result<(), PeftError> {
    let Ok(view) = stored.tensor(&name) else {
        return Err(PeftError::Missing(name));
    };
    if view.shape() != shape {
        return Err(PeftError::Shape {
            name,
            found: view.shape().to_vec(),
            expected: shape,
        });
    }
    let format = match view.dtype() {
        Dtype::F32 => Format::F32,
        Dtype::F16 => Format::F16,
        Dtype::BF16 => Format::Bf16,
        _ => {
            return Err(PeftError::Unsupported(
                "another number format than f32, f16 or bf16",
            ));
        }
    };
    format.dequantise(view.data(), weights);
    if weights.iter().any(|weight| !weight.is_finite()) {
        return Err(PeftError::NotFinite(name));
    }
    Ok(())
}
