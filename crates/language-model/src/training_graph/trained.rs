//! What a pass through the graph trains.

use super::crew::{rows_at_once, share_out};
use crate::{lora::LoraAdapter, whole_weights::WholeWeights};

/// What is trained, beside or instead of the model's own weights.
#[derive(Debug, Clone, Copy)]
pub enum Trained<'a> {
    /// Nothing: the model as it is.
    None,
    /// Adapters over frozen weights.
    Lora(&'a LoraAdapter, &'a Dropout),
    /// All weights; the model's own, if it has any, are not looked at.
    Whole(&'a WholeWeights),
}

impl<'a> Trained<'a> {
    /// An adapter as it is used after training, without dropout.
    pub fn lora(adapter: &'a LoraAdapter) -> Self {
        Self::Lora(adapter, &Dropout::NONE)
    }
}

/// Dropout of what the adapters read (Hu et al. 2021; Srivastava et al. 2014): each number is left out with
/// probability `rate`, the others grow by `1 / (1 - rate)`.
///
/// Which ones is decided by `seed`, `step`, block, group of projections, row of the batch and column alone: there is
/// no generator whose state would have to be kept. Projections that read the same input share their draw; PEFT draws
/// for each on its own.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Dropout {
    /// 0.0 up to, but not, 1.0.
    pub rate: f32,
    pub seed: u64,
    /// Another one for each call that should draw anew.
    pub step: u64,
}

impl Dropout {
    /// Nothing is left out.
    pub const NONE: Self = Self {
        rate: 0.0,
        seed: 0,
        step: 0,
    };

    /// The draw for one group of projections; none where nothing is left out. `first_row` is the row of the whole
    /// batch at which this part of it starts.
    pub(super) fn mask(&self, layer: usize, group: usize, first_row: usize) -> Option<Mask> {
        if self.rate <= 0.0 {
            return None;
        }
        let place = (layer as u64) << 2 | group as u64;
        let key = [self.seed, self.step, place]
            .into_iter()
            .fold(0, |key, part| mix(key ^ part));
        // Of 65,536 equally likely draws, so many are left out.
        let threshold = (self.rate.min(0.999) * 65_536.0).round() as u64;
        Some(Mask {
            key,
            threshold,
            factor: 65_536.0 / (65_536 - threshold.min(65_535)) as f32,
            first_row: first_row as u64,
        })
    }
}

/// Which numbers of a `[rows, columns]` matrix are left out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mask {
    key: u64,
    threshold: u64,
    factor: f32,
    first_row: u64,
}

impl Mask {
    /// `out = mask(x)`, or `out += mask(x)`.
    pub(super) fn apply(self, x: &[f32], columns: usize, out: &mut [f32], adds: bool) {
        let some = rows_at_once(x.len() / columns);
        let shares = x.chunks(some * columns).zip(out.chunks_mut(some * columns));
        share_out(shares.enumerate(), |(share, (x, out))| {
            let rows = x.chunks(columns).zip(out.chunks_mut(columns));
            for (row, (x, out)) in rows.enumerate() {
                let row = mix(self.key ^ (self.first_row + (share * some + row) as u64));
                for (block, (x, out)) in x.chunks(4).zip(out.chunks_mut(4)).enumerate() {
                    let draws = mix(row.wrapping_add(block as u64));
                    for (place, (x, out)) in x.iter().zip(out).enumerate() {
                        let stays = (draws >> (16 * place)) & 0xffff >= self.threshold;
                        let kept = if stays { x * self.factor } else { 0.0 };
                        *out = if adds { *out + kept } else { kept };
                    }
                }
            }
        });
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): a step of the counter, then its mixing function.
fn mix(counter: u64) -> u64 {
    let mut z = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(dropout: Dropout, layer: usize, first_row: usize, rows: usize) -> Vec<f32> {
        let ones = vec![1.0; rows * 100];
        let mut out = vec![0.0; ones.len()];
        if let Some(mask) = dropout.mask(layer, 1, first_row) {
            mask.apply(&ones, 100, &mut out, false);
        }
        out
    }

    #[test]
    fn as_many_are_left_out_as_the_rate_says_and_the_mean_stays() {
        let dropout = Dropout {
            rate: 0.1,
            seed: 5,
            step: 3,
        };
        let out = draw(dropout, 0, 0, 1000);
        let zeros = out.iter().filter(|x| **x == 0.0).count() as f64 / out.len() as f64;
        let mean = out.iter().map(|x| f64::from(*x)).sum::<f64>() / out.len() as f64;
        // Three standard deviations of a binomial of 100,000.
        assert!((zeros - 0.1).abs() < 0.003, "{zeros}");
        assert!((mean - 1.0).abs() < 0.004, "{mean}");
    }

    #[test]
    fn the_draw_depends_on_seed_step_block_and_row_and_nothing_else() {
        let dropout = Dropout {
            rate: 0.5,
            seed: 5,
            step: 3,
        };
        let whole = draw(dropout, 2, 0, 8);
        assert_eq!(whole, draw(dropout, 2, 0, 8));
        assert_eq!(
            whole[300..],
            draw(dropout, 2, 3, 5),
            "a later part draws as the whole"
        );
        assert_ne!(whole, draw(dropout, 3, 0, 8));
        assert_ne!(whole, draw(Dropout { step: 4, ..dropout }, 2, 0, 8));
        assert_ne!(whole, draw(Dropout { seed: 6, ..dropout }, 2, 0, 8));
        assert!(Dropout::NONE.mask(0, 0, 0).is_none());
    }
}
