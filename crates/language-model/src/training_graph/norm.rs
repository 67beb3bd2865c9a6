//! RMSNorm (Zhang and Sennrich 2019): `y = w x / rms(x)`.

use super::{
    crew::{rows_at_once, share_out},
    kernels::{lanes::sum_pairs, vectorised},
};

/// `y = w x r` for each row of `[tokens, d]`, with `r = 1 / √(mean(x²) + epsilon)` kept in `inverse`, `[tokens]`.
pub(super) fn forward(x: &[f32], weight: &[f32], epsilon: f32, y: &mut [f32], inverse: &mut [f32]) {
    let d = weight.len();
    let some = rows_at_once(inverse.len());
    let shares = x.chunks(some * d).zip(y.chunks_mut(some * d));
    share_out(shares.zip(inverse.chunks_mut(some)), |((x, y), inverse)| {
        for ((x, y), inverse) in x.chunks(d).zip(y.chunks_mut(d)).zip(inverse) {
            *inverse = 1.0 / (squares(x) / d as f32 + epsilon).sqrt();
            scale_row(x, weight, *inverse, y);
        }
    });
}

/// `y` again, from the kept `inverse`.
pub(super) fn again(x: &[f32], weight: &[f32], inverse: &[f32], y: &mut [f32]) {
    let d = weight.len();
    let some = rows_at_once(inverse.len());
    let shares = x.chunks(some * d).zip(y.chunks_mut(some * d));
    share_out(shares.zip(inverse.chunks(some)), |((x, y), inverse)| {
        for ((x, y), inverse) in x.chunks(d).zip(y.chunks_mut(d)).zip(inverse) {
            scale_row(x, weight, *inverse, y);
        }
    });
}

/// Adds the gradient of `x` to `dx`: `r (w dy) - x r³ mean(x w dy)`.
pub(super) fn backward(dy: &[f32], x: &[f32], weight: &[f32], inverse: &[f32], dx: &mut [f32]) {
    let d = weight.len();
    let some = rows_at_once(inverse.len());
    let shares = dy.chunks(some * d).zip(x.chunks(some * d));
    let places = dx.chunks_mut(some * d).zip(inverse.chunks(some));
    share_out(shares.zip(places), |((dy, x), (dx, inverse))| {
        let rows = dy.chunks(d).zip(x.chunks(d));
        for ((dy, x), (dx, r)) in rows.zip(dx.chunks_mut(d).zip(inverse)) {
            backward_row(dy, x, weight, *r, dx);
        }
    });
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
    let mut partial = vec![0.0; inverse.len().div_ceil(ROWS) * d];
    let shares = dy.chunks(ROWS * d).zip(x.chunks(ROWS * d));
    let places = partial.chunks_mut(d).zip(inverse.chunks(ROWS));
    share_out(shares.zip(places), |((dy, x), (sum, inverse))| {
        for ((dy, x), r) in dy.chunks(d).zip(x.chunks(d)).zip(inverse) {
            for ((sum, dy), x) in sum.iter_mut().zip(dy).zip(x) {
                *sum += dy * x * r;
            }
        }
    });
    for partial in partial.chunks(d) {
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
