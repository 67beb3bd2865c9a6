//! Squares of 32 by 32 numbers turned over: what a packed factor needs to multiply the other way.

use super::{
    form::Form,
    kernels::{COLUMNS, SIDE, turn, vectorised},
};

/// Turns a block of a packed right factor, 32 numbers of the inner dimension by 32 columns, into the same block of its
/// transpose. A block at the factor's end may have fewer numbers, and zeros stand for the others.
pub(super) fn turn_block(form: Form, source: &[f32], words: &mut [f32]) {
    match form {
        Form::Singles => turn_singles(source, words),
        Form::Pairs | Form::Halves => {
            let halves = source.chunks(SIDE * COLUMNS);
            for (source, words) in halves.zip(words.chunks_mut(SIDE * COLUMNS)) {
                turn_pairs(source, words);
            }
        }
    }
}

/// Turns rows of 32 numbers into columns of `words`, whose rows are 32 numbers long as well.
fn turn_singles(source: &[f32], words: &mut [f32]) {
    if source.len().min(words.len()) < COLUMNS * COLUMNS {
        words.fill(0.0);
        let (rows, _) = source.as_chunks::<COLUMNS>();
        for (place, row) in rows.iter().enumerate() {
            for (number, words) in row.iter().zip(words.chunks_mut(COLUMNS)) {
                words[place] = *number;
            }
        }
        return;
    }
    for row in [0, SIDE] {
        for column in [0, SIDE] {
            let place = &mut words[column * COLUMNS + row..];
            turn(&source[row * COLUMNS + column..], COLUMNS, place, COLUMNS);
        }
    }
}

/// The same for pairs: the words of `source` hold two numbers of neighbouring rows, those of `words` two of
/// neighbouring columns.
fn turn_pairs(source: &[f32], words: &mut [f32]) {
    const SQUARE: usize = SIDE * SIDE;
    // Of each two neighbouring words of a row: their low halves, their high halves.
    let (mut low, mut high) = ([0.0; SQUARE], [0.0; SQUARE]);
    part_pairs(source, &mut low, &mut high);
    let (mut even, mut odd) = ([0.0; SQUARE], [0.0; SQUARE]);
    turn(&low, SIDE, &mut even, SIDE);
    turn(&high, SIDE, &mut odd, SIDE);
    alternate(&even, &odd, words);
}

vectorised! {
    fn part_pairs(source: &[f32], low: &mut [f32; 256], high: &mut [f32; 256]) {
        let (rows, _) = source.as_chunks::<COLUMNS>();
        let (low, _) = low.as_chunks_mut::<SIDE>();
        let (high, _) = high.as_chunks_mut::<SIDE>();
        for ((row, low), high) in rows.iter().zip(low).zip(high) {
            for place in 0..SIDE {
                let (x, y) = (row[2 * place].to_bits(), row[2 * place + 1].to_bits());
                low[place] = f32::from_bits((x & 0xffff) | (y << 16));
                high[place] = f32::from_bits((x >> 16) | (y & 0xffff_0000));
            }
        }
    }
}

vectorised! {
    /// Rows of 32 words from rows of 16, by turns one of each.
    fn alternate(even: &[f32; 256], odd: &[f32; 256], words: &mut [f32]) {
        let (even, _) = even.as_chunks::<SIDE>();
        let (odd, _) = odd.as_chunks::<SIDE>();
        let (words, _) = words.as_chunks_mut::<COLUMNS>();
        for ((even, odd), words) in even.iter().zip(odd).zip(words) {
            for place in 0..SIDE {
                words[2 * place] = even[place];
                words[2 * place + 1] = odd[place];
            }
        }
    }
}
