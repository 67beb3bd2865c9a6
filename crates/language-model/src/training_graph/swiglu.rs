//! The gated unit of the feed-forward block (Shazeer 2020): `silu(gate) up`.

use super::{
    crew::{rows_at_once, share_out},
    exponential::exp,
    kernels::vectorised,
};

/// `[tokens, ff]` from gate and up side by side, `[tokens, 2 ff]`.
pub(super) fn forward(gate_up: &[f32], ff: usize, y: &mut [f32]) {
    let some = rows_at_once(y.len() / ff);
    let shares = gate_up.chunks(some * 2 * ff).zip(y.chunks_mut(some * ff));
    share_out(shares, |(gate_up, y)| {
        for (gate_up, y) in gate_up.chunks(2 * ff).zip(y.chunks_mut(ff)) {
            let (gate, up) = gate_up.split_at(ff);
            forward_row(gate, up, y);
        }
    });
}

vectorised! {
    fn forward_row(gate: &[f32], up: &[f32], y: &mut [f32]) {
        for ((y, g), u) in y.iter_mut().zip(gate).zip(up) {
            *y = g * sigmoid(*g) * u;
        }
    }
}

/// The gradients of gate and up, in the layout of `gate_up`.
pub(super) fn backward(dy: &[f32], gate_up: &[f32], ff: usize, d_gate_up: &mut [f32]) {
    let some = rows_at_once(dy.len() / ff);
    let shares = dy
        .chunks(some * ff)
        .zip(gate_up.chunks(some * 2 * ff))
        .zip(d_gate_up.chunks_mut(some * 2 * ff));
    share_out(shares, |((dy, gate_up), d_gate_up)| {
        let rows = gate_up.chunks(2 * ff).zip(d_gate_up.chunks_mut(2 * ff));
        for (dy, (gate_up, d_gate_up)) in dy.chunks(ff).zip(rows) {
            let (gate, up) = gate_up.split_at(ff);
            let (d_gate, d_up) = d_gate_up.split_at_mut(ff);
            backward_row(dy, gate, up, d_gate, d_up);
        }
    });
}

vectorised! {
    fn backward_row(dy: &[f32], gate: &[f32], up: &[f32], d_gate: &mut [f32], d_up: &mut [f32]) {
        for ((((dy, g), u), dg), du) in dy.iter().zip(gate).zip(up).zip(d_gate).zip(d_up) {
            let s = sigmoid(*g);
            *dg = dy * u * s * (1.0 + g * (1.0 - s));
            *du = dy * g * s;
        }
    }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}
