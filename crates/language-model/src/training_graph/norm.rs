//! RMSNorm (Zhang and Sennrich 2019): `y = w x / rms(x)`.

use rayon::prelude::*;

/// `y = w x r` for each row of `[tokens, d]`, with `r = 1 / √(mean(x²) + epsilon)` kept in `inverse`, `[tokens]`.
pub(super) fn forward(x: &[f32], weight: &[f32], epsilon: f32, y: &mut [f32], inverse: &mut [f32]) {
    let d = weight.len();
    x.par_chunks(d)
        .zip(y.par_chunks_mut(d))
        .zip(inverse)
        .for_each(|((x, y), inverse)| {
            let squares: f32 = x.iter().map(|x| x * x).sum();
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
        .for_each(|(((dy, x), dx), r)| {
            let mut dot = 0.0;
            for ((dy, x), w) in dy.iter().zip(x).zip(weight) {
                dot += dy * x * w;
            }
            let along_x = dot * r * r * r / d as f32;
            for (((dx, dy), x), w) in dx.iter_mut().zip(dy).zip(x).zip(weight) {
                *dx += r * w * dy - along_x * x;
            }
        });
}

fn scale_row(x: &[f32], weight: &[f32], inverse: f32, y: &mut [f32]) {
    for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
        *y = w * x * inverse;
    }
}
