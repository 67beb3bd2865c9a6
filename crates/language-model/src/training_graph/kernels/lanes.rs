//! Sums in 16 lanes, so that they become vector instructions: the order of additions is fixed, and the same for every
//! tier.

const LANES: usize = 16;

/// `Σ f(x, y)`.
#[inline(always)]
pub(in crate::training_graph) fn sum_pairs(
    x: &[f32],
    y: &[f32],
    f: impl Fn(f32, f32) -> f32,
) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (x, x_rest) = x.as_chunks::<LANES>();
    let (y, y_rest) = y.as_chunks::<LANES>();
    for (x, y) in x.iter().zip(y) {
        for lane in 0..LANES {
            lanes[lane] += f(x[lane], y[lane]);
        }
    }
    let mut sum = fold(lanes, |x, y| x + y);
    for (x, y) in x_rest.iter().zip(y_rest) {
        sum += f(*x, *y);
    }
    sum
}

/// The largest number; negative infinity where there is none.
#[inline(always)]
pub(in crate::training_graph) fn largest(numbers: &[f32]) -> f32 {
    let larger = |x: f32, y: f32| if y > x { y } else { x };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = numbers.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = larger(lanes[lane], chunk[lane]);
        }
    }
    rest.iter().fold(fold(lanes, larger), |x, y| larger(x, *y))
}

/// Replaces every number `x` by `f(x)` and returns the sum of the results.
#[inline(always)]
pub(in crate::training_graph) fn replace_and_sum(
    numbers: &mut [f32],
    f: impl Fn(f32) -> f32,
) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (chunks, rest) = numbers.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            chunk[lane] = f(chunk[lane]);
            lanes[lane] += chunk[lane];
        }
    }
    let mut sum = fold(lanes, |x, y| x + y);
    for number in rest {
        *number = f(*number);
        sum += *number;
    }
    sum
}

#[inline(always)]
fn fold(mut lanes: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = f(lanes[lane], lanes[lane + half]);
        }
        half /= 2;
    }
    lanes[0]
}
