//! What an adapter makes of one row: two thin products with half-precision weights.

use super::{
    super::packed::{from_half, to_half},
    Tier,
};

/// Numbers that are computed side by side; rows of weights are padded to a multiple.
pub(in crate::inference) const LANES: usize = 16;

/// `out[r] = a[r] · x`; `a`: `[rank][stride]` halves, of which as many count as `x` has.
///
/// # Panics
/// Where `a` is shorter.
pub(in crate::inference) fn reduce(a: &[u16], stride: usize, x: &[f32], out: &mut [f32]) {
    assert!(stride >= x.len() && stride.is_multiple_of(LANES) && a.len() >= stride * out.len());
    #[cfg(target_arch = "x86_64")]
    if Tier::best() >= Tier::Avx512Vnni {
        // SAFETY: the tier is supported; the lengths are asserted.
        unsafe { wide::reduce(a, stride, x, out) };
        return;
    }
    for (out, a) in out.iter_mut().zip(a.chunks_exact(stride)) {
        let mut sums = [0.0f32; LANES];
        for (a, x) in a.chunks(LANES).zip(x.chunks(LANES)) {
            for ((sum, a), x) in sums.iter_mut().zip(a).zip(x) {
                *sum = from_half(*a).mul_add(*x, *sum);
            }
        }
        *out = fold(sums);
    }
}

/// `out += sum over r of factors[r] b[r]`; `b`: `[rank][stride]` halves, of which as many count as `out` has.
///
/// # Panics
/// Where `b` is shorter.
pub(in crate::inference) fn expand(b: &[u16], stride: usize, factors: &[f32], out: &mut [f32]) {
    assert!(
        stride >= out.len() && stride.is_multiple_of(LANES) && b.len() >= stride * factors.len()
    );
    #[cfg(target_arch = "x86_64")]
    if Tier::best() >= Tier::Avx512Vnni {
        // SAFETY: the tier is supported; the lengths are asserted.
        unsafe { wide::expand(b, stride, factors, out) };
        return;
    }
    for (factor, b) in factors.iter().zip(b.chunks_exact(stride)) {
        for (out, b) in out.iter_mut().zip(b) {
            *out = factor.mul_add(from_half(*b), *out);
        }
    }
}

/// Asks for weights that are needed soon: adapters are many and each is read once a step, so that they come from memory.
pub(in crate::inference) fn fetch(weights: &[u16]) {
    #[cfg(target_arch = "x86_64")]
    for line in weights.chunks(32) {
        // SAFETY: a prefetch changes nothing but what is cached; the processor is an x86-64.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
                line.as_ptr().cast(),
            );
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = weights;
}

/// Rounds to half precision, as many as both have.
pub(in crate::inference) fn round(values: &[f32], out: &mut [u16]) {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let done = chunks.len() * LANES;
    for (chunk, out) in chunks.iter().zip(out.chunks_exact_mut(LANES)) {
        #[cfg(target_arch = "x86_64")]
        if Tier::best() >= Tier::Avx512Vnni {
            // SAFETY: the tier is supported; there are sixteen places.
            unsafe { wide::round(chunk, out) };
            continue;
        }
        for (out, value) in out.iter_mut().zip(chunk) {
            *out = to_half(*value);
        }
    }
    for (out, value) in out.iter_mut().skip(done).zip(rest) {
        *out = to_half(*value);
    }
}

/// The sum of the lanes, halves added to halves.
fn fold(mut sums: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::{
        __m512, _MM_FROUND_TO_NEAREST_INT, _mm256_loadu_si256, _mm256_storeu_si256,
        _mm512_cvtph_ps, _mm512_cvtps_ph, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps,
        _mm512_maskz_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
    };

    use super::{LANES, fold};

    /// Rows of weights that are read side by side.
    const AT_ONCE: usize = 8;

    /// # Safety
    /// The processor has AVX-512 F; `a` has `stride` halves for each of `out`, and `stride` is a multiple of the lanes
    /// and no less than `x` is long.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn reduce(a: &[u16], stride: usize, x: &[f32], out: &mut [f32]) {
        let mut done = 0;
        while done < out.len() {
            let count = (out.len() - done).min(AT_ONCE);
            let mut sums = [_mm512_setzero_ps(); AT_ONCE];
            for (number, x) in x.chunks(LANES).enumerate() {
                // SAFETY: the row has `stride` halves, a whole number of lanes.
                unsafe {
                    let x = load(x);
                    let a = a.as_ptr().add(done * stride + number * LANES);
                    if count == AT_ONCE {
                        for (r, sum) in sums.iter_mut().enumerate() {
                            *sum = _mm512_fmadd_ps(halves(a.add(r * stride)), x, *sum);
                        }
                    } else {
                        for (r, sum) in sums.iter_mut().enumerate().take(count) {
                            *sum = _mm512_fmadd_ps(halves(a.add(r * stride)), x, *sum);
                        }
                    }
                }
            }
            for (out, sum) in out[done..done + count].iter_mut().zip(sums) {
                let mut lanes = [0.0; LANES];
                // SAFETY: sixteen floats fit.
                unsafe { _mm512_storeu_ps(lanes.as_mut_ptr(), sum) };
                *out = fold(lanes);
            }
            done += count;
        }
    }

    /// # Safety
    /// The processor has AVX-512 F; `b` has `stride` halves for each of `factors`, and `stride` is a multiple of the
    /// lanes and no less than `out` is long.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn expand(b: &[u16], stride: usize, factors: &[f32], out: &mut [f32]) {
        for (number, out) in out.chunks_mut(LANES).enumerate() {
            // SAFETY: the rows have `stride` halves, a whole number of lanes.
            unsafe {
                let mut sum = load(out);
                let b = b.as_ptr().add(number * LANES);
                for (r, factor) in factors.iter().enumerate() {
                    sum = _mm512_fmadd_ps(_mm512_set1_ps(*factor), halves(b.add(r * stride)), sum);
                }
                _mm512_mask_storeu_ps(out.as_mut_ptr(), mask(out.len()), sum);
            }
        }
    }

    /// # Safety
    /// The processor has AVX-512 F; `out` has sixteen places.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn round(values: &[f32; LANES], out: &mut [u16]) {
        // SAFETY: sixteen floats and sixteen places.
        unsafe {
            let values = _mm512_loadu_ps(values.as_ptr());
            let halves = _mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT }>(values);
            _mm256_storeu_si256(out.as_mut_ptr().cast(), halves);
        }
    }

    fn mask(length: usize) -> u16 {
        ((1u32 << length.min(LANES)) - 1) as u16
    }

    #[target_feature(enable = "avx512f")]
    fn load(values: &[f32]) -> __m512 {
        // SAFETY: the mask keeps the load inside the slice.
        unsafe { _mm512_maskz_loadu_ps(mask(values.len()), values.as_ptr()) }
    }

    /// # Safety
    /// Sixteen halves are there.
    #[target_feature(enable = "avx512f")]
    unsafe fn halves(bits: *const u16) -> __m512 {
        // SAFETY: as promised.
        _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(bits.cast()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::Noise;

    #[test]
    fn halves_are_rounded_alike_by_all_instructions() {
        let values: Vec<f32> = (0..50)
            .map(|i| (i as f32 - 20.0) * 1.2345e-3 * 3f32.powi(i % 11))
            .chain([65504.0, 1e-9, -0.0])
            .collect();
        let mut found = vec![0; values.len()];
        round(&values, &mut found);
        let expected: Vec<u16> = values.iter().map(|value| to_half(*value)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn thin_products_follow_their_definition() {
        let mut noise = Noise::new(5);
        for (rank, length) in [(1, 16), (4, 40), (8, 576), (13, 100)] {
            let stride = usize::next_multiple_of(length, LANES);
            let weights: Vec<u16> = noise
                .samples(rank * stride, 1.0)
                .into_iter()
                .map(to_half)
                .collect();
            let x = noise.samples(length, 1.0);
            let mut reduced = vec![0.0; rank];
            reduce(&weights, stride, &x, &mut reduced);
            let mut expanded = x.clone();
            expand(&weights, stride, &reduced, &mut expanded);
            for (r, found) in reduced.iter().enumerate() {
                let row = &weights[r * stride..];
                let exact: f64 = (0..length)
                    .map(|i| f64::from(from_half(row[i])) * f64::from(x[i]))
                    .sum();
                assert!(
                    (f64::from(*found) - exact).abs() < 1e-4,
                    "{found} for {exact}"
                );
            }
            for (i, found) in expanded.iter().enumerate() {
                let sum: f32 = (0..rank)
                    .map(|r| reduced[r] * from_half(weights[r * stride + i]))
                    .sum();
                assert!((found - x[i] - sum).abs() < 1e-2, "{found}");
            }
        }
    }
}
