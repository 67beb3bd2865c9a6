//! Rotary position embedding (Su et al. 2021), and the move between token order and head order.
//!
//! Projections come as `[tokens, width]`. Attention reads, for each sequence, `[heads, length, head_dim]`, so that
//! every head of every sequence is one stretch of memory.

use std::ops::Range;

use super::{
    crew::{rows_at_once, share_out},
    kernels::vectorised,
};
use crate::config::Config;

/// Cosines and sines of every position, `[positions, head_dim / 2]` each.
#[derive(Debug, Default)]
pub(super) struct Rotary {
    cosines: Vec<f32>,
    sines: Vec<f32>,
}

impl Rotary {
    /// Makes the tables long enough for `positions`.
    pub(super) fn grow(&mut self, positions: usize, config: &Config) {
        let half = config.head_dim / 2;
        if self.cosines.len() / half >= positions {
            return;
        }
        let frequencies = config.rotary_frequencies();
        for position in self.cosines.len() / half..positions {
            for frequency in &frequencies {
                let angle = position as f64 * frequency;
                self.cosines.push(angle.cos() as f32);
                self.sines.push(angle.sin() as f32);
            }
        }
    }

    fn row(&self, position: usize, half: usize) -> (&[f32], &[f32]) {
        let place = position * half..(position + 1) * half;
        (&self.cosines[place.clone()], &self.sines[place])
    }
}

/// Columns of a projection that hold heads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    /// Numbers in a row of the projection.
    pub(super) row: usize,
    /// First column.
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) head_dim: usize,
}

/// Which way pairs are turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    None,
    Forward,
    /// The transpose of `Forward`, for gradients.
    Back,
}

/// Some heads of a projection: where they are, how their pairs are turned, and their numbers in head order.
pub(super) type Part<N> = (Heads, Turn, N);

/// Copies heads out of token order into head order, turning each pair (i, i + head_dim/2) by its position.
pub(super) fn to_heads<const N: usize>(
    rotary: &Rotary,
    sequences: &[Range<usize>],
    tokens: &[f32],
    parts: [Part<&mut [f32]>; N],
) {
    // All heads of all parts at once: sharing out work costs more than the smallest of them.
    let mut work = Vec::new();
    for (heads, turn, mut rest) in parts {
        for sequence in sequences {
            let here = sequence.len() * heads.count * heads.head_dim;
            let (out, after) = rest.split_at_mut(here);
            rest = after;
            let by_head = out.chunks_mut(sequence.len() * heads.head_dim).enumerate();
            work.extend(by_head.map(|(head, out)| (heads, turn, sequence.start, head, out)));
        }
    }
    share_out(work.into_iter(), |(heads, turn, first, head, out)| {
        let column = heads.first + head * heads.head_dim;
        for (position, out) in out.chunks_mut(heads.head_dim).enumerate() {
            let place = (first + position) * heads.row + column;
            let source = &tokens[place..place + heads.head_dim];
            turn_row(rotary, position, turn, source, out);
        }
    });
}

/// The reverse of [`to_heads`]: copies from head order into the columns of token order, rows of `row` numbers.
pub(super) fn to_tokens<const N: usize>(
    rotary: &Rotary,
    sequences: &[Range<usize>],
    parts: [Part<&[f32]>; N],
    (out, row): (&mut [f32], usize),
) {
    let some = rows_at_once(out.len() / row);
    let shares = out.chunks_mut(some * row).enumerate();
    share_out(shares, |(share, out)| {
        for (place, out) in out.chunks_mut(row).enumerate() {
            let token = share * some + place;
            let of = sequences.partition_point(|sequence| sequence.end <= token);
            let sequence = &sequences[of];
            let position = token - sequence.start;
            for (heads, turn, by_head) in parts {
                let source = &by_head[sequence.start * heads.count * heads.head_dim..];
                let out = &mut out[heads.first..][..heads.count * heads.head_dim];
                for (head, out) in out.chunks_mut(heads.head_dim).enumerate() {
                    let place = (head * sequence.len() + position) * heads.head_dim;
                    let source = &source[place..place + heads.head_dim];
                    turn_row(rotary, position, turn, source, out);
                }
            }
        }
    });
}

fn turn_row(rotary: &Rotary, position: usize, turn: Turn, source: &[f32], out: &mut [f32]) {
    let sign = match turn {
        Turn::None => return out.copy_from_slice(source),
        Turn::Forward => 1.0,
        Turn::Back => -1.0,
    };
    let (cosines, sines) = rotary.row(position, source.len() / 2);
    turn_pairs(source, (cosines, sines), sign, out);
}

vectorised! {
    fn turn_pairs(source: &[f32], table: (&[f32], &[f32]), sign: f32, out: &mut [f32]) {
        let (x, y) = source.split_at(source.len() / 2);
        let (out_x, out_y) = out.split_at_mut(source.len() / 2);
        let pairs = x.iter().zip(y).zip(table.0.iter().zip(table.1));
        for ((out_x, out_y), ((x, y), (cosine, sine))) in out_x.iter_mut().zip(out_y).zip(pairs) {
            let sine = sign * sine;
            *out_x = x * cosine - y * sine;
            *out_y = y * cosine + x * sine;
        }
    }
}
