//! AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101), with gradients clipped by their norm.

use std::ops::Range;

use rayon::prelude::*;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;
/// Numbers that one thread takes at once; fixed, so that sums come out alike whatever the number of threads.
const STRETCH: usize = 1 << 14;

/// The moments of each parameter, and how often they were moved.
#[derive(Debug, Clone, PartialEq)]
pub struct Optimiser {
    /// Running mean of the gradient.
    pub first: Vec<f32>,
    /// Running mean of its square.
    pub second: Vec<f32>,
    /// Steps taken.
    pub steps: u32,
}

/// How one step moves.
#[derive(Debug, Clone, Copy)]
pub struct Stride<'a> {
    pub learning_rate: f32,
    /// Longer gradients are shortened to this.
    pub clip_norm: f32,
    /// Share of a weight, times the learning rate, that a step takes off.
    pub weight_decay: f32,
    /// Places whose numbers do not decay, in order.
    pub undecayed: &'a [Range<usize>],
}

impl Optimiser {
    /// Starts with moments of zero.
    pub fn new(parameters: usize) -> Self {
        Self {
            first: vec![0.0; parameters],
            second: vec![0.0; parameters],
            steps: 0,
        }
    }

    /// Moves `parameters` against `gradients`; returns the gradient's norm before clipping.
    pub fn step(&mut self, parameters: &mut [f32], gradients: &[f32], stride: Stride<'_>) -> f32 {
        let squares: Vec<f64> = gradients
            .par_chunks(STRETCH)
            .map(|part| part.iter().map(|x| f64::from(*x).powi(2)).sum())
            .collect();
        let norm = squares.iter().sum::<f64>().sqrt() as f32;
        let shrink = if norm > stride.clip_norm {
            stride.clip_norm / norm
        } else {
            1.0
        };
        self.steps += 1;
        let steps = self.steps.cast_signed();
        let correction1 = 1.0 - BETA1.powi(steps);
        let correction2 = 1.0 - BETA2.powi(steps);
        let rate = stride.learning_rate;
        let decay = 1.0 - rate * stride.weight_decay;
        let moments = self
            .first
            .par_chunks_mut(STRETCH)
            .zip(self.second.par_chunks_mut(STRETCH));
        parameters
            .par_chunks_mut(STRETCH)
            .zip(gradients.par_chunks(STRETCH))
            .zip(moments)
            .enumerate()
            .for_each(|(part, ((parameters, gradients), (first, second)))| {
                if stride.weight_decay > 0.0 {
                    let start = part * STRETCH;
                    fade(parameters, start, decay, stride.undecayed);
                }
                let moments = first.iter_mut().zip(second);
                for ((parameter, gradient), (first, second)) in
                    parameters.iter_mut().zip(gradients).zip(moments)
                {
                    let gradient = gradient * shrink;
                    *first = BETA1 * *first + (1.0 - BETA1) * gradient;
                    *second = BETA2 * *second + (1.0 - BETA2) * gradient * gradient;
                    let direction =
                        (*first / correction1) / ((*second / correction2).sqrt() + EPSILON);
                    *parameter -= rate * direction;
                }
            });
        norm
    }
}

/// Multiplies all of a stretch that begins at `start` but the `undecayed` places.
fn fade(parameters: &mut [f32], start: usize, decay: f32, undecayed: &[Range<usize>]) {
    let end = start + parameters.len();
    let mut next = start;
    let inside = undecayed
        .iter()
        .filter(|place| place.start < end && place.end > start);
    for place in inside.map(|place| place.start.max(start)..place.end.min(end)) {
        if let Some(part) = parameters.get_mut(next - start..place.start - start) {
            part.iter_mut().for_each(|x| *x *= decay);
        }
        next = place.end;
    }
    if let Some(part) = parameters.get_mut(next - start..) {
        part.iter_mut().for_each(|x| *x *= decay);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stride(learning_rate: f32) -> Stride<'static> {
        Stride {
            learning_rate,
            clip_norm: 1.0,
            weight_decay: 0.0,
            undecayed: &[],
        }
    }

    fn three_steps(stride: Stride<'_>) -> Vec<f32> {
        let mut optimiser = Optimiser::new(1);
        let mut parameter = [1.0];
        let mut seen = Vec::new();
        for gradient in [0.3, -0.2, 0.1] {
            optimiser.step(&mut parameter, &[gradient], stride);
            seen.push(parameter[0]);
        }
        seen
    }

    /// From torch.optim.AdamW(lr=0.1, weight_decay=0), 3 steps with gradients 0.3, -0.2, 0.1 on 1.0; and from the
    /// paper's algorithm 2 by hand for a decay of 0.5.
    #[test]
    fn steps_are_those_of_pytorch() {
        let decayed = Stride {
            weight_decay: 0.5,
            ..stride(0.1)
        };
        for (stride, expected) in [
            (stride(0.1), [0.9, 0.885_547_93, 0.857_697_06]),
            (decayed, [0.85, 0.793_047_9, 0.725_544_7]),
        ] {
            for (found, expected) in three_steps(stride).iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
            }
        }
    }

    #[test]
    fn places_that_do_not_decay_stay() {
        let decayed = Stride {
            weight_decay: 1.0,
            undecayed: &[1..2, 4..20_000],
            ..stride(0.5)
        };
        let mut parameters = vec![1.0; 20_002];
        let gradients = vec![0.0; 20_002];
        Optimiser::new(20_002).step(&mut parameters, &gradients, decayed);
        assert_eq!(parameters[..5], [0.5, 1.0, 0.5, 0.5, 1.0]);
        assert_eq!(parameters[19_998..], [1.0, 1.0, 0.5, 0.5]);
    }

    #[test]
    fn long_gradients_are_clipped_and_reported_whole() {
        let mut one = Optimiser::new(2);
        let mut other = Optimiser::new(2);
        let (mut a, mut b) = ([0.0; 2], [0.0; 2]);
        assert!((one.step(&mut a, &[30.0, 40.0], stride(0.1)) - 50.0).abs() < 1e-4);
        assert!((other.step(&mut b, &[0.6, 0.8], stride(0.1)) - 1.0).abs() < 1e-6);
        for (x, y) in one.first.iter().zip(&other.first) {
            assert!((x - y).abs() < 1e-6, "clipped to {x}, expected {y}");
        }
    }
}
