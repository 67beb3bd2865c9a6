//! Pairs of bfloat16 taken apart into singles, for processors whose products of singles are the faster ones.
//!
//! The rows of a share are taken apart once for all panels, a stretch of a panel once for all rows of the share: what is
//! multiplied then are singles, and weights still take half the memory.

use std::{cell::RefCell, ops::Range};

use super::kernels::{Factors, ROWS, vectorised};

/// Two products' factors, the second of which may be of nothing. Buffers stay as large as they ever were needed.
#[derive(Debug, Default)]
pub(super) struct Apart {
    left: Buffer,
    more_left: Buffer,
    right: Buffer,
    more_right: Buffer,
    /// Singles of a tile in `left` and in `more_left`.
    each: usize,
    more_each: usize,
}

/// What is of use of it is written anew each time and need not be cleared.
#[derive(Debug, Default)]
struct Buffer {
    numbers: Vec<f32>,
    used: usize,
}

impl Apart {
    /// Lends this thread's buffers to `work`.
    pub(super) fn with(work: impl FnOnce(&mut Self)) {
        thread_local! {
            static OF_THREAD: RefCell<Apart> = RefCell::default();
        }
        OF_THREAD.with_borrow_mut(work);
    }

    /// Takes tiles of rows apart: the words of each for both products, all steps, `stretch` of them at once.
    pub(super) fn set_rows<'a>(
        &mut self,
        stretch: usize,
        tiles: impl Iterator<Item = (&'a [f32], &'a [f32])>,
    ) {
        (self.left.used, self.more_left.used) = (0, 0);
        for (words, more) in tiles {
            (self.each, self.more_each) = (2 * words.len(), 2 * more.len());
            for words in words.chunks(stretch * ROWS) {
                take_apart(words, self.left.next(2 * words.len()));
            }
            take_apart(more, self.more_left.next(self.more_each));
        }
    }

    /// Takes some steps of a panel apart, and a panel of the second product.
    pub(super) fn set_columns(&mut self, words: &[f32], more: &[f32]) {
        (self.right.used, self.more_right.used) = (0, 0);
        take_apart(words, self.right.next(2 * words.len()));
        take_apart(more, self.more_right.next(2 * more.len()));
    }

    /// The factors of a tile, counted from the first, over the steps of pairs that its columns are of: one stretch.
    pub(super) fn factors(&self, tile: usize, steps: Range<usize>) -> [Factors<'_>; 2] {
        let left = &self.left.used()[tile * self.each..][..self.each];
        let more: &[f32] = match self.more_right.used {
            0 => &[],
            _ => &self.more_left.used()[tile * self.more_each..][..self.more_each],
        };
        [
            (
                &left[2 * ROWS * steps.start..2 * ROWS * steps.end],
                self.right.used(),
            ),
            (more, self.more_right.used()),
        ]
    }
}

impl Buffer {
    /// Room for so many more numbers.
    fn next(&mut self, count: usize) -> &mut [f32] {
        let start = self.used;
        self.used += count;
        if self.numbers.len() < self.used {
            self.numbers.resize(self.used, 0.0);
        }
        &mut self.numbers[start..self.used]
    }

    fn used(&self) -> &[f32] {
        &self.numbers[..self.used]
    }
}

vectorised! {
    /// Pairs as twice as many singles: all low halves, then all high ones. The order of the inner dimension does not
    /// matter where both factors have the same.
    pub(super) fn take_apart(words: &[f32], out: &mut [f32]) {
        let (low, high) = out.split_at_mut(words.len());
        for (word, low) in words.iter().zip(low) {
            *low = f32::from_bits(word.to_bits() << 16);
        }
        for (word, high) in words.iter().zip(high) {
            *high = f32::from_bits(word.to_bits() & 0xffff_0000);
        }
    }
}
