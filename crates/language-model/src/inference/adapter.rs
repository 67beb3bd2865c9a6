//! LoRA adapters (Hu et al. 2021), added to the base's products while they are made.

use std::{fs::File, io::Read, path::Path};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::Deserialize;

use crate::Config;

use super::kernels::low_rank::{LANES, expand, fetch, reduce, round};

/// Name of the weights in a PEFT folder.
pub const WEIGHTS_FILE: &str = "adapter_model.safetensors";
/// Name of the settings in a PEFT folder.
pub const CONFIG_FILE: &str = "adapter_config.json";

const MOST_WEIGHT_BYTES: u64 = 2 << 30;
const MOST_CONFIG_BYTES: u64 = 1 << 20;
const MOST_RANK: usize = 512;
/// The largest number in half precision.
const MOST_WEIGHT: f32 = 65504.0;

/// An adapter over one base model.
#[derive(Debug)]
pub struct Adapter {
    pub(super) layers: Vec<LayerAdapter>,
}

/// What an adapter changes in one block.
#[derive(Debug, Default)]
pub(super) struct LayerAdapter {
    /// By [`Place`].
    parts: [Option<LowRank>; 7],
}

/// `x ↦ (alpha / r) B A x`, in half precision: adapters of many sequences are read in each step, and half of the bytes
/// take half of the time.
#[derive(Debug)]
struct LowRank {
    rank: usize,
    scale: f32,
    /// `[rank][inputs]`, each row padded to whole lanes.
    a: Vec<u16>,
    a_stride: usize,
    /// `[rank][outputs]`, so transposed; each row padded to whole lanes.
    b: Vec<u16>,
    b_stride: usize,
}

/// The projections that an adapter may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Query,
    Key,
    Value,
    Output,
    Gate,
    Up,
    Down,
}

const PLACES: [(Place, &str); 7] = [
    (Place::Query, "self_attn.q_proj"),
    (Place::Key, "self_attn.k_proj"),
    (Place::Value, "self_attn.v_proj"),
    (Place::Output, "self_attn.o_proj"),
    (Place::Gate, "mlp.gate_proj"),
    (Place::Up, "mlp.up_proj"),
    (Place::Down, "mlp.down_proj"),
];

/// Why an adapter cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    #[error("{file} cannot be read")]
    Io {
        file: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("{0} is larger than this program takes")]
    TooLarge(&'static str),
    #[error("adapter_config.json is not valid: {0}")]
    Config(String),
    #[error("the adapter uses {0}, which this engine does not have")]
    Unsupported(String),
    #[error("adapter_model.safetensors is not valid: {0}")]
    Weights(String),
    #[error("the tensor {name:?} is {found:?}, expected {expected}")]
    Shape {
        name: String,
        found: Vec<usize>,
        expected: String,
    },
}

/// The fields of PEFT's `LoraConfig` that change the computation.
#[derive(Debug, Deserialize)]
struct PeftConfig {
    peft_type: String,
    r: usize,
    lora_alpha: f64,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    bias: Option<String>,
    modules_to_save: Option<Vec<String>>,
    rank_pattern: Option<serde_json::Map<String, serde_json::Value>>,
    alpha_pattern: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Adapter {
    /// Reads a folder in PEFT layout for a base of this shape.
    ///
    /// # Errors
    /// [`AdapterError`]; every tensor must belong to the base and have its shape.
    pub fn open(folder: &Path, base: &Config) -> Result<Self, AdapterError> {
        let config = read(folder, CONFIG_FILE, MOST_CONFIG_BYTES)?;
        let weights = read(folder, WEIGHTS_FILE, MOST_WEIGHT_BYTES)?;
        Self::parse(&config, &weights, base)
    }

    /// As [`Adapter::open`], from the bytes of the two files.
    ///
    /// # Errors
    /// [`AdapterError`].
    pub fn parse(config: &[u8], weights: &[u8], base: &Config) -> Result<Self, AdapterError> {
        let scale = scale(config)?;
        let tensors = SafeTensors::deserialize(weights)
            .map_err(|error| AdapterError::Weights(error.to_string()))?;
        let mut layers: Vec<LayerAdapter> = Vec::new();
        layers.resize_with(base.layers, LayerAdapter::default);
        let mut used = 0;
        for (number, layer) in layers.iter_mut().enumerate() {
            for (place, module) in PLACES {
                let name = |half| {
                    format!("base_model.model.model.layers.{number}.{module}.lora_{half}.weight")
                };
                let (a, b) = (tensors.tensor(&name('A')), tensors.tensor(&name('B')));
                let (Ok(a), Ok(b)) = (a, b) else {
                    continue;
                };
                used += 2;
                let (inputs, outputs) = place.shape(base);
                let rank = expect_shape(&name('A'), &a, None, Some(inputs))?.0;
                if !(1..=MOST_RANK).contains(&rank) {
                    return Err(AdapterError::Unsupported(format!("the rank {rank}")));
                }
                expect_shape(&name('B'), &b, Some(outputs), Some(rank))?;
                let low_rank =
                    LowRank::new((rank, inputs, outputs), &floats(&a)?, &floats(&b)?, scale)?;
                if let Some(part) = layer.parts.get_mut(place as usize) {
                    *part = Some(low_rank);
                }
            }
        }
        if used != tensors.len() {
            let known =
                |name: &str| name.contains(".lora_A.weight") || name.contains(".lora_B.weight");
            let strange = tensors.names().into_iter().find(|name| !known(name));
            let strange = strange.map_or_else(
                || "tensors of other layers".to_owned(),
                |name| format!("the tensor {name:?}"),
            );
            return Err(AdapterError::Unsupported(strange));
        }
        Ok(Self { layers })
    }

    /// Bytes that the adapter takes.
    pub fn size_bytes(&self) -> usize {
        let parts = self
            .layers
            .iter()
            .flat_map(|layer| layer.parts.iter().flatten());
        parts
            .map(|part| (part.a.len() + part.b.len()) * size_of::<u16>())
            .sum()
    }
}

impl LayerAdapter {
    /// Adds what the adapter makes of `x` to `out`, for one row.
    pub(super) fn add(&self, place: Place, x: &[f32], out: &mut [f32]) {
        let Some(part) = self.parts.get(place as usize).and_then(Option::as_ref) else {
            return;
        };
        fetch(&part.a);
        fetch(&part.b);
        let mut reduced = [0.0; MOST_RANK];
        let reduced = &mut reduced[..part.rank];
        reduce(&part.a, part.a_stride, x, reduced);
        reduced.iter_mut().for_each(|value| *value *= part.scale);
        expand(&part.b, part.b_stride, reduced, out);
    }
}

impl LowRank {
    /// # Errors
    /// Where a weight does not fit in half precision.
    fn new(
        (rank, inputs, outputs): (usize, usize, usize),
        a: &[f32],
        b: &[f32],
        scale: f32,
    ) -> Result<Self, AdapterError> {
        let largest = a.iter().chain(b).fold(0.0f32, |most, x| most.max(x.abs()));
        if largest > MOST_WEIGHT {
            return Err(AdapterError::Unsupported(format!("a weight of {largest}")));
        }
        let (a_stride, b_stride) = (
            inputs.next_multiple_of(LANES),
            outputs.next_multiple_of(LANES),
        );
        let mut own_a = vec![0; rank * a_stride];
        for (own, row) in own_a.chunks_exact_mut(a_stride).zip(a.chunks_exact(inputs)) {
            round(row, own);
        }
        let mut rounded = vec![0; b.len()];
        round(b, &mut rounded);
        let mut own_b = vec![0; rank * b_stride];
        for (output, row) in rounded.chunks_exact(rank).enumerate() {
            for (r, value) in row.iter().enumerate() {
                own_b[r * b_stride + output] = *value;
            }
        }
        Ok(Self {
            rank,
            scale,
            a: own_a,
            a_stride,
            b: own_b,
            b_stride,
        })
    }
}

impl Place {
    /// Inputs and outputs of the projection.
    fn shape(self, base: &Config) -> (usize, usize) {
        let (hidden, inner) = (base.hidden_size, base.intermediate_size);
        match self {
            Self::Query => (hidden, base.query_size()),
            Self::Key | Self::Value => (hidden, base.kv_size()),
            Self::Output => (base.query_size(), hidden),
            Self::Gate | Self::Up => (hidden, inner),
            Self::Down => (inner, hidden),
        }
    }
}

fn scale(config: &[u8]) -> Result<f32, AdapterError> {
    let config: PeftConfig =
        serde_json::from_slice(config).map_err(|error| AdapterError::Config(error.to_string()))?;
    let unsupported = |what: String| Err(AdapterError::Unsupported(what));
    if config.peft_type != "LORA" {
        return unsupported(format!("the method {:?}", config.peft_type));
    }
    if config.use_dora {
        return unsupported("DoRA".to_owned());
    }
    if config.bias.is_some_and(|bias| bias != "none") {
        return unsupported("trained biases".to_owned());
    }
    if config
        .modules_to_save
        .is_some_and(|modules| !modules.is_empty())
    {
        return unsupported("modules that are trained whole".to_owned());
    }
    let patterns = [config.rank_pattern, config.alpha_pattern];
    if patterns.iter().flatten().any(|pattern| !pattern.is_empty()) {
        return unsupported("a rank or an alpha for each module".to_owned());
    }
    if config.r == 0 || config.r > MOST_RANK || !config.lora_alpha.is_finite() {
        return Err(AdapterError::Config(
            "r or lora_alpha is out of range".to_owned(),
        ));
    }
    let divisor = if config.use_rslora {
        (config.r as f64).sqrt()
    } else {
        config.r as f64
    };
    Ok((config.lora_alpha / divisor) as f32)
}

fn expect_shape(
    name: &str,
    tensor: &TensorView<'_>,
    rows: Option<usize>,
    columns: Option<usize>,
) -> Result<(usize, usize), AdapterError> {
    let show = |size: Option<usize>| size.map_or_else(|| "any".to_owned(), |size| size.to_string());
    match tensor.shape() {
        &[r, c]
            if rows.is_none_or(|rows| rows == r) && columns.is_none_or(|columns| columns == c) =>
        {
            Ok((r, c))
        }
        found => Err(AdapterError::Shape {
            name: name.to_owned(),
            found: found.to_vec(),
            expected: format!("[{}, {}]", show(rows), show(columns)),
        }),
    }
}

fn floats(tensor: &TensorView<'_>) -> Result<Vec<f32>, AdapterError> {
    let bytes = tensor.data();
    let two = |bytes: &[u8]| u16::from_le_bytes([bytes[0], bytes[1]]);
    let floats: Vec<f32> = match tensor.dtype() {
        Dtype::F32 => bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect(),
        Dtype::BF16 => bytes
            .chunks_exact(2)
            .map(|b| f32::from_bits(u32::from(two(b)) << 16))
            .collect(),
        Dtype::F16 => bytes
            .chunks_exact(2)
            .map(|b| gemm::f16::from_bits(two(b)).to_f32())
            .collect(),
        kind => {
            return Err(AdapterError::Unsupported(format!(
                "numbers of type {kind:?}"
            )));
        }
    };
    if floats.iter().any(|value| !value.is_finite()) {
        return Err(AdapterError::Weights(
            "a weight is not a finite number".to_owned(),
        ));
    }
    Ok(floats)
}

fn read(folder: &Path, file: &'static str, most: u64) -> Result<Vec<u8>, AdapterError> {
    let io = |source| AdapterError::Io { file, source };
    let mut bytes = Vec::new();
    let opened = File::open(folder.join(file)).map_err(io)?;
    opened.take(most + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > most {
        return Err(AdapterError::TooLarge(file));
    }
    Ok(bytes)
}
