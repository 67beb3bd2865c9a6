//! One block of the graph: attention and feed-forward, each behind a norm and beside the residual stream.

use std::ops::Range;

use super::{
    attention::{self, Inputs, Shape},
    frozen::Precision,
    linear::{Adapted, Linear},
    norm,
    pool::Pool,
    rotary::{Heads, Rotary, Turn, to_heads, to_tokens},
    swiglu,
};
use crate::{config::Config, lora::LoraAdapter, matrix::Write, weights::LayerTensors};

/// The weights of a block as f32, projections of the same input joined.
#[derive(Debug)]
pub(super) struct Block {
    attention_norm: Vec<f32>,
    query_key_value: Linear,
    output: Linear,
    feed_forward_norm: Vec<f32>,
    gate_up: Linear,
    down: Linear,
}

/// What is the same for all blocks in a pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) config: &'a Config,
    pub(super) rotary: &'a Rotary,
    pub(super) sequences: &'a [Range<usize>],
    pub(super) adapter: Option<&'a LoraAdapter>,
}

/// What the backward pass needs of the forward pass, `[tokens, …]` each.
#[derive(Debug)]
pub(super) struct Kept {
    attention_inverse: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    sums: Vec<f32>,
    /// Output of the heads in token order.
    mixed: Vec<f32>,
    /// Residual stream between attention and feed-forward.
    middle: Vec<f32>,
    feed_forward_inverse: Vec<f32>,
    gate_up: Vec<f32>,
    /// `x Aᵀ` of the four groups of adapters.
    narrow: [Vec<f32>; 4],
}

impl Kept {
    pub(super) fn give_back(self, pool: &mut Pool) {
        pool.give([self.attention_inverse, self.q, self.k, self.v, self.sums]);
        pool.give([
            self.mixed,
            self.middle,
            self.feed_forward_inverse,
            self.gate_up,
        ]);
        pool.give(self.narrow);
    }
}

impl<'a> Pass<'a> {
    fn shape(&self) -> Shape {
        Shape {
            heads: self.config.heads,
            kv_heads: self.config.kv_heads,
            head_dim: self.config.head_dim,
        }
    }

    /// The columns of queries, keys and values in their joint projection.
    fn heads(&self) -> [Heads; 3] {
        let config = self.config;
        let (q, kv) = (config.query_size(), config.kv_size());
        [
            (0, config.heads),
            (q, config.kv_heads),
            (q + kv, config.kv_heads),
        ]
        .map(|(first, count)| Heads {
            row: q + 2 * kv,
            first,
            count,
            head_dim: config.head_dim,
        })
    }

    fn mixed_heads(&self) -> Heads {
        Heads {
            row: self.config.query_size(),
            first: 0,
            count: self.config.heads,
            head_dim: self.config.head_dim,
        }
    }

    fn adapted(&self, layer: usize) -> [Option<Adapted<'a>>; 4] {
        let mut adapted = [None; 4];
        if let Some(adapter) = self.adapter {
            for (place, group) in adapted.iter_mut().zip(adapter.layout().layer(layer)) {
                *place = Some(Adapted { group, adapter });
            }
        }
        adapted
    }
}

impl Block {
    pub(super) fn new(tensors: &LayerTensors, precision: Precision) -> Self {
        Self {
            attention_norm: tensors.attention_norm.to_f32(),
            query_key_value: Linear::new(
                &[&tensors.query, &tensors.key, &tensors.value],
                precision,
            ),
            output: Linear::new(&[&tensors.output], precision),
            feed_forward_norm: tensors.feed_forward_norm.to_f32(),
            gate_up: Linear::new(&[&tensors.gate, &tensors.up], precision),
            down: Linear::new(&[&tensors.down], precision),
        }
    }

    /// The block's output for the residual stream `x`, `[tokens, d]`.
    pub(super) fn forward(
        &self,
        pass: Pass<'_>,
        layer: usize,
        x: &[f32],
        pool: &mut Pool,
    ) -> (Vec<f32>, Kept) {
        let config = pass.config;
        let tokens = x.len() / config.hidden_size;
        let adapted = pass.adapted(layer);
        let epsilon = config.norm_epsilon;

        let mut normed = pool.take(x.len());
        let mut attention_inverse = pool.take(tokens);
        norm::forward(
            x,
            &self.attention_norm,
            epsilon,
            &mut normed,
            &mut attention_inverse,
        );
        let mut qkv = pool.take(tokens * self.query_key_value.outputs());
        let narrow_qkv =
            self.query_key_value
                .forward(&normed, &mut qkv, Write::Replace, adapted[0], pool);
        let turns = [Turn::Forward, Turn::Forward, Turn::None];
        let mut place = 0;
        let [q, k, v] = pass.heads().map(|heads| {
            let mut by_head = pool.take(tokens * heads.count * heads.head_dim);
            to_heads(
                pass.rotary,
                pass.sequences,
                heads,
                turns[place],
                &qkv,
                &mut by_head,
            );
            place += 1;
            by_head
        });

        let mut mixed_by_head = pool.take(q.len());
        let mut sums = pool.take(tokens * config.heads);
        let inputs = Inputs {
            q: &q,
            k: &k,
            v: &v,
        };
        attention::forward(
            pass.shape(),
            pass.sequences,
            inputs,
            &mut mixed_by_head,
            &mut sums,
        );
        let mut mixed = pool.take(q.len());
        let heads = pass.mixed_heads();
        to_tokens(
            pass.rotary,
            pass.sequences,
            heads,
            Turn::None,
            &mixed_by_head,
            &mut mixed,
        );
        let mut middle = pool.copy(x);
        let narrow_output = self
            .output
            .forward(&mixed, &mut middle, Write::Add, adapted[1], pool);

        let mut feed_forward_inverse = pool.take(tokens);
        norm::forward(
            &middle,
            &self.feed_forward_norm,
            epsilon,
            &mut normed,
            &mut feed_forward_inverse,
        );
        let mut gate_up = pool.take(tokens * self.gate_up.outputs());
        let narrow_gate_up =
            self.gate_up
                .forward(&normed, &mut gate_up, Write::Replace, adapted[2], pool);
        let mut gated = pool.take(tokens * config.intermediate_size);
        swiglu::forward(&gate_up, config.intermediate_size, &mut gated);
        let mut out = pool.copy(&middle);
        let narrow_down = self
            .down
            .forward(&gated, &mut out, Write::Add, adapted[3], pool);

        pool.give([normed, qkv, mixed_by_head, gated]);
        let kept = Kept {
            attention_inverse,
            q,
            k,
            v,
            sums,
            mixed,
            middle,
            feed_forward_inverse,
            gate_up,
            narrow: [narrow_qkv, narrow_output, narrow_gate_up, narrow_down],
        };
        (out, kept)
    }

    /// Turns the gradient of the block's output, `[tokens, d]`, into that of its input `x`, in place, and adds the
    /// gradients of the adapters to `gradients`. For the first layer the input's gradient is left unfinished.
    pub(super) fn backward(
        &self,
        (pass, layer): (Pass<'_>, usize),
        (x, kept): (&[f32], &Kept),
        gradient: &mut [f32],
        gradients: &mut [f32],
        pool: &mut Pool,
    ) {
        let [
            Some(qkv_part),
            Some(output_part),
            Some(gate_up_part),
            Some(down_part),
        ] = pass.adapted(layer)
        else {
            return;
        };
        let config = pass.config;
        let tokens = x.len() / config.hidden_size;
        let ff = config.intermediate_size;
        let narrow = &kept.narrow;

        let mut gated = pool.take(tokens * ff);
        swiglu::forward(&kept.gate_up, ff, &mut gated);
        let mut d_gated = pool.take(tokens * ff);
        let inputs = (&gated[..], &narrow[3][..]);
        self.down.backward(
            gradient,
            inputs,
            Some(&mut d_gated),
            down_part,
            gradients,
            pool,
        );
        let mut d_gate_up = pool.take(tokens * 2 * ff);
        swiglu::backward(&d_gated, &kept.gate_up, ff, &mut d_gate_up);
        let mut normed = pool.take(x.len());
        norm::again(
            &kept.middle,
            &self.feed_forward_norm,
            &kept.feed_forward_inverse,
            &mut normed,
        );
        let mut d_normed = pool.take(x.len());
        let inputs = (&normed[..], &narrow[2][..]);
        self.gate_up.backward(
            &d_gate_up,
            inputs,
            Some(&mut d_normed),
            gate_up_part,
            gradients,
            pool,
        );
        norm::backward(
            &d_normed,
            &kept.middle,
            &self.feed_forward_norm,
            &kept.feed_forward_inverse,
            gradient,
        );
        pool.give([gated, d_gated, d_gate_up]);

        let mut d_mixed = pool.take(kept.mixed.len());
        let inputs = (&kept.mixed[..], &narrow[1][..]);
        self.output.backward(
            gradient,
            inputs,
            Some(&mut d_mixed),
            output_part,
            gradients,
            pool,
        );
        let d_qkv = self.attention_backward(pass, kept, &d_mixed, pool);
        norm::again(
            x,
            &self.attention_norm,
            &kept.attention_inverse,
            &mut normed,
        );
        let inputs = (&normed[..], &narrow[0][..]);
        // Nothing is trained below the first block, so its input needs no gradient.
        let wanted = (layer > 0).then_some(&mut d_normed[..]);
        self.query_key_value
            .backward(&d_qkv, inputs, wanted, qkv_part, gradients, pool);
        if layer > 0 {
            norm::backward(
                &d_normed,
                x,
                &self.attention_norm,
                &kept.attention_inverse,
                gradient,
            );
        }
        pool.give([normed, d_normed, d_mixed, d_qkv]);
    }

    /// The gradient of the joint projection from that of the mixed heads.
    fn attention_backward(
        &self,
        pass: Pass<'_>,
        kept: &Kept,
        d_mixed: &[f32],
        pool: &mut Pool,
    ) -> Vec<f32> {
        let (rotary, sequences) = (pass.rotary, pass.sequences);
        let heads = pass.mixed_heads();
        let mut d_out = pool.take(d_mixed.len());
        to_heads(rotary, sequences, heads, Turn::None, d_mixed, &mut d_out);
        let mut out = pool.take(d_mixed.len());
        to_heads(rotary, sequences, heads, Turn::None, &kept.mixed, &mut out);
        let mut dots = pool.take(kept.sums.len());
        let rows = out.chunks(heads.head_dim).zip(d_out.chunks(heads.head_dim));
        for (dot, (out, d_out)) in dots.iter_mut().zip(rows) {
            *dot = out.iter().zip(d_out).map(|(out, d_out)| out * d_out).sum();
        }
        let [mut dq, mut dk, mut dv] =
            [&kept.q, &kept.k, &kept.v].map(|like| pool.take(like.len()));
        let inputs = Inputs {
            q: &kept.q,
            k: &kept.k,
            v: &kept.v,
        };
        let places = [&mut dq[..], &mut dk, &mut dv];
        attention::backward(
            pass.shape(),
            sequences,
            inputs,
            (&kept.sums, &dots),
            &d_out,
            places,
        );
        let tokens = d_mixed.len() / heads.row;
        let mut d_qkv = pool.take(tokens * self.query_key_value.outputs());
        let turns = [Turn::Back, Turn::Back, Turn::None];
        for ((heads, turn), by_head) in pass.heads().into_iter().zip(turns).zip([&dq, &dk, &dv]) {
            to_tokens(rotary, sequences, heads, turn, by_head, &mut d_qkv);
        }
        pool.give([d_out, out, dots, dq, dk, dv]);
        d_qkv
    }
}
