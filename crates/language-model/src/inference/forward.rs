//! One step of the Llama graph for several sequences at once: prompts, single tokens, or both.

use rayon::prelude::*;

use super::{
    adapter::{Adapter, Place},
    cache::KvCache,
    kernels::vector::{Seen, attend, rotate, silu_multiply},
    model::{InferenceModel, Layer},
    q8::{Activations, Q8Rows},
    rows::{ROWS_TO_SHARE, Row, adapt, add, norm_rows, project},
};

/// Keys, summed over all queries and heads, from which on attention is shared among threads.
const KEYS_TO_SHARE: usize = 4096;

/// What a step does for one sequence.
#[derive(Debug)]
pub struct Work<'a> {
    /// The tokens that follow those in the cache; at least one.
    pub tokens: &'a [u32],
    pub cache: &'a mut KvCache,
    pub adapter: Option<&'a Adapter>,
    /// Whether the logits after the last of the tokens are wanted.
    pub wants_logits: bool,
}

/// Why a step is not done; nothing has changed then.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StepError {
    #[error("a sequence without tokens")]
    Empty,
    #[error("{tokens} tokens do not fit in a cache of {capacity}")]
    CacheFull { tokens: usize, capacity: usize },
    #[error("there is no token {0}")]
    UnknownToken(u32),
}

/// Room for the activations of a step, kept from one step to the next.
#[derive(Debug, Default)]
pub struct Workspace {
    hidden: Vec<f32>,
    normed: Vec<f32>,
    query_key_value: Vec<f32>,
    attended: Vec<f32>,
    gate_up: Vec<f32>,
    gated: Vec<f32>,
    added: Vec<f32>,
    quantised: Q8Rows,
    logits: Vec<f32>,
    vocab_size: usize,
}

impl Workspace {
    /// Room for steps whose activations are rounded like this.
    pub fn new(activations: Activations) -> Self {
        Self {
            quantised: Q8Rows::new(activations),
            ..Self::default()
        }
    }

    /// The logits of the step, for the works that wanted them, in their order.
    pub fn logits(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.logits.chunks_exact_mut(self.vocab_size.max(1))
    }
}

impl InferenceModel {
    /// Computes the tokens of all `works`, and adds them to the caches.
    ///
    /// A sequence gives the same bits whatever else is in the step.
    ///
    /// # Errors
    /// [`StepError`], before anything is computed.
    pub fn step(&self, works: &mut [Work<'_>], space: &mut Workspace) -> Result<(), StepError> {
        self.check(works)?;
        let config = &self.config;
        let rows: Vec<Row> = works
            .iter()
            .enumerate()
            .flat_map(|(work, w)| {
                let start = w.cache.tokens();
                (0..w.tokens.len()).map(move |at| Row {
                    work,
                    position: start + at,
                })
            })
            .collect();
        let tokens = works.iter().flat_map(|work| work.tokens.iter().copied());
        space.hidden.resize(rows.len() * config.hidden_size, 0.0);
        for (row, token) in space
            .hidden
            .chunks_exact_mut(config.hidden_size)
            .zip(tokens)
        {
            self.embedding.dequantise_row(token as usize, row);
        }
        for (number, layer) in self.layers.iter().enumerate() {
            self.attention(number, layer, &rows, works, space);
            self.feed_forward(number, layer, &rows, works, space);
        }
        for work in works.iter_mut() {
            work.cache.advance(work.tokens.len());
        }
        self.head(works, space);
        Ok(())
    }

    fn check(&self, works: &[Work<'_>]) -> Result<(), StepError> {
        for work in works {
            if work.tokens.is_empty() {
                return Err(StepError::Empty);
            }
            let tokens = work.cache.tokens() + work.tokens.len();
            let capacity = work.cache.capacity().min(self.config.context_length);
            if tokens > capacity {
                return Err(StepError::CacheFull { tokens, capacity });
            }
            let unknown = |token: &&u32| **token as usize >= self.config.vocab_size;
            if let Some(token) = work.tokens.iter().find(unknown) {
                return Err(StepError::UnknownToken(*token));
            }
        }
        Ok(())
    }

    fn attention(
        &self,
        number: usize,
        layer: &Layer,
        rows: &[Row],
        works: &mut [Work<'_>],
        space: &mut Workspace,
    ) {
        let config = &self.config;
        let (query, kv, width) = (config.query_size(), config.kv_size(), config.head_dim);
        let stride = query + 2 * kv;
        norm_rows(
            &space.hidden,
            &layer.attention_norm,
            config.norm_epsilon,
            &mut space.normed,
        );
        project(
            &layer.query_key_value,
            &space.normed,
            &mut space.quantised,
            &mut space.query_key_value,
        );
        adapt(
            rows,
            works,
            number,
            &space.normed,
            &mut space.query_key_value,
            |adapter, x, out| {
                let (q, rest) = out.split_at_mut(query);
                let (k, v) = rest.split_at_mut(kv);
                adapter.add(Place::Query, x, q);
                adapter.add(Place::Key, x, k);
                adapter.add(Place::Value, x, v);
            },
        );
        let half = width / 2;
        let turn = |(out, row): (&mut [f32], &Row)| {
            let angles = row.position * half..(row.position + 1) * half;
            let (cosines, sines) = (
                &self.rotation.cosines[angles.clone()],
                &self.rotation.sines[angles],
            );
            for head in out[..query + kv].chunks_exact_mut(width) {
                rotate(head, cosines, sines);
            }
        };
        let outs = &mut space.query_key_value;
        match rows.len() < ROWS_TO_SHARE {
            true => outs.chunks_exact_mut(stride).zip(rows).for_each(turn),
            false => outs.par_chunks_exact_mut(stride).zip(rows).for_each(turn),
        }
        for (out, row) in outs.chunks_exact(stride).zip(rows) {
            let cache = &mut works[row.work].cache;
            cache.keys[number].extend_from_slice(&out[query..query + kv]);
            cache.values[number].extend_from_slice(&out[query + kv..]);
        }
        self.attend(number, rows, works, space);
        project(
            &layer.output,
            &space.attended,
            &mut space.quantised,
            &mut space.added,
        );
        adapt(
            rows,
            works,
            number,
            &space.attended,
            &mut space.added,
            |adapter, x, out| {
                adapter.add(Place::Output, x, out);
            },
        );
        add(&mut space.hidden, &space.added);
    }

    fn attend(&self, number: usize, rows: &[Row], works: &[Work<'_>], space: &mut Workspace) {
        let config = &self.config;
        let (query, kv, width) = (config.query_size(), config.kv_size(), config.head_dim);
        let stride = query + 2 * kv;
        let heads_per_key = config.heads / config.kv_heads;
        space.attended.resize(rows.len() * query, 0.0);
        let projected = &space.query_key_value;
        let one = |scores: &mut Vec<f32>, (at, out): (usize, &mut [f32])| {
            let (row, head) = (at / config.heads, at % config.heads);
            let Row { work, position } = rows[row];
            let cache = &works[work].cache;
            // Keys of later tokens of the same step are there already; the mask leaves them out.
            let seen = (position + 1) * kv;
            let view = Seen {
                keys: &cache.keys[number][..seen],
                values: &cache.values[number][..seen],
                stride: kv,
                offset: head / heads_per_key * width,
            };
            let q = row * stride + head * width;
            attend(&view, &projected[q..q + width], scores, out);
        };
        let keys: usize = rows
            .iter()
            .map(|row| (row.position + 1) * config.heads)
            .sum();
        if keys < KEYS_TO_SHARE {
            let mut scores = Vec::new();
            let outs = space.attended.chunks_exact_mut(width).enumerate();
            outs.for_each(|out| one(&mut scores, out));
        } else {
            let outs = space.attended.par_chunks_exact_mut(width).enumerate();
            outs.for_each_init(Vec::new, one);
        }
    }

    fn feed_forward(
        &self,
        number: usize,
        layer: &Layer,
        rows: &[Row],
        works: &[Work<'_>],
        space: &mut Workspace,
    ) {
        let config = &self.config;
        let inner = config.intermediate_size;
        norm_rows(
            &space.hidden,
            &layer.feed_forward_norm,
            config.norm_epsilon,
            &mut space.normed,
        );
        project(
            &layer.gate_up,
            &space.normed,
            &mut space.quantised,
            &mut space.gate_up,
        );
        adapt(
            rows,
            works,
            number,
            &space.normed,
            &mut space.gate_up,
            |adapter, x, out| {
                let (gate, up) = out.split_at_mut(inner);
                adapter.add(Place::Gate, x, gate);
                adapter.add(Place::Up, x, up);
            },
        );
        space.gated.resize(rows.len() * inner, 0.0);
        let gate = |(out, gate_up): (&mut [f32], &[f32])| {
            let (gate, up) = gate_up.split_at(inner);
            silu_multiply(gate, up, out);
        };
        match rows.len() < ROWS_TO_SHARE {
            true => space
                .gated
                .chunks_exact_mut(inner)
                .zip(space.gate_up.chunks_exact(2 * inner))
                .for_each(gate),
            false => space
                .gated
                .par_chunks_exact_mut(inner)
                .zip(space.gate_up.par_chunks_exact(2 * inner))
                .for_each(gate),
        }
        project(
            &layer.down,
            &space.gated,
            &mut space.quantised,
            &mut space.added,
        );
        adapt(
            rows,
            works,
            number,
            &space.gated,
            &mut space.added,
            |adapter, x, out| {
                adapter.add(Place::Down, x, out);
            },
        );
        add(&mut space.hidden, &space.added);
    }

    fn head(&self, works: &[Work<'_>], space: &mut Workspace) {
        let hidden = self.config.hidden_size;
        space.vocab_size = self.config.vocab_size;
        let mut last = 0;
        space.added.clear();
        for work in works {
            last += work.tokens.len();
            if work.wants_logits {
                space
                    .added
                    .extend_from_slice(&space.hidden[(last - 1) * hidden..last * hidden]);
            }
        }
        norm_rows(
            &space.added,
            &self.final_norm,
            self.config.norm_epsilon,
            &mut space.normed,
        );
        project(
            &self.head,
            &space.normed,
            &mut space.quantised,
            &mut space.logits,
        );
    }
}
