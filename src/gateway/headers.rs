//! Where a key stands, in OpenAI's six headers and two of ours.

use chrono::{DateTime, TimeDelta, Utc};

use crate::quota::{Measure, Standing, Window};

/// Headers that say what is left.
pub(super) type LimitHeaders = Vec<(&'static str, String)>;

/// `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` of the tightest limit on each, and
/// `x-quota-remaining-{day,month}` for the tokens of these. What has no limit has no header.
pub(super) fn limit_headers(standings: &[Standing], now: DateTime<Utc>) -> LimitHeaders {
    let tightest = |measure, windows: &[Window]| {
        let of = standings
            .iter()
            .filter(|one| one.counter.measure == measure && windows.contains(&one.counter.window));
        of.min_by_key(|one| one.left)
    };
    let all = [Window::Minute, Window::Day, Window::Month];
    let mut headers = Vec::with_capacity(8);
    if let Some(requests) = tightest(Measure::Requests, &all) {
        headers.extend([
            ("x-ratelimit-limit-requests", requests.cap.to_string()),
            ("x-ratelimit-remaining-requests", left(requests).to_string()),
            ("x-ratelimit-reset-requests", reset(requests, now)),
        ]);
    }
    if let Some(tokens) = tightest(Measure::Tokens, &all) {
        headers.extend([
            ("x-ratelimit-limit-tokens", tokens.cap.to_string()),
            ("x-ratelimit-remaining-tokens", left(tokens).to_string()),
            ("x-ratelimit-reset-tokens", reset(tokens, now)),
        ]);
    }
    for (name, window) in [
        ("x-quota-remaining-day", Window::Day),
        ("x-quota-remaining-month", Window::Month),
    ] {
        if let Some(tokens) = tightest(Measure::Tokens, &[window]) {
            headers.push((name, left(tokens).to_string()));
        }
    }
    headers
}

fn left(standing: &Standing) -> i64 {
    standing.left.max(0)
}

fn reset(standing: &Standing, now: DateTime<Utc>) -> String {
    duration(standing.ends_in(now).unwrap_or_default())
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
