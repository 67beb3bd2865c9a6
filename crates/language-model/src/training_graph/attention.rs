//! Causal attention with grouped keys and values, in tiles of queries.
//!
//! Probabilities are never kept: the backward pass makes them again from the scores and the kept logarithm of each
//! row's sum (Dao et al. 2022, FlashAttention, section 3.1). Memory is one tile of scores for each thread.

use std::ops::Range;

use rayon::prelude::*;

use super::exponential::exp;
use crate::matrix::{Matrix, Threads, Write, multiply};

/// Queries that are worked on at once.
const TILE: usize = 128;

/// Numbers of heads, their width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
}

impl Shape {
    fn group(self) -> usize {
        self.heads / self.kv_heads
    }

    fn scale(self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }
}

/// Queries, keys and values in head order: for each sequence `[heads, length, head_dim]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub(super) q: &'a [f32],
    pub(super) k: &'a [f32],
    pub(super) v: &'a [f32],
}

/// One sequence and one key-value head, with the queries that share it.
struct Work<'a, 'o, const N: usize> {
    length: usize,
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    out: [&'o mut [f32]; N],
}

/// `softmax(q kᵀ / √head_dim) v` into `out` (as `q`), and the logarithm of each row's sum into `sums`
/// (for each sequence `[heads, length]`).
pub(super) fn forward(
    shape: Shape,
    sequences: &[Range<usize>],
    inputs: Inputs<'_>,
    out: &mut [f32],
    sums: &mut [f32],
) {
    let d = shape.head_dim;
    let per_token = [shape.group() * d, shape.group()];
    share_out(shape, sequences, inputs, [out, sums], per_token)
        .into_par_iter()
        .for_each(|work| {
            let [out, sums] = work.out;
            let length = work.length;
            let mut scores = vec![0.0; TILE.min(length) * length];
            for (head, q) in work.q.chunks(length * d).enumerate() {
                for start in (0..length).step_by(TILE) {
                    let rows = TILE.min(length - start);
                    let keys = start + rows;
                    let tile = &mut scores[..rows * keys];
                    let queries = Matrix::new(&q[start * d..], rows, d);
                    let k = Matrix::new(work.k, keys, d).transposed();
                    multiply(
                        (tile, keys),
                        queries,
                        k,
                        (Write::Replace, shape.scale()),
                        Threads::One,
                    );
                    let sums = &mut sums[head * length + start..][..rows];
                    for ((row, scores), sum) in tile.chunks_mut(keys).enumerate().zip(sums) {
                        *sum = softmax(scores, start + row + 1);
                    }
                    let place = &mut out[(head * length + start) * d..][..rows * d];
                    let v = Matrix::new(work.v, keys, d);
                    let tile = Matrix::new(tile, rows, keys);
                    multiply((place, d), tile, v, (Write::Replace, 1.0), Threads::One);
                }
            }
        });
}

/// The gradients of q, k and v. `dots` holds, laid out as `sums`, the product of each row of the output with its
/// gradient `d_out`.
pub(super) fn backward(
    shape: Shape,
    sequences: &[Range<usize>],
    inputs: Inputs<'_>,
    (sums, dots): (&[f32], &[f32]),
    d_out: &[f32],
    [dq, dk, dv]: [&mut [f32]; 3],
) {
    let d = shape.head_dim;
    let per_token = [shape.group() * d, d, d];
    let pieces = share_out(shape, sequences, inputs, [dq, dk, dv], per_token);
    let rows = own_rows(shape, sequences);
    pieces.into_par_iter().zip(rows).for_each(|(work, rows)| {
        let d_out = &d_out[rows.start * d..rows.end * d];
        backward_head_group(shape, work, (&sums[rows.clone()], &dots[rows]), d_out);
    });
}

fn backward_head_group(
    shape: Shape,
    work: Work<'_, '_, 3>,
    (sums, dots): (&[f32], &[f32]),
    d_out: &[f32],
) {
    let (d, length) = (shape.head_dim, work.length);
    let [dq, dk, dv] = work.out;
    dk.fill(0.0);
    dv.fill(0.0);
    let mut scores = vec![0.0; TILE.min(length) * length];
    let mut d_scores = scores.clone();
    for (head, q) in work.q.chunks(length * d).enumerate() {
        for start in (0..length).step_by(TILE) {
            let rows = TILE.min(length - start);
            let keys = start + rows;
            let first = head * length + start;
            let probabilities = &mut scores[..rows * keys];
            let queries = Matrix::new(&q[start * d..], rows, d);
            let (k, v) = (Matrix::new(work.k, keys, d), Matrix::new(work.v, keys, d));
            let scaled = (Write::Replace, shape.scale());
            multiply(
                (probabilities, keys),
                queries,
                k.transposed(),
                scaled,
                Threads::One,
            );
            for ((row, scores), sum) in probabilities
                .chunks_mut(keys)
                .enumerate()
                .zip(&sums[first..])
            {
                let (seen, hidden) = scores.split_at_mut(start + row + 1);
                seen.iter_mut().for_each(|score| *score = exp(*score - sum));
                hidden.fill(0.0);
            }
            let d_out = Matrix::new(&d_out[first * d..], rows, d);
            let tile = &mut d_scores[..rows * keys];
            multiply(
                (tile, keys),
                d_out,
                v.transposed(),
                (Write::Replace, 1.0),
                Threads::One,
            );
            let rows_of_both = tile.chunks_mut(keys).zip(probabilities.chunks(keys));
            for ((d_scores, probabilities), dot) in rows_of_both.zip(&dots[first..]) {
                for (d_score, probability) in d_scores.iter_mut().zip(probabilities) {
                    *d_score = probability * (*d_score - dot);
                }
            }
            let probabilities = Matrix::new(probabilities, rows, keys).transposed();
            let d_scores = Matrix::new(tile, rows, keys);
            let d_queries = &mut dq[first * d..][..rows * d];
            multiply((d_queries, d), d_scores, k, scaled, Threads::One);
            let added = (Write::Add, shape.scale());
            multiply((dk, d), d_scores.transposed(), queries, added, Threads::One);
            multiply(
                (dv, d),
                probabilities,
                d_out,
                (Write::Add, 1.0),
                Threads::One,
            );
        }
    }
}

/// Turns the first `seen` scores of a row into probabilities and hides the rest; returns log of the sum.
fn softmax(scores: &mut [f32], seen: usize) -> f32 {
    let (seen, hidden) = scores.split_at_mut(seen);
    let largest = seen.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in seen.iter_mut() {
        *score = exp(*score - largest);
        sum += *score;
    }
    let inverse = 1.0 / sum;
    seen.iter_mut().for_each(|score| *score *= inverse);
    hidden.fill(0.0);
    largest + sum.ln()
}

/// Cuts inputs and outputs into one piece of work for each sequence and key-value head.
///
/// `per_token[i]` numbers of output `i` belong to each token of a piece.
fn share_out<'a, 'o, const N: usize>(
    shape: Shape,
    sequences: &[Range<usize>],
    inputs: Inputs<'a>,
    mut outputs: [&'o mut [f32]; N],
    per_token: [usize; N],
) -> Vec<Work<'a, 'o, N>> {
    let d = shape.head_dim;
    let mut pieces = Vec::with_capacity(sequences.len() * shape.kv_heads);
    for sequence in sequences {
        let length = sequence.len();
        for kv in 0..shape.kv_heads {
            let start = sequence.start * shape.kv_heads + kv * length;
            let own = start * d..(start + length) * d;
            let queries = start * shape.group() * d..(start + length) * shape.group() * d;
            let mut place = 0;
            let out = outputs.each_mut().map(|output| {
                let (piece, rest) = std::mem::take(output).split_at_mut(per_token[place] * length);
                *output = rest;
                place += 1;
                piece
            });
            pieces.push(Work {
                length,
                q: &inputs.q[queries],
                k: &inputs.k[own.clone()],
                v: &inputs.v[own],
                out,
            });
        }
    }
    pieces
}

/// For each piece of work, in the order of [`share_out`]: its rows among all (sequence, query head, token) rows.
fn own_rows(shape: Shape, sequences: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut rows = Vec::with_capacity(sequences.len() * shape.kv_heads);
    for sequence in sequences {
        for kv in 0..shape.kv_heads {
            let start = (sequence.start * shape.kv_heads + kv * sequence.len()) * shape.group();
            rows.push(start..start + sequence.len() * shape.group());
        }
    }
    rows
}
