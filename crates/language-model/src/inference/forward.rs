//! One step of the Llama graph for several sequences at once: prompts, single tokens, or both.

use super::{
    activations::{Activations, Q8Rows},
    adapter::{Adapter, Place},
    cache::KvCache,
    kernels::vector::{Seen, attend, rotate, silu_multiply},
    model::{InferenceModel, Layer},
    rows::{Adapted, Row, norm_rows, project, quantise_rows},
    team::Team,
};

/// Least rows that are turned by one thread, or gated, or attended for: less is not worth sharing.
const ROWS_TO_SHARE: usize = 8;
/// Least keys, over all heads, that one thread attends to.
const KEYS_TO_SHARE: usize = 512;

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

/// Room for the activations of a step, and the threads that compute it; kept from one step to the next.
#[derive(Debug)]
pub struct Workspace {
    team: Team,
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

impl Default for Workspace {
    fn default() -> Self {
        Self::new(Activations::default())
    }
}

impl Workspace {
    /// Room for steps whose activations are rounded like this, with a thread for each processor.
    pub fn new(activations: Activations) -> Self {
        Self::with_team(activations, Team::of_all_processors())
    }

    /// As [`Workspace::new`], with these threads.
    pub fn with_team(activations: Activations, team: Team) -> Self {
        Self {
            team,
            hidden: Vec::new(),
            normed: Vec::new(),
            query_key_value: Vec::new(),
            attended: Vec::new(),
            gate_up: Vec::new(),
            gated: Vec::new(),
            added: Vec::new(),
            quantised: Q8Rows::new(activations),
            logits: Vec::new(),
            vocab_size: 0,
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
        for work in works.iter_mut() {
            work.cache.reserve(work.tokens.len());
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
        let adapted = Adapted::new(rows, works, number);
        norm_rows(
            &space.team,
            &space.hidden,
            (&layer.attention_norm, config.norm_epsilon),
            &mut space.normed,
            &mut space.quantised,
        );
        project(
            &space.team,
            &layer.query_key_value,
            &space.quantised,
            &mut space.query_key_value,
        );
        let half = width / 2;
        adapted.each(
            &space.team,
            &space.normed,
            &mut space.query_key_value,
            ROWS_TO_SHARE,
            |row, adapter, x, out| {
                if let Some(adapter) = adapter {
                    let (q, rest) = out.split_at_mut(query);
                    let (k, v) = rest.split_at_mut(kv);
                    adapter.add(Place::Query, x, q);
                    adapter.add(Place::Key, x, k);
                    adapter.add(Place::Value, x, v);
                }
                let angles = row.position * half..(row.position + 1) * half;
                let (cosines, sines) = (
                    &self.rotation.cosines[angles.clone()],
                    &self.rotation.sines[angles],
                );
                for head in out[..query + kv].chunks_exact_mut(width) {
                    rotate(head, cosines, sines);
                }
            },
        );
        let projected = space.query_key_value.chunks_exact(query + 2 * kv);
        for (out, row) in projected.zip(rows) {
            let (keys, values) = out[query..].split_at(kv);
            works[row.work]
                .cache
                .set(number, row.position, keys, values);
        }
        self.attend(number, rows, works, space);
        quantise_rows(&space.team, &space.attended, query, &mut space.quantised);
        project(
            &space.team,
            &layer.output,
            &space.quantised,
            &mut space.added,
        );
        Adapted::new(rows, works, number).add(
            &space.team,
            &space.attended,
            &mut space.added,
            &mut space.hidden,
            |adapter, x, out| adapter.add(Place::Output, x, out),
        );
    }

    fn attend(&self, number: usize, rows: &[Row], works: &[Work<'_>], space: &mut Workspace) {
        let config = &self.config;
        let (query, kv, width) = (config.query_size(), config.kv_size(), config.head_dim);
        let stride = query + 2 * kv;
        // The query heads of one key head lie side by side.
        let group = config.heads / config.kv_heads * width;
        space.attended.resize(rows.len() * query, 0.0);
        let projected = &space.query_key_value;
        let keys: usize = rows
            .iter()
            .map(|row| (row.position + 1) * config.heads)
            .sum();
        let count = rows.len() * config.kv_heads;
        let pieces = (keys / KEYS_TO_SHARE).clamp(1, space.team.threads() * 4);
        let piece = count.div_ceil(pieces);
        let items = space.attended.chunks_mut(piece * group).enumerate();
        space.team.each(items.collect(), |(number_of_piece, outs)| {
            let mut scores = Vec::new();
            let first = number_of_piece * piece;
            for (at, out) in (first..).zip(outs.chunks_exact_mut(group)) {
                let (row, head) = (at / config.kv_heads, at % config.kv_heads);
                let Row { work, position } = rows[row];
                let seen = Seen {
                    pages: works[work].cache.pages(),
                    layer: number,
                    head,
                    head_dim: width,
                    // Later tokens of the same step are there already, and are left out.
                    tokens: position + 1,
                };
                let start = row * stride + head * group;
                attend(&seen, &projected[start..start + group], &mut scores, out);
            }
        });
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
        let adapted = Adapted::new(rows, works, number);
        norm_rows(
            &space.team,
            &space.hidden,
            (&layer.feed_forward_norm, config.norm_epsilon),
            &mut space.normed,
            &mut space.quantised,
        );
        project(
            &space.team,
            &layer.gate_up,
            &space.quantised,
            &mut space.gate_up,
        );
        if works.iter().any(|work| work.adapter.is_some()) {
            adapted.each(
                &space.team,
                &space.normed,
                &mut space.gate_up,
                1,
                |_, adapter, x, out| {
                    if let Some(adapter) = adapter {
                        let (gate, up) = out.split_at_mut(inner);
                        adapter.add(Place::Gate, x, gate);
                        adapter.add(Place::Up, x, up);
                    }
                },
            );
        }
        space.gated.resize(rows.len() * inner, 0.0);
        let piece = rows.len().div_ceil(space.team.threads() * 4).max(2);
        let items = space
            .gated
            .chunks_mut(piece * inner)
            .zip(space.gate_up.chunks(piece * 2 * inner));
        space.team.each(items.collect(), |(gated, gate_up)| {
            let rows = gated
                .chunks_exact_mut(inner)
                .zip(gate_up.chunks_exact(2 * inner));
            for (out, gate_up) in rows {
                let (gate, up) = gate_up.split_at(inner);
                silu_multiply(gate, up, out);
            }
        });
        quantise_rows(&space.team, &space.gated, inner, &mut space.quantised);
        project(&space.team, &layer.down, &space.quantised, &mut space.added);
        adapted.add(
            &space.team,
            &space.gated,
            &mut space.added,
            &mut space.hidden,
            |adapter, x, out| adapter.add(Place::Down, x, out),
        );
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
            &space.team,
            &space.added,
            (&self.final_norm, self.config.norm_epsilon),
            &mut space.normed,
            &mut space.quantised,
        );
        project(&space.team, &self.head, &space.quantised, &mut space.logits);
    }
}
