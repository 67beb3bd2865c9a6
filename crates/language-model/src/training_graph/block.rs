//! One block of the graph: attention and feed-forward, each behind a norm and beside the residual stream.

use std::ops::Range;

use super::{
    attention::{self, Inputs, Shape},
    crew::{rows_at_once, share_out},
    kernels::{lanes::sum_pairs, vectorised},
    norm,
    pool::Pool,
    profile::{Part, timed},
    rotary::{Heads, Rotary, Turn, to_heads, to_tokens},
    source::Source,
    swiglu,
};
use crate::matrix::Write;

/// What is the same for all blocks in a pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) source: Source<'a>,
    pub(super) rotary: &'a Rotary,
    pub(super) sequences: &'a [Range<usize>],
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

impl Pass<'_> {
    fn shape(&self) -> Shape {
        Shape {
            heads: self.source.config.heads,
            kv_heads: self.source.config.kv_heads,
            head_dim: self.source.config.head_dim,
        }
    }

    /// The columns of queries, keys and values in their joint projection.
    fn heads(&self) -> [Heads; 3] {
        let config = self.source.config;
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
            row: self.source.config.query_size(),
            first: 0,
            count: self.source.config.heads,
            head_dim: self.source.config.head_dim,
        }
    }
}

/// The block's output for the residual stream `x`, `[tokens, d]`.
pub(super) fn forward(
    pass: Pass<'_>,
    layer: usize,
    x: &[f32],
    pool: &mut Pool,
) -> (Vec<f32>, Kept) {
    let config = pass.source.config;
    let tokens = x.len() / config.hidden_size;
    let [query_key_value, output, gate_up_of, down] =
        [0, 1, 2, 3].map(|which| pass.source.linear(layer, which));
    let [attention_norm, feed_forward_norm] = [0, 1].map(|which| pass.source.norm(layer, which));
    let epsilon = config.norm_epsilon;

    let mut normed = pool.take(x.len());
    let mut attention_inverse = pool.take(tokens);
    timed(Part::Norms, || {
        norm::forward(
            x,
            attention_norm.weight,
            epsilon,
            &mut normed,
            &mut attention_inverse,
        );
    });
    let mut qkv = pool.take(tokens * query_key_value.outputs());
    let narrow_qkv = query_key_value.forward(&normed, &mut qkv, Write::Replace, pool);
    let [query, key, value] = pass.heads();
    let [mut q, mut k, mut v] =
        [query, key, value].map(|heads| pool.take(tokens * heads.count * heads.head_dim));
    timed(Part::Heads, || {
        let parts = [
            (query, Turn::Forward, &mut q[..]),
            (key, Turn::Forward, &mut k[..]),
            (value, Turn::None, &mut v[..]),
        ];
        to_heads(pass.rotary, pass.sequences, &qkv, parts);
    });

    let mut mixed_by_head = pool.take(q.len());
    let mut sums = pool.take(tokens * config.heads);
    let inputs = Inputs {
        q: &q,
        k: &k,
        v: &v,
    };
    timed(Part::Attention, || {
        attention::forward(
            (pass.shape(), pass.source.precision),
            pass.sequences,
            inputs,
            &mut mixed_by_head,
            &mut sums,
        );
    });
    let mut mixed = pool.take(q.len());
    let heads = pass.mixed_heads();
    timed(Part::Heads, || {
        let parts = [(heads, Turn::None, &mixed_by_head[..])];
        to_tokens(pass.rotary, pass.sequences, parts, (&mut mixed, heads.row));
    });
    let mut middle = pool.copy(x);
    let narrow_output = output.forward(&mixed, &mut middle, Write::Add, pool);

    let mut feed_forward_inverse = pool.take(tokens);
    timed(Part::Norms, || {
        norm::forward(
            &middle,
            feed_forward_norm.weight,
            epsilon,
            &mut normed,
            &mut feed_forward_inverse,
        );
    });
    let mut gate_up = pool.take(tokens * gate_up_of.outputs());
    let narrow_gate_up = gate_up_of.forward(&normed, &mut gate_up, Write::Replace, pool);
    let mut gated = pool.take(tokens * config.intermediate_size);
    timed(Part::Gate, || {
        swiglu::forward(&gate_up, config.intermediate_size, &mut gated);
    });
    let mut out = pool.copy(&middle);
    let narrow_down = down.forward(&gated, &mut out, Write::Add, pool);

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
/// gradients of what is trained to `gradients`. Where nothing is trained below the first block, its input's gradient
/// is left unfinished.
pub(super) fn backward(
    (pass, layer): (Pass<'_>, usize),
    (x, kept): (&[f32], &Kept),
    gradient: &mut [f32],
    gradients: &mut [f32],
    pool: &mut Pool,
) {
    let [query_key_value, output, gate_up_of, down] =
        [0, 1, 2, 3].map(|which| pass.source.linear(layer, which));
    let [attention_norm, feed_forward_norm] = [0, 1].map(|which| pass.source.norm(layer, which));
    let config = pass.source.config;
    let tokens = x.len() / config.hidden_size;
    let ff = config.intermediate_size;
    let narrow = &kept.narrow;

    let mut gated = pool.take(tokens * ff);
    timed(Part::Gate, || {
        swiglu::forward(&kept.gate_up, ff, &mut gated);
    });
    let mut d_gated = pool.take(tokens * ff);
    let inputs = (&gated[..], &narrow[3][..]);
    down.backward(gradient, inputs, Some(&mut d_gated), gradients, pool);
    let mut d_gate_up = pool.take(tokens * 2 * ff);
    timed(Part::Gate, || {
        swiglu::backward(&d_gated, &kept.gate_up, ff, &mut d_gate_up);
    });
    let mut normed = pool.take(x.len());
    timed(Part::Norms, || {
        norm::again(
            &kept.middle,
            feed_forward_norm.weight,
            &kept.feed_forward_inverse,
            &mut normed,
        );
    });
    let mut d_normed = pool.take(x.len());
    let inputs = (&normed[..], &narrow[2][..]);
    gate_up_of.backward(&d_gate_up, inputs, Some(&mut d_normed), gradients, pool);
    if let Some(place) = feed_forward_norm.gradient {
        let inverse = &kept.feed_forward_inverse;
        timed(Part::Norms, || {
            norm::add_weight_gradient(&d_normed, &kept.middle, inverse, &mut gradients[place]);
        });
    }
    timed(Part::Norms, || {
        norm::backward(
            &d_normed,
            &kept.middle,
            feed_forward_norm.weight,
            &kept.feed_forward_inverse,
            gradient,
        );
    });
    pool.give([gated, d_gated, d_gate_up]);

    let mut d_mixed = pool.take(kept.mixed.len());
    let inputs = (&kept.mixed[..], &narrow[1][..]);
    output.backward(gradient, inputs, Some(&mut d_mixed), gradients, pool);
    let d_qkv = attention_backward(pass, kept, &d_mixed, pool);
    timed(Part::Norms, || {
        norm::again(
            x,
            attention_norm.weight,
            &kept.attention_inverse,
            &mut normed,
        );
    });
    let inputs = (&normed[..], &narrow[0][..]);
    let is_wanted = layer > 0 || pass.source.learns_below();
    let wanted = is_wanted.then_some(&mut d_normed[..]);
    query_key_value.backward(&d_qkv, inputs, wanted, gradients, pool);
    if is_wanted {
        if let Some(place) = attention_norm.gradient {
            let inverse = &kept.attention_inverse;
            norm::add_weight_gradient(&d_normed, x, inverse, &mut gradients[place]);
        }
        timed(Part::Norms, || {
            norm::backward(
                &d_normed,
                x,
                attention_norm.weight,
                &kept.attention_inverse,
                gradient,
            );
        });
    }
    pool.give([normed, d_normed, d_mixed, d_qkv]);
}

/// The gradient of the joint projection from that of the mixed heads.
fn attention_backward(pass: Pass<'_>, kept: &Kept, d_mixed: &[f32], pool: &mut Pool) -> Vec<f32> {
    let (rotary, sequences) = (pass.rotary, pass.sequences);
    let heads = pass.mixed_heads();
    let [mut d_out, mut out] = [(); 2].map(|()| pool.take(d_mixed.len()));
    timed(Part::Heads, || {
        for (source, out) in [(d_mixed, &mut d_out), (&kept.mixed[..], &mut out)] {
            let parts = [(heads, Turn::None, &mut out[..])];
            to_heads(rotary, sequences, source, parts);
        }
    });
    let mut dots = pool.take(kept.sums.len());
    let width = heads.head_dim;
    let some = rows_at_once(dots.len());
    let factors = out.chunks(some * width).zip(d_out.chunks(some * width));
    share_out(
        dots.chunks_mut(some).zip(factors),
        |(dots, (out, d_out))| {
            let rows = out.chunks(width).zip(d_out.chunks(width));
            for (dot, (out, d_out)) in dots.iter_mut().zip(rows) {
                *dot = along(out, d_out);
            }
        },
    );
    let [mut dq, mut dk, mut dv] = [&kept.q, &kept.k, &kept.v].map(|like| pool.take(like.len()));
    let inputs = Inputs {
        q: &kept.q,
        k: &kept.k,
        v: &kept.v,
    };
    let places = [&mut dq[..], &mut dk, &mut dv];
    timed(Part::Attention, || {
        attention::backward(
            (pass.shape(), pass.source.precision),
            sequences,
            inputs,
            (&kept.sums, &dots),
            &d_out,
            places,
        );
    });
    let tokens = d_mixed.len() / heads.row;
    let width: usize = pass
        .heads()
        .iter()
        .map(|heads| heads.count * heads.head_dim)
        .sum();
    let mut d_qkv = pool.take(tokens * width);
    timed(Part::Heads, || {
        let [query, key, value] = pass.heads();
        let parts = [
            (query, Turn::Back, &dq[..]),
            (key, Turn::Back, &dk[..]),
            (value, Turn::None, &dv[..]),
        ];
        to_tokens(rotary, sequences, parts, (&mut d_qkv, width));
    });
    pool.give([d_out, out, dots, dq, dk, dv]);
    d_qkv
}

vectorised! {
    fn along(x: &[f32], y: &[f32]) -> f32 {
        sum_pairs(x, y, |x, y| x * y)
    }
}
