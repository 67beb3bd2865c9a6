//! Where a key stands, in OpenAI's six headers.

use chrono::TimeDelta;

use crate::keys::quota::Standing;

/// `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`: requests of this minute, tokens of this day.
pub(super) fn limit_headers(standing: &Standing) -> Vec<(&'static str, String)> {
    let limits = standing.limits;
    vec![
        (
            "x-ratelimit-limit-requests",
            limits.requests_per_minute.to_string(),
        ),
        (
            "x-ratelimit-remaining-requests",
            standing.requests_left.to_string(),
        ),
        (
            "x-ratelimit-reset-requests",
            duration(standing.minute_ends_in),
        ),
        (
            "x-ratelimit-limit-tokens",
            limits.tokens_per_day.to_string(),
        ),
        (
            "x-ratelimit-remaining-tokens",
            standing.tokens_left.to_string(),
        ),
        ("x-ratelimit-reset-tokens", duration(standing.day_ends_in)),
    ]
}

/// Whole seconds until then, at least one.
pub(super) fn seconds(time: TimeDelta) -> u64 {
    let up = (time.num_milliseconds() + 999) / 1000;
    u64::try_from(up).unwrap_or_default().max(1)
}

/// As OpenAI writes it: `1s`, `6m0s`, `13h20m5s`.
fn duration(time: TimeDelta) -> String {
    let seconds = seconds(time);
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_openai_writes_them() {
        assert_eq!(duration(TimeDelta::milliseconds(200)), "1s");
        assert_eq!(duration(TimeDelta::seconds(360)), "6m0s");
        assert_eq!(duration(TimeDelta::seconds(48_005)), "13h20m5s");
    }
}
