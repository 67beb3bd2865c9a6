//! Tokens a day, drawn.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::web::{Lang, number};

pub(super) struct Bar {
    pub(super) x: String,
    pub(super) width: String,
    pub(super) y: String,
    pub(super) height: String,
    pub(super) middle: String,
    pub(super) label: String,
    pub(super) text: String,
}

pub(super) struct Tick {
    pub(super) at: String,
    pub(super) text: String,
}

pub(super) struct Chart {
    pub(super) title: String,
    pub(super) about: String,
    pub(super) y_ticks: Vec<Tick>,
    pub(super) bars: Vec<Bar>,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// Tokens a day as bars, of all days from the first to the last.
pub(super) fn chart(
    lang: Lang,
    used: &[(NaiveDate, i64)],
    (since, until): (NaiveDate, NaiveDate),
) -> Chart {
    let mut days: BTreeMap<NaiveDate, i64> = since
        .iter_days()
        .take_while(|day| *day <= until)
        .map(|day| (day, 0))
        .collect();
    days.extend(used.iter().copied());
    let top = ceiling(days.values().copied().max().unwrap_or_default());
    let step = 100.0 / days.len().max(1) as f64;
    let every = days.len().div_ceil(6);
    let height = |tokens: i64| tokens as f64 / top as f64 * 100.0;
    let percent = |share: f64| format!("{share:.2}%");
    let bars = days.iter().enumerate().map(|(at, (day, tokens))| {
        let left = at as f64 * step;
        Bar {
            x: percent(left + step * 0.1),
            width: percent(step * 0.8),
            y: percent(100.0 - height(*tokens)),
            height: percent(height(*tokens)),
            middle: percent(left + step / 2.0),
            label: if at % every == every / 2 {
                day.format("%-d-%-m").to_string()
            } else {
                String::new()
            },
            text: format!("{}: {}", day.format("%-d-%-m"), number(lang, *tokens)),
        }
    });
    let total = number(lang, days.values().sum());
    Chart {
        title: lang.t("usage-chart"),
        about: lang.t_with("usage-chart-about", &[("total", total)]),
        y_ticks: [0, top / 2, top]
            .into_iter()
            .map(|tokens| Tick {
                at: percent(100.0 - height(tokens)),
                text: number(lang, tokens),
            })
            .collect(),
        bars: bars.collect(),
        columns: vec![lang.t("usage-day"), lang.t("usage-tokens")],
        rows: days
            .iter()
            .rev()
            .filter(|(_, tokens)| **tokens > 0)
            .map(|(day, tokens)| vec![day.to_string(), number(lang, *tokens)])
            .collect(),
    }
}

/// The next round number: 1, 2 or 5 with zeros, at least 10.
fn ceiling(most: i64) -> i64 {
    let mut unit = 10_i64;
    while unit < i64::MAX / 100 {
        for factor in [1, 2, 5] {
            if most <= unit * factor {
                return unit * factor;
            }
        }
        unit *= 10;
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bar_fits() {
        let day = |text: &str| -> NaiveDate { text.parse().unwrap() };
        let used = [(day("2026-11-22"), 730), (day("2026-11-23"), 20)];
        let chart = chart(Lang::En, &used, (day("2026-11-21"), day("2026-11-23")));
        let heights: Vec<_> = chart.bars.iter().map(|bar| bar.height.as_str()).collect();
        assert_eq!(heights, ["0.00%", "73.00%", "2.00%"]);
        assert_eq!(chart.y_ticks[2].text, "1,000");
    }
}
