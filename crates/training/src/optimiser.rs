//! AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) without weight decay, as is usual for adapters.

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;
/// Gradients longer than this are shortened to it.
pub const CLIP_NORM: f32 = 1.0;

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
    pub fn step(&mut self, parameters: &mut [f32], gradients: &[f32], learning_rate: f32) -> f32 {
        let squares: f64 = gradients
            .iter()
            .map(|gradient| f64::from(*gradient).powi(2))
            .sum();
        let norm = squares.sqrt() as f32;
        let shrink = if norm > CLIP_NORM {
            CLIP_NORM / norm
        } else {
            1.0
        };
        self.steps += 1;
        let steps = self.steps.cast_signed();
        let correction1 = 1.0 - BETA1.powi(steps);
        let correction2 = 1.0 - BETA2.powi(steps);
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((parameter, gradient), (first, second)) in
            parameters.iter_mut().zip(gradients).zip(moments)
        {
            let gradient = gradient * shrink;
            *first = BETA1 * *first + (1.0 - BETA1) * gradient;
            *second = BETA2 * *second + (1.0 - BETA2) * gradient * gradient;
            let direction = (*first / correction1) / ((*second / correction2).sqrt() + EPSILON);
            *parameter -= learning_rate * direction;
        }
        norm
    }
}

/// The rate at `step` (from 1): rises over `warmup` steps, then falls in a straight line towards zero at the end.
pub fn learning_rate(peak: f32, step: u32, warmup: u32, total: u32) -> f32 {
    if step <= warmup {
        return peak * step as f32 / warmup as f32;
    }
    let left = total.saturating_sub(step) + 1;
    peak * left as f32 / total.saturating_sub(warmup).max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From torch.optim.AdamW(lr=0.1, weight_decay=0), 3 steps with gradients 0.3, -0.2, 0.1 on 1.0.
    #[test]
    fn steps_are_those_of_pytorch() {
        let mut optimiser = Optimiser::new(1);
        let mut parameter = [1.0];
        let mut seen = Vec::new();
        for gradient in [0.3, -0.2, 0.1] {
            optimiser.step(&mut parameter, &[gradient], 0.1);
            seen.push(parameter[0]);
        }
        for (found, expected) in seen.iter().zip(TORCH) {
            assert!(
                (found - expected).abs() < 1e-6,
                "{found} where PyTorch has {expected}"
            );
        }
    }

    const TORCH: [f32; 3] = [0.9, 0.885_547_93, 0.857_697_06];

    #[test]
    fn long_gradients_are_clipped_and_reported_whole() {
        let mut one = Optimiser::new(2);
        let mut other = Optimiser::new(2);
        let (mut a, mut b) = ([0.0; 2], [0.0; 2]);
        assert!((one.step(&mut a, &[30.0, 40.0], 0.1) - 50.0).abs() < 1e-4);
        assert!((other.step(&mut b, &[0.6, 0.8], 0.1) - 1.0).abs() < 1e-6);
        for (x, y) in one.first.iter().zip(&other.first) {
            assert!((x - y).abs() < 1e-6, "clipped to {x}, expected {y}");
        }
    }

    #[test]
    fn the_rate_rises_then_falls_to_nearly_nothing() {
        let rates: Vec<f32> = (1..=6).map(|step| learning_rate(1.0, step, 2, 6)).collect();
        assert_eq!(rates, [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]);
        assert!(learning_rate(1.0, 1, 0, 1) > 0.0);
    }
}
