use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Upper bounds of the classes of waiting times, in milliseconds.
const BOUNDS_MS: [u64; 12] = [
    5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000,
];

/// What the engine does, to be read by others.
#[derive(Debug, Default)]
pub struct Gauges {
    pub running: AtomicU64,
    pub waiting: AtomicU64,
    /// Reserved for running sequences.
    pub reserved_bytes: AtomicU64,
    /// Kept for sequences to come.
    pub prefix_bytes: AtomicU64,
    pub prompt_tokens: AtomicU64,
    /// Prompt tokens that were not computed, because an earlier sequence began with them.
    pub cached_tokens: AtomicU64,
    pub completion_tokens: AtomicU64,
    pub steps: AtomicU64,
    pub step_microseconds: AtomicU64,
    pub finished: AtomicU64,
    pub cancelled: AtomicU64,
    pub failed: AtomicU64,
    pub refused: AtomicU64,
    /// From a job's submission to its first token.
    pub first_token: Times,
}

/// How often something took how long.
#[derive(Debug, Default)]
pub struct Times {
    classes: [AtomicU64; BOUNDS_MS.len() + 1],
    microseconds: AtomicU64,
}

impl Times {
    pub(super) fn note(&self, time: Duration) {
        let milliseconds = time.as_millis() as u64;
        let class = BOUNDS_MS.iter().position(|bound| milliseconds <= *bound);
        if let Some(count) = self.classes.get(class.unwrap_or(BOUNDS_MS.len())) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.microseconds
            .fetch_add(time.as_micros() as u64, Ordering::Relaxed);
    }

    /// Prometheus' text form of a histogram.
    fn write(&self, name: &str, out: &mut String) {
        use std::fmt::Write;
        let mut sum = 0;
        let bounds = BOUNDS_MS
            .iter()
            .map(|bound| (*bound as f64 / 1000.0).to_string())
            .chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&self.classes) {
            sum += count.load(Ordering::Relaxed);
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {sum}");
        }
        let seconds = self.microseconds.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(out, "{name}_sum {seconds}\n{name}_count {sum}");
    }
}

impl Gauges {
    /// All of it in Prometheus' text form; `cache_bytes` is what keys and values may take in all.
    pub fn to_prometheus(&self, cache_bytes: usize) -> String {
        use std::fmt::Write;
        let mut out = String::new();
        let mut one = |name: &str, kind: &str, help: &str, value: f64| {
            let name = format!("faculty_serving_{name}");
            let _ = writeln!(
                out,
                "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
            );
        };
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed) as f64;
        let gauges: [(&str, &str, f64); 5] = [
            (
                "sequences_running",
                "Sequences that are computed.",
                count(&self.running),
            ),
            (
                "sequences_waiting",
                "Sequences that wait.",
                count(&self.waiting),
            ),
            (
                "cache_reserved_bytes",
                "Memory reserved for keys and values of running sequences.",
                count(&self.reserved_bytes),
            ),
            (
                "cache_prefix_bytes",
                "Memory of keys and values kept for prompts to come.",
                count(&self.prefix_bytes),
            ),
            (
                "cache_limit_bytes",
                "Most memory for keys and values.",
                cache_bytes as f64,
            ),
        ];
        for (name, help, value) in gauges {
            one(name, "gauge", help, value);
        }
        let counters: [(&str, &str, f64); 9] = [
            (
                "prompt_tokens_total",
                "Tokens of prompts.",
                count(&self.prompt_tokens),
            ),
            (
                "prompt_tokens_cached_total",
                "Tokens of prompts that were taken from the prefix cache.",
                count(&self.cached_tokens),
            ),
            (
                "completion_tokens_total",
                "Tokens of answers.",
                count(&self.completion_tokens),
            ),
            ("steps_total", "Steps of the engine.", count(&self.steps)),
            (
                "step_seconds_total",
                "Time spent in steps.",
                count(&self.step_microseconds) / 1e6,
            ),
            (
                "sequences_finished_total",
                "Answers that are whole.",
                count(&self.finished),
            ),
            (
                "sequences_cancelled_total",
                "Answers whose reader left, or whose model was dropped.",
                count(&self.cancelled),
            ),
            (
                "sequences_failed_total",
                "Answers that failed.",
                count(&self.failed),
            ),
            (
                "sequences_refused_total",
                "Answers that were refused because too many waited.",
                count(&self.refused),
            ),
        ];
        for (name, help, value) in counters {
            one(name, "counter", help, value);
        }
        let name = "faculty_serving_first_token_seconds";
        let help = "From a request's admission to the queue to its first token.";
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
        self.first_token.write(name, &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_in_their_class_and_all_above() {
        let gauges = Gauges::default();
        gauges.first_token.note(Duration::from_millis(7));
        gauges.first_token.note(Duration::from_secs(100));
        let text = gauges.to_prometheus(5);
        for line in [
            "faculty_serving_first_token_seconds_bucket{le=\"0.005\"} 0",
            "faculty_serving_first_token_seconds_bucket{le=\"0.01\"} 1",
            "faculty_serving_first_token_seconds_bucket{le=\"30\"} 1",
            "faculty_serving_first_token_seconds_bucket{le=\"+Inf\"} 2",
            "faculty_serving_first_token_seconds_sum 100.007",
            "faculty_serving_cache_limit_bytes 5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}
