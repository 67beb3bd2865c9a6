//! Blocks of 32 by 32 numbers turned over: what a packed factor needs to multiply the other way.

use super::{
    form::Form,
    kernels::{COLUMNS, SIDE, ask_for, turn, turn_pairs},
};

/// Turns a block of a packed right factor, 32 numbers of the inner dimension by 32 columns, into the same block of its
/// transpose. A block at the factor's end may have fewer numbers, and zeros stand for the others. `next` will be read
/// soon.
pub(super) fn turn_block(form: Form, source: &[f32], words: &mut [f32], next: &[f32]) {
    const HALF: usize = SIDE * COLUMNS;
    if form == Form::Singles {
        ask_for(next);
        turn_singles(source, words);
        return;
    }
    let halves = source.chunks(HALF).zip(words.chunks_mut(HALF));
    for (half, (source, words)) in halves.enumerate() {
        let next = next.chunks(HALF).nth(half).unwrap_or_default();
        let whole = (source.try_into(), <&mut [f32; HALF]>::try_from(&mut *words));
        if let (Ok(source), Ok(words)) = whole {
            ask_for(next);
            turn_pairs(source, words);
        } else {
            turn_pairs_plainly(source, words);
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

/// The same for pairs, without instructions of its own; there may be fewer rows.
pub(super) fn turn_pairs_plainly(source: &[f32], words: &mut [f32]) {
    words.fill(0.0);
    let (rows, _) = source.as_chunks::<COLUMNS>();
    let (words, _) = words.as_chunks_mut::<COLUMNS>();
    for (place, row) in rows.iter().enumerate() {
        let (pairs, _) = row.as_chunks::<2>();
        for (pair, words) in pairs.iter().zip(words.iter_mut()) {
            let (x, y) = (pair[0].to_bits(), pair[1].to_bits());
            words[2 * place] = f32::from_bits((x & 0xffff) | (y << 16));
            words[2 * place + 1] = f32::from_bits((x >> 16) | (y & 0xffff_0000));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_pairs_are_turned_over() {
        const HALF: usize = SIDE * COLUMNS;
        let number = |step: usize, column: usize| (64 * step + column) as u32;
        let mut source = [0.0; HALF];
        for (place, word) in source.iter_mut().enumerate() {
            let (step, column) = (place / COLUMNS, place % COLUMNS);
            let pair = number(2 * step, column) | (number(2 * step + 1, column) << 16);
            *word = f32::from_bits(pair);
        }
        let mut words = [1.0; HALF];
        turn_block(Form::Pairs, &source, &mut words, &[]);
        for (place, word) in words.iter().enumerate() {
            let (step, column) = (place / COLUMNS, place % COLUMNS);
            let pair = number(column, 2 * step) | (number(column, 2 * step + 1) << 16);
            assert_eq!(word.to_bits(), pair, "step {step}, column {column}");
        }
        let mut plain = [1.0; HALF];
        turn_pairs_plainly(&source, &mut plain);
        assert_eq!(plain.map(f32::to_bits), words.map(f32::to_bits));
    }
}
