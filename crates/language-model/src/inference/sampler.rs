use std::collections::HashMap;

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// 0: always the likeliest token.
    pub temperature: f32,
    /// Only the likeliest tokens that together reach this probability (Holtzman et al. 2020); 1: all.
    pub top_p: f32,
    /// Taken off a token's logit for each time it has been chosen.
    pub frequency_penalty: f32,
    /// Taken off a token's logit once it has been chosen.
    pub presence_penalty: f32,
    /// The same seed and the same logits give the same tokens.
    pub seed: u64,
}

impl Sampling {
    /// The likeliest token, always.
    pub fn greedy() -> Self {
        Self {
            temperature: 0.0,
            top_p: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            seed: 0,
        }
    }
}

/// Chooses the tokens of one sequence.
#[derive(Debug, Clone)]
pub struct Sampler {
    sampling: Sampling,
    state: u64,
    /// How often each token has been chosen.
    chosen: HashMap<u32, u32>,
    candidates: Vec<(u32, f32)>,
}

impl Sampler {
    /// A sampler at its start.
    pub fn new(sampling: Sampling) -> Self {
        Self {
            sampling,
            state: sampling.seed,
            chosen: HashMap::new(),
            candidates: Vec::new(),
        }
    }

    /// Chooses from `logits`, one for each token; they may be changed. Ties go to the lowest token.
    pub fn choose(&mut self, logits: &mut [f32]) -> u32 {
        self.penalise(logits);
        let token = if self.sampling.temperature <= 0.0 || self.sampling.top_p <= 0.0 {
            the_likeliest(logits)
        } else {
            self.draw(logits)
        };
        if self.has_penalties() {
            *self.chosen.entry(token).or_default() += 1;
        }
        token
    }

    fn has_penalties(&self) -> bool {
        self.sampling.frequency_penalty != 0.0 || self.sampling.presence_penalty != 0.0
    }

    fn penalise(&self, logits: &mut [f32]) {
        for (&token, &times) in &self.chosen {
            if let Some(logit) = logits.get_mut(token as usize) {
                let frequency = self.sampling.frequency_penalty * times as f32;
                *logit -= frequency + self.sampling.presence_penalty;
            }
        }
    }

    fn draw(&mut self, logits: &[f32]) -> u32 {
        let highest = logits
            .iter()
            .fold(f32::NEG_INFINITY, |highest, &logit| highest.max(logit));
        let weight = |logit: f32| ((logit - highest) / self.sampling.temperature).exp();
        let total: f32 = logits.iter().map(|&logit| weight(logit)).sum();
        self.candidates.clear();
        let mut kept = total;
        if self.sampling.top_p >= 1.0 {
            let all = logits
                .iter()
                .enumerate()
                .map(|(token, &logit)| (token as u32, weight(logit)));
            self.candidates.extend(all);
        } else {
            // All tokens below this bound together weigh less than what `top_p` leaves out.
            let bound = (1.0 - self.sampling.top_p) * total / logits.len() as f32;
            let likely = logits
                .iter()
                .enumerate()
                .map(|(token, &logit)| (token as u32, weight(logit)));
            self.candidates
                .extend(likely.filter(|&(_, weight)| weight >= bound));
            self.candidates.sort_by(|a, b| b.1.total_cmp(&a.1));
            kept = 0.0;
            let mut count = 0;
            for (_, weight) in &self.candidates {
                kept += weight;
                count += 1;
                if kept >= self.sampling.top_p * total {
                    break;
                }
            }
            self.candidates.truncate(count);
        }
        let mut left = random_unit(&mut self.state) * kept;
        for &(token, weight) in &self.candidates {
            left -= weight;
            if left < 0.0 {
                return token;
            }
        }
        // Rounding can leave a little; NaN logits leave everything.
        the_likeliest(logits)
    }
}

/// The logarithm of the sum of `e^logit`: a logit less this is the logarithm of a probability.
pub fn log_total(logits: &[f32]) -> f32 {
    let highest = logits
        .iter()
        .fold(f32::NEG_INFINITY, |highest, &logit| highest.max(logit));
    let total: f64 = logits
        .iter()
        .map(|&logit| f64::from((logit - highest).exp()))
        .sum();
    highest + total.ln() as f32
}

/// The `count` likeliest tokens, the likeliest first; of equals the lower one.
pub fn likeliest(logits: &[f32], count: usize) -> Vec<u32> {
    let mut best: Vec<(f32, u32)> = Vec::with_capacity(count + 1);
    for (token, &logit) in logits.iter().enumerate() {
        if best.len() == count && best.last().is_none_or(|(least, _)| logit <= *least) {
            continue;
        }
        let at = best.partition_point(|(other, _)| *other >= logit);
        best.insert(at, (logit, token as u32));
        best.truncate(count);
    }
    best.into_iter().map(|(_, token)| token).collect()
}

fn the_likeliest(logits: &[f32]) -> u32 {
    let mut best = 0;
    let mut highest = f32::NEG_INFINITY;
    for (token, &logit) in logits.iter().enumerate() {
        if logit > highest {
            best = token;
            highest = logit;
        }
    }
    best as u32
}

/// A number in [0, 1) by SplitMix64 (Steele, Lea and Flood 2014).
fn random_unit(state: &mut u64) -> f32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (z >> 40) as f32 / (1u64 << 24) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(sampling: Sampling, logits: &[f32], draws: u32) -> Vec<f32> {
        let mut sampler = Sampler::new(sampling);
        let mut counts = vec![0u32; logits.len()];
        for _ in 0..draws {
            counts[sampler.choose(&mut logits.to_vec()) as usize] += 1;
        }
        counts
            .iter()
            .map(|&count| count as f32 / draws as f32)
            .collect()
    }

    fn warm() -> Sampling {
        Sampling {
            temperature: 1.0,
            seed: 11,
            ..Sampling::greedy()
        }
    }

    /// Logits whose softmax is 0.5, 0.3, 0.15, 0.05.
    fn logits() -> Vec<f32> {
        [0.3f32, 0.5, 0.05, 0.15]
            .iter()
            .map(|p| p.ln() + 2.0)
            .collect()
    }

    #[test]
    fn greedy_takes_the_likeliest_and_the_first_of_equals() {
        let mut sampler = Sampler::new(Sampling::greedy());
        assert_eq!(sampler.choose(&mut [1.0, 3.0, 3.0, 2.0]), 1);
    }

    #[test]
    fn alternatives_come_in_the_order_of_their_probability() {
        let logits = [1.0, 3.0, 3.0, 2.0, -1.0];
        assert_eq!(likeliest(&logits, 3), [1, 2, 3]);
        assert_eq!(likeliest(&logits, 0), [0u32; 0]);
        assert_eq!(likeliest(&logits, 9), [1, 2, 3, 0, 4]);
        let total = log_total(&logits);
        let sum: f32 = logits.iter().map(|logit| (logit - total).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6);
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let shares = counts(warm(), &logits(), 20_000);
        for (share, expected) in shares.iter().zip([0.3, 0.5, 0.05, 0.15]) {
            assert!((share - expected).abs() < 0.015, "{shares:?}");
        }
    }

    #[test]
    fn temperature_sharpens() {
        let cold = Sampling {
            temperature: 0.25,
            ..warm()
        };
        let shares = counts(cold, &logits(), 20_000);
        // p^4, normalised: 0.0081, 0.0625, …
        assert!(
            (shares[1] - 0.0625 / (0.0625 + 0.0081 + 0.00000625 + 0.00050625)).abs() < 0.015,
            "{shares:?}"
        );
    }

    #[test]
    fn top_p_keeps_the_smallest_set_that_reaches_it() {
        let nucleus = Sampling {
            top_p: 0.75,
            ..warm()
        };
        let shares = counts(nucleus, &logits(), 20_000);
        assert!(
            (shares[1] - 0.625).abs() < 0.015 && (shares[0] - 0.375).abs() < 0.015,
            "{shares:?}"
        );
        assert_eq!((shares[2], shares[3]), (0.0, 0.0));
        let narrow = Sampling {
            top_p: 0.0,
            ..warm()
        };
        assert_eq!(counts(narrow, &logits(), 10)[1], 1.0);
    }

    #[test]
    fn the_seed_decides() {
        let draw = |seed| {
            let mut sampler = Sampler::new(Sampling { seed, ..warm() });
            (0..50)
                .map(|_| sampler.choose(&mut logits()))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn penalties_make_repetition_less_likely() {
        let penalised = Sampling {
            frequency_penalty: 1.0,
            presence_penalty: 0.5,
            ..Sampling::greedy()
        };
        let mut sampler = Sampler::new(penalised);
        let tokens: Vec<u32> = (0..3)
            .map(|_| sampler.choose(&mut [2.0, 3.0, 0.0]))
            .collect();
        assert_eq!(
            tokens,
            [1, 0, 1],
            "3, then 1.5 against 2, then 1.5 against 0.5"
        );
    }
}
