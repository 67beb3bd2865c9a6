//! The weights of a model as they are stored, by their place in the graph.

use std::{fmt, ops::Range, sync::Arc};

use memmap2::Mmap;
use rayon::prelude::*;

use crate::{config::Config, quantised::Format};

/// One stored matrix, `[rows, columns]` row-major; a vector is a single row.
///
/// Clones share the file's pages. Rows come in the order of the model hub's layout, whatever the file's order.
#[derive(Clone)]
pub struct Tensor {
    pub(crate) source: Arc<Mmap>,
    pub(crate) place: Range<usize>,
    pub(crate) format: Format,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) row_bytes: usize,
    /// Width of a head whose rows are stored in llama.cpp's order for interleaved rotary pairs.
    pub(crate) interleaved_head_dim: Option<usize>,
}

impl fmt::Debug for Tensor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Tensor({:?} [{}, {}])",
            self.format, self.rows, self.columns
        )
    }
}

impl Tensor {
    /// Number of rows (the outputs of a projection); 1 for a norm.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers in a row (the inputs of a projection).
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How the numbers are stored.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The stored bytes of one row, to be read with [`Format::dequantise`] or repacked without loss.
    ///
    /// Empty where there is no such row.
    pub fn row(&self, row: usize) -> &[u8] {
        if row >= self.rows {
            return &[];
        }
        let stored = match self.interleaved_head_dim {
            None => row,
            Some(width) => stored_row(row, width),
        };
        let start = self.place.start + stored * self.row_bytes;
        self.source
            .get(start..start + self.row_bytes)
            .unwrap_or(&[])
    }

    /// All numbers as f32, `[rows, columns]` row-major.
    pub fn to_f32(&self) -> Vec<f32> {
        let mut weights = vec![0.0; self.rows * self.columns];
        weights
            .par_chunks_mut(self.columns)
            .enumerate()
            .for_each(|(row, weights)| self.format.dequantise(self.row(row), weights));
        weights
    }
}

impl Tensor {
    /// Lets the system take back the memory of the file's pages; they are read again when they are needed.
    pub(crate) fn forget_pages(&self) {
        #[cfg(unix)]
        {
            let (start, length) = (self.place.start, self.place.len());
            #[expect(
                unsafe_code,
                reason = "dropping pages is unsafe for mappings that were written to"
            )]
            // SAFETY: the mapping is of a file and read-only, so dropped pages come back as they were.
            let dropped = unsafe {
                self.source.unchecked_advise_range(
                    memmap2::UncheckedAdvice::DontNeed,
                    start,
                    length,
                )
            };
            // Advice that is not taken costs memory, nothing else.
            drop(dropped);
        }
    }
}

/// Where llama.cpp stores row `row` of a query or key projection with heads of width `width`.
///
/// The hub's layout turns the pairs (i, i + width/2), llama.cpp the neighbours (2i, 2i + 1); its converter
/// therefore moves the rows (`LlamaModel.permute` in `convert_hf_to_gguf.py`).
fn stored_row(row: usize, width: usize) -> usize {
    let (head, within) = (row / width, row % width);
    let (half, pair) = (within / (width / 2), within % (width / 2));
    head * width + 2 * pair + half
}

/// The stored tensors of one block.
#[derive(Debug, Clone)]
pub struct LayerTensors {
    /// RMSNorm before attention, `[1, d]`.
    pub attention_norm: Tensor,
    /// `[heads * head_dim, d]`.
    pub query: Tensor,
    /// `[kv_heads * head_dim, d]`.
    pub key: Tensor,
    /// `[kv_heads * head_dim, d]`.
    pub value: Tensor,
    /// `[d, heads * head_dim]`.
    pub output: Tensor,
    /// RMSNorm before the feed-forward block, `[1, d]`.
    pub feed_forward_norm: Tensor,
    /// `[ff, d]`.
    pub gate: Tensor,
    /// `[ff, d]`.
    pub up: Tensor,
    /// `[d, ff]`.
    pub down: Tensor,
}

impl LayerTensors {
    /// All of them, in the order of the fields.
    pub(crate) fn all(&self) -> [&Tensor; 9] {
        [
            &self.attention_norm,
            &self.query,
            &self.key,
            &self.value,
            &self.output,
            &self.feed_forward_norm,
            &self.gate,
            &self.up,
            &self.down,
        ]
    }
}

/// All stored tensors; shapes have been checked against the configuration.
#[derive(Debug, Clone)]
pub struct Weights {
    /// `[vocab, d]`.
    pub embedding: Tensor,
    /// One for each block, in order.
    pub layers: Vec<LayerTensors>,
    /// RMSNorm before the head, `[1, d]`.
    pub final_norm: Tensor,
    /// `[vocab, d]`; the embedding itself where they are tied.
    pub head: Tensor,
}

/// A tensor that is missing or has another shape than the configuration says.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WeightsError {
    #[error("the tensor {0:?} is missing")]
    Missing(String),
    #[error(
        "the tensor {name:?} is [{rows}, {columns}], expected [{expected_rows}, {expected_columns}]"
    )]
    Shape {
        /// Name in the file.
        name: String,
        /// Rows in the file.
        rows: usize,
        /// Columns in the file.
        columns: usize,
        /// Rows by the configuration.
        expected_rows: usize,
        /// Columns by the configuration.
        expected_columns: usize,
    },
}

/// What a file layout calls the tensors.
pub(crate) struct Names {
    pub(crate) embedding: &'static str,
    pub(crate) final_norm: &'static str,
    pub(crate) head: &'static str,
    /// Put before the number of the block.
    pub(crate) layer_prefix: &'static str,
    /// In the order of [`LayerTensors`].
    pub(crate) layer: [&'static str; 9],
    /// True where query and key rows are stored for interleaved rotary pairs.
    pub(crate) has_interleaved_heads: bool,
}

pub(crate) const GGUF_NAMES: Names = Names {
    embedding: "token_embd.weight",
    final_norm: "output_norm.weight",
    head: "output.weight",
    layer_prefix: "blk.",
    layer: [
        "attn_norm.weight",
        "attn_q.weight",
        "attn_k.weight",
        "attn_v.weight",
        "attn_output.weight",
        "ffn_norm.weight",
        "ffn_gate.weight",
        "ffn_up.weight",
        "ffn_down.weight",
    ],
    has_interleaved_heads: true,
};

pub(crate) const HUB_NAMES: Names = Names {
    embedding: "model.embed_tokens.weight",
    final_norm: "model.norm.weight",
    head: "lm_head.weight",
    layer_prefix: "model.layers.",
    layer: [
        "input_layernorm.weight",
        "self_attn.q_proj.weight",
        "self_attn.k_proj.weight",
        "self_attn.v_proj.weight",
        "self_attn.o_proj.weight",
        "post_attention_layernorm.weight",
        "mlp.gate_proj.weight",
        "mlp.up_proj.weight",
        "mlp.down_proj.weight",
    ],
    has_interleaved_heads: false,
};

impl Weights {
    /// True where the head is the embedding.
    pub(crate) fn is_embedding_tied(&self) -> bool {
        self.head.place == self.embedding.place
            && std::sync::Arc::ptr_eq(&self.head.source, &self.embedding.source)
    }

    /// Puts the tensors that `find` knows by name in their places.
    pub(crate) fn assemble(
        config: &Config,
        names: &Names,
        mut find: impl FnMut(&str) -> Option<Tensor>,
    ) -> Result<Self, WeightsError> {
        let mut get = |name: &str, rows: usize, columns: usize| {
            let tensor = find(name).ok_or_else(|| WeightsError::Missing(name.to_owned()))?;
            if (tensor.rows, tensor.columns) != (rows, columns) {
                return Err(WeightsError::Shape {
                    name: name.to_owned(),
                    rows: tensor.rows,
                    columns: tensor.columns,
                    expected_rows: rows,
                    expected_columns: columns,
                });
            }
            Ok(tensor)
        };
        let (d, ff) = (config.hidden_size, config.intermediate_size);
        let (q, kv) = (config.query_size(), config.kv_size());
        let embedding = get(names.embedding, config.vocab_size, d)?;
        let final_norm = get(names.final_norm, 1, d)?;
        let head = if config.is_embedding_tied {
            embedding.clone()
        } else {
            get(names.head, config.vocab_size, d)?
        };
        let mut layers = Vec::with_capacity(config.layers);
        for layer in 0..config.layers {
            let mut part = |which: usize, rows, columns| {
                let name = format!("{}{layer}.{}", names.layer_prefix, names.layer[which]);
                get(&name, rows, columns)
            };
            layers.push(LayerTensors {
                attention_norm: part(0, 1, d)?,
                query: part(1, q, d)?,
                key: part(2, kv, d)?,
                value: part(3, kv, d)?,
                output: part(4, d, q)?,
                feed_forward_norm: part(5, 1, d)?,
                gate: part(6, ff, d)?,
                up: part(7, ff, d)?,
                down: part(8, d, ff)?,
            });
        }
        let mut weights = Self {
            embedding,
            layers,
            final_norm,
            head,
        };
        if names.has_interleaved_heads {
            for layer in &mut weights.layers {
                layer.query.interleaved_head_dim = Some(config.head_dim);
                layer.key.interleaved_head_dim = Some(config.head_dim);
            }
        }
        Ok(weights)
    }
}

#[cfg(test)]
mod tests {
    use super::stored_row;

    #[test]
    fn rows_of_a_head_are_found_where_the_converter_put_them() {
        // reshape(heads, 2, width/2).swapaxes(1, 2) of rows 0..8 with two heads of width 4
        let stored_order = [0, 2, 1, 3, 4, 6, 5, 7];
        for (place, row) in stored_order.into_iter().enumerate() {
            assert_eq!(stored_row(row, 4), place, "row {row}");
        }
    }
}
