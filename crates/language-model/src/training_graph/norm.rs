//! RMSNorm (Zhang and Sennrich 2019): `y = w x / rms(x)`.

use rayon::prelude::*;

use super::kernels::{lanes::sum_pairs, vectorised};

/// `y = w x r` for each row of `[tokens, d]`, with `r = 1 / √(mean(x²) + epsilon)` kept in `inverse`, `[tokens]`.
pub(super) fn forward(x: &[f32], weight: &[f32], epsilon: f32, y: &mut [f32], inverse: &mut [f32]) {
    let d = weight.len();
    x.par_chunks(d)
        .zip(y.par_chunks_mut(d))
        .zip(inverse)
        .with_min_len(8)
        .for_each(|((x, y), inverse)| {
            let squares = squares(x);
            *inverse = 1.0 / (squares / d as f32 + epsilon).sqrt();
            scale_row(x, weight, *inverse, y);
        });
}

/// `y` again, from the kept `inverse`.
pub(super) fn again(x: &[f32], weight: &[f32], inverse: &[f32], y: &mut [f32]) {
    let d = weight.len();
    x.par_chunks(d)
        .zip(y.par_chunks_mut(d))
        .zip(inverse)
        .for_each(|((x, y), inverse)| scale_row(x, weight, *inverse, y));
}

/// Adds the gradient of `x` to `dx`: `r (w dy) - x r³ mean(x w dy)`.
pub(super) fn backward(dy: &[f32], x: &[f32], weight: &[f32], inverse: &[f32], dx: &mut [f32]) {
    let d = weight.len();
    dy.par_chunks(d)
        .zip(x.par_chunks(d))
        .zip(dx.par_chunks_mut(d))
        .zip(inverse)
        .with_min_len(8)
        .for_each(|(((dy, x), dx), r)| backward_row(dy, x, weight, *r, dx));
}

vectorised! {
    fn backward_row(dy: &[f32], x: &[f32], weight: &[f32], r: f32, dx: &mut [f32]) {
        let mut along = [0.0f32; 64];
        let mut dot = 0.0;
        for ((dy, x), weight) in dy.chunks(64).zip(x.chunks(64)).zip(weight.chunks(64)) {
            for ((place, x), w) in along.iter_mut().zip(x).zip(weight) {
                *place = x * w;
            }
            dot += sum_pairs(dy, &along[..dy.len()], |dy, xw| dy * xw);
        }
        let along_x = dot * r * r * r / weight.len() as f32;
        for (((dx, dy), x), w) in dx.iter_mut().zip(dy).zip(x).zip(weight) {
            *dx += r * w * dy - along_x * x;
        }
    }
}

vectorised! {
    fn squares(x: &[f32]) -> f32 {
        sum_pairs(x, x, |x, y| x * y)
    }
}

/// Rows whose sum is one partial sum of a weight's gradient.
const ROWS: usize = 64;

/// Adds the gradient of the weights: the sum over all rows of `dy x r`, in the same order for any number of threads.
pub(super) fn add_weight_gradient(dy: &[f32], x: &[f32], inverse: &[f32], gradient: &mut [f32]) {
    let d = gradient.len();
    let partial: Vec<Vec<f32>> = dy
        .par_chunks(ROWS * d)
        .zip(x.par_chunks(ROWS * d))
        .zip(inverse.par_chunks(ROWS))
        .map(|((dy, x), inverse)| {
            let mut sum = vec![0.0; d];
            for ((dy, x), r) in dy.chunks(d).zip(x.chunks(d)).zip(inverse) {
                for ((sum, dy), x) in sum.iter_mut().zip(dy).zip(x) {
                    *sum += dy * x * r;
                }
            }
            sum
        })
        .collect();
    for partial in partial {
        gradient
            .iter_mut()
            .zip(partial)
            .for_each(|(sum, partial)| *sum += partial);
    }
}

vectorised! {
    fn scale_row(x: &[f32], weight: &[f32], inverse: f32, y: &mut [f32]) {
        for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
            *y = w * x * inverse;
        }
    }
}
