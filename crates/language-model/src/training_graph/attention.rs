//! Causal attention with grouped keys and values, in tiles of queries.
//!
//! Probabilities are never kept: the backward pass makes them again from the scores and the kept logarithm of each
//! row's sum (Dao et al. 2022, FlashAttention, section 3.1). Memory is one tile of scores for each thread.

use std::{cell::RefCell, ops::Range};

use super::{
    crew::share_out,
    exponential::exp,
    form::Form,
    frozen::Precision,
    kernels::{
        lanes::{largest, replace_and_sum},
        vectorised,
    },
    left::{Left, left_words},
    stage::{Panels, Place, multiply_here},
};
use crate::matrix::{Matrix, Write};

/// Queries that are worked on at once: whole tiles of rows.
fn queries_at_once(precision: Precision) -> usize {
    48_usize.next_multiple_of(Form::of(precision).tile().rows)
}

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
    (shape, precision): (Shape, Precision),
    sequences: &[Range<usize>],
    inputs: Inputs<'_>,
    out: &mut [f32],
    sums: &mut [f32],
) {
    let d = shape.head_dim;
    let per_token = [shape.group() * d, shape.group()];
    let pieces = pieces(shape, sequences, inputs, [out, sums], per_token);
    share_out(pieces.into_iter(), |work| {
        SCRATCH.with_borrow_mut(|scratch| forward_head_group(shape, precision, work, scratch));
    });
}

/// Buffers of one thread: packed left factors, packed keys and values, scores.
#[derive(Default)]
struct Scratch {
    left: Vec<f32>,
    right: [Vec<f32>; 5],
    scores: Vec<f32>,
    d_scores: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Packs a left factor into a buffer that grows as needed.
fn left<'a>(matrix: Matrix<'_>, precision: Precision, words: &'a mut Vec<f32>) -> Left<'a> {
    let count = left_words(matrix, precision);
    if words.len() < count {
        words.resize(count, 0.0);
    }
    Left::pack_here(matrix, precision, words)
}

fn grow(numbers: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if numbers.len() < length {
        numbers.resize(length, 0.0);
    }
    &mut numbers[..length]
}

fn forward_head_group(
    shape: Shape,
    precision: Precision,
    work: Work<'_, '_, 2>,
    scratch: &mut Scratch,
) {
    let (d, length) = (shape.head_dim, work.length);
    let [out, sums] = work.out;
    let at_once = queries_at_once(precision);
    let keys = Matrix::new(work.k, length, d).transposed();
    let values = Matrix::new(work.v, length, d);
    let [keys_words, values_words, ..] = &mut scratch.right;
    let keys_of = Panels::pack(keys, precision, keys_words);
    let values_of = Panels::pack(values, precision, values_words);
    for (head, q) in work.q.chunks(length * d).enumerate() {
        for start in (0..length).step_by(at_once) {
            let rows = at_once.min(length - start);
            let keys = start + rows;
            let first = head * length + start;
            let scores = grow(&mut scratch.scores, rows * keys);
            let queries = Matrix::new(&q[start * d..], rows, d);
            let queries = left(queries, precision, &mut scratch.left);
            let place = replaced(scores, keys, shape.scale());
            multiply_here(place, queries, keys_of, keys);
            let sums = &mut sums[first..][..rows];
            for ((row, scores), sum) in scores.chunks_mut(keys).enumerate().zip(sums) {
                *sum = softmax(scores, start + row + 1);
            }
            let probabilities = Matrix::new(scores, rows, keys);
            let probabilities = left(probabilities, precision, &mut scratch.left);
            let place = replaced(&mut out[first * d..][..rows * d], d, 1.0);
            multiply_here(place, probabilities, values_of, d);
        }
    }
}

fn replaced(out: &mut [f32], stride: usize, scale: f32) -> Place<'_> {
    Place {
        out,
        stride,
        write: Write::Replace,
        scale,
    }
}

fn added(out: &mut [f32], stride: usize, scale: f32) -> Place<'_> {
    Place {
        out,
        stride,
        write: Write::Add,
        scale,
    }
}

/// The gradients of q, k and v. `dots` holds, laid out as `sums`, the product of each row of the output with its
/// gradient `d_out`.
pub(super) fn backward(
    (shape, precision): (Shape, Precision),
    sequences: &[Range<usize>],
    inputs: Inputs<'_>,
    (sums, dots): (&[f32], &[f32]),
    d_out: &[f32],
    [dq, dk, dv]: [&mut [f32]; 3],
) {
    let d = shape.head_dim;
    let per_token = [shape.group() * d, d, d];
    let pieces = pieces(shape, sequences, inputs, [dq, dk, dv], per_token);
    let rows = own_rows(shape, sequences);
    share_out(pieces.into_iter().zip(rows), |(work, rows)| {
        let d_out = &d_out[rows.start * d..rows.end * d];
        let kept = (&sums[rows.clone()], &dots[rows]);
        SCRATCH.with_borrow_mut(|scratch| {
            backward_head_group((shape, precision), work, kept, d_out, scratch);
        });
    });
}

fn backward_head_group(
    (shape, precision): (Shape, Precision),
    work: Work<'_, '_, 3>,
    (sums, dots): (&[f32], &[f32]),
    d_out: &[f32],
    scratch: &mut Scratch,
) {
    let (d, length) = (shape.head_dim, work.length);
    let [dq, dk, dv] = work.out;
    let at_once = queries_at_once(precision);
    dk.fill(0.0);
    dv.fill(0.0);
    let (all_keys, all_values) = (
        Matrix::new(work.k, length, d),
        Matrix::new(work.v, length, d),
    );
    let [words_0, words_1, words_2, words_3, words_4] = &mut scratch.right;
    let keys_across = Panels::pack(all_keys.transposed(), precision, words_0);
    let values_across = Panels::pack(all_values.transposed(), precision, words_1);
    let keys_down = Panels::pack(all_keys, precision, words_2);
    for (head, q) in work.q.chunks(length * d).enumerate() {
        for start in (0..length).step_by(at_once) {
            let rows = at_once.min(length - start);
            let keys = start + rows;
            let first = head * length + start;
            let queries = Matrix::new(&q[start * d..], rows, d);
            let d_out = Matrix::new(&d_out[first * d..], rows, d);
            let probabilities = grow(&mut scratch.scores, rows * keys);
            let packed = left(queries, precision, &mut scratch.left);
            let place = replaced(probabilities, keys, shape.scale());
            multiply_here(place, packed, keys_across, keys);
            let d_scores = grow(&mut scratch.d_scores, rows * keys);
            let packed = left(d_out, precision, &mut scratch.left);
            multiply_here(replaced(d_scores, keys, 1.0), packed, values_across, keys);
            for row in 0..rows {
                let place = row * keys..(row + 1) * keys;
                score_gradients(
                    &mut probabilities[place.clone()],
                    &mut d_scores[place],
                    (start + row + 1, sums[first + row], dots[first + row]),
                );
            }
            let probabilities = Matrix::new(probabilities, rows, keys);
            let d_scores = Matrix::new(d_scores, rows, keys);
            let packed = left(d_scores, precision, &mut scratch.left);
            let place = replaced(&mut dq[first * d..][..rows * d], d, shape.scale());
            multiply_here(place, packed, keys_down, d);
            let queries = Panels::pack(queries, precision, words_3);
            let packed = left(d_scores.transposed(), precision, &mut scratch.left);
            multiply_here(added(dk, d, shape.scale()), packed, queries, d);
            let d_out = Panels::pack(d_out, precision, words_4);
            let packed = left(probabilities.transposed(), precision, &mut scratch.left);
            multiply_here(added(dv, d, 1.0), packed, d_out, d);
        }
    }
}

vectorised! {
    /// Turns the first `seen` scores of a row into probabilities and hides the rest; returns log of the sum.
    fn softmax(scores: &mut [f32], seen: usize) -> f32 {
        let (seen, hidden) = scores.split_at_mut(seen);
        let most = largest(seen);
        let sum = replace_and_sum(seen, |score| exp(score - most));
        let inverse = 1.0 / sum;
        seen.iter_mut().for_each(|score| *score *= inverse);
        hidden.fill(0.0);
        most + sum.ln()
    }
}

vectorised! {
    /// Turns scores into probabilities again, and gradients of probabilities into those of scores.
    fn score_gradients(scores: &mut [f32], d_scores: &mut [f32], row: (usize, f32, f32)) {
        let (seen, sum, dot) = row;
        for (score, d_score) in scores.iter_mut().zip(d_scores.iter_mut()).take(seen) {
            *score = exp(*score - sum);
            *d_score = *score * (*d_score - dot);
        }
        scores[seen..].fill(0.0);
        d_scores[seen..].fill(0.0);
    }
}

/// Cuts inputs and outputs into one piece of work for each sequence and key-value head.
///
/// `per_token[i]` numbers of output `i` belong to each token of a piece.
fn pieces<'a, 'o, const N: usize>(
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

/// For each piece of work, in the order of [`pieces`]: its rows among all (sequence, query head, token) rows.
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
