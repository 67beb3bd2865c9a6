//! Buffers that are used again, because fresh pages from the system cost more than the sums done in them.

use std::collections::HashMap;

use super::crew::share_out;

/// Numbers that a thread copies at once.
const SHARE: usize = 1 << 15;

/// Buffers of f32 that are not in use, by their capacity: a power of two.
///
/// Batches differ a little in length, so a class serves them all. The unused end of a buffer is never touched and
/// takes no memory.
#[derive(Debug, Default)]
pub(super) struct Pool {
    free: HashMap<usize, Vec<Vec<f32>>>,
}

impl Pool {
    /// A buffer of `length` numbers. What it holds is left over from earlier use.
    pub(super) fn take(&mut self, length: usize) -> Vec<f32> {
        let class = length.next_power_of_two();
        // One of this length needs no zeros at its end. A larger one from a longer batch does as well; batches differ
        // a little and should share one set.
        let free = [class, 2 * class].iter().find_map(|class| {
            let free = self.free.get_mut(class)?;
            let same = free.iter().rposition(|buffer| buffer.len() == length);
            same.map(|place| free.swap_remove(place))
                .or_else(|| free.pop())
        });
        let mut buffer = free.unwrap_or_else(|| Vec::with_capacity(class));
        buffer.resize(length, 0.0);
        buffer
    }

    /// A buffer of `length` zeros.
    pub(super) fn zeros(&mut self, length: usize) -> Vec<f32> {
        let mut buffer = self.take(length);
        buffer.fill(0.0);
        buffer
    }

    /// A buffer that holds what `source` holds.
    pub(super) fn copy(&mut self, source: &[f32]) -> Vec<f32> {
        let mut buffer = self.take(source.len());
        let shares = buffer.chunks_mut(SHARE).zip(source.chunks(SHARE));
        share_out(shares, |(buffer, source)| buffer.copy_from_slice(source));
        buffer
    }

    /// Gives all buffers that are not in use back to the system.
    pub(super) fn clear(&mut self) {
        self.free.clear();
    }

    /// Gives buffers back.
    pub(super) fn give<const N: usize>(&mut self, buffers: [Vec<f32>; N]) {
        for buffer in buffers {
            let class = buffer.capacity();
            if class > 0 {
                self.free.entry(class).or_default().push(buffer);
            }
        }
    }
}
