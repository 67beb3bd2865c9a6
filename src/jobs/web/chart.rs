//! The loss curve as the page is first drawn; `static/live.js` draws it on in the same way.

use super::{
    super::progress::{Progress, thinned},
    words::{count, decimal},
};
use crate::web::Lang;

/// The drawing's units, both ways.
const FIELD: f64 = 1000.0;

pub(super) struct Tick {
    pub(super) at: String,
    pub(super) text: String,
}

pub(super) struct Line {
    pub(super) key: &'static str,
    pub(super) look: &'static str,
    pub(super) path: String,
    pub(super) end_x: String,
    pub(super) end_y: String,
    pub(super) name: String,
    pub(super) value: String,
}

pub(super) struct Chart {
    pub(super) title: String,
    pub(super) about: String,
    pub(super) x_ticks: Vec<Tick>,
    pub(super) y_ticks: Vec<Tick>,
    pub(super) x_name: String,
    pub(super) lines: Vec<Line>,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// What is shown: the ends of both axes.
struct Frame {
    low: f64,
    high: f64,
    right: f64,
}

impl Frame {
    fn y(&self, loss: f64) -> f64 {
        FIELD * (self.high - loss) / (self.high - self.low)
    }
}

pub(super) fn chart(lang: Lang, progress: &Progress) -> Chart {
    let losses = points(&progress.losses);
    let held_out = points(&progress.held_out);
    let mut values: Vec<f64> = losses
        .iter()
        .chain(&held_out)
        .map(|(_, loss)| *loss)
        .collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = match (values.first(), values.last()) {
        (Some(low), Some(high)) => (*low, *high),
        _ => (0.0, 4.0),
    };
    let steps = ticks(low, high);
    let frame = Frame {
        low: steps.first().copied().unwrap_or(0.0),
        high: steps.last().copied().unwrap_or(1.0),
        right: f64::from(progress.total_steps.max(1)),
    };
    let percent = |share: f64| format!("{:.1}%", 100.0 * share);
    let y_ticks = steps
        .iter()
        .map(|value| Tick {
            at: percent(frame.y(*value) / FIELD),
            text: decimal(
                lang,
                *value,
                if frame.high - frame.low < 2.0 { 2 } else { 1 },
            ),
        })
        .collect();
    let x_ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
        .iter()
        .filter(|_| progress.total_steps > 0)
        .map(|share| Tick {
            at: percent(*share),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a count"
            )]
            text: count(lang, (frame.right * share).round() as u64),
        })
        .collect();
    let mut lines = vec![
        line(
            lang,
            &frame,
            ("losses", "main", "jobs-curve-training"),
            &losses,
        ),
        line(
            lang,
            &frame,
            ("held_out", "grey", "jobs-curve-held-out"),
            &held_out,
        ),
    ];
    part(&mut lines);
    Chart {
        title: lang.t("jobs-curve"),
        about: about(lang, progress),
        x_ticks,
        y_ticks,
        x_name: lang.t("jobs-curve-steps"),
        lines: lines.into_iter().map(|(_, line)| line).collect(),
        columns: vec![
            lang.t("jobs-curve-step"),
            lang.t("jobs-curve-training"),
            lang.t("jobs-curve-held-out"),
        ],
        rows: rows(lang, progress),
    }
}

fn points(curve: &[(u32, f32)]) -> Vec<(f64, f64)> {
    thinned(curve)
        .into_iter()
        .map(|(step, loss)| (f64::from(step), f64::from(loss)))
        .filter(|(_, loss)| loss.is_finite())
        .collect()
}

/// Four to six round numbers that span `from..=to`.
fn ticks(from: f64, to: f64) -> Vec<f64> {
    let rough = ((to - from) / 4.0).max(1e-3);
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .find(|nice| nice * power >= rough)
        .unwrap_or(10.0)
        * power;
    let mut found = Vec::new();
    let mut at = (from / step).floor();
    while found.len() < 2 || (found.len() < 12 && at * step < to + step - step / 1e6) {
        found.push(at * step);
        at += 1.0;
    }
    found
}

/// A line, with how far down its name goes.
fn line(
    lang: Lang,
    frame: &Frame,
    (key, look, name): (&'static str, &'static str, &str),
    points: &[(f64, f64)],
) -> (f64, Line) {
    let mut path = String::new();
    for (step, loss) in points {
        let verb = if path.is_empty() { 'M' } else { 'L' };
        let (x, y) = (FIELD * step / frame.right, frame.y(*loss).max(-20.0));
        path += &format!("{verb}{x:.1} {y:.1}");
    }
    let end = points.last().copied();
    let down = end.map_or(-100.0, |(_, loss)| frame.y(loss) / 10.0 - 2.0);
    let line = Line {
        key,
        look,
        path,
        end_x: format!(
            "{:.1}%",
            end.map_or(0.0, |(step, _)| 100.0 * step / frame.right)
        ),
        end_y: String::new(),
        name: lang.t(name),
        value: end.map_or_else(String::new, |(_, loss)| decimal(lang, loss, 2)),
    };
    (down, line)
}

/// Names of two lines that end close together stay readable: 18 % of the height apart.
fn part(lines: &mut [(f64, Line)]) {
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    if let [(first, _), (second, _)] = lines
        && *second - *first < 18.0
        && *first > -50.0
    {
        let middle = ((*first + *second) / 2.0).clamp(13.0, 82.0);
        (*first, *second) = (middle - 9.0, middle + 9.0);
    }
    for (down, line) in lines {
        line.end_y = format!("{down:.1}%");
        if line.path.is_empty() {
            line.name.clear();
        }
    }
}

fn about(lang: Lang, progress: &Progress) -> String {
    match (progress.loss, progress.held_out.last()) {
        (Some(loss), Some((_, held_out))) => lang.t_with(
            "jobs-curve-about",
            &[
                ("step", count(lang, u64::from(progress.step))),
                ("loss", decimal(lang, f64::from(loss), 2)),
                ("held", decimal(lang, f64::from(*held_out), 2)),
            ],
        ),
        _ => lang.t("jobs-curve-nothing-yet"),
    }
}

/// About twenty rows, and every measurement of the held-out part.
fn rows(lang: Lang, progress: &Progress) -> Vec<Vec<String>> {
    let stride = progress.losses.len().div_ceil(20).max(1);
    let mut steps: Vec<u32> = progress
        .losses
        .iter()
        .step_by(stride)
        .chain(&progress.held_out)
        .map(|(step, _)| *step)
        .collect();
    steps.sort_unstable();
    steps.dedup();
    let of = |curve: &[(u32, f32)], step: u32| {
        curve
            .iter()
            .find(|(at, _)| *at == step)
            .map_or_else(String::new, |(_, loss)| decimal(lang, f64::from(*loss), 3))
    };
    steps
        .into_iter()
        .map(|step| {
            vec![
                count(lang, u64::from(step)),
                of(&progress.losses, step),
                of(&progress.held_out, step),
            ]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_span_the_values() {
        assert_eq!(ticks(1.2, 2.9), [1.0, 1.5, 2.0, 2.5, 3.0]);
        // One value alone still has a field to stand in.
        assert_eq!(ticks(2.0, 2.0).len(), 2);
    }

    #[test]
    fn a_job_that_told_nothing_yet_has_an_empty_drawing() {
        let chart = chart(Lang::Nl, &Progress::default());
        assert!(chart.lines.iter().all(|line| line.path.is_empty()));
        assert!(chart.rows.is_empty());
    }

    #[test]
    fn the_curve_ends_at_its_last_point() {
        let progress = Progress {
            step: 10,
            total_steps: 20,
            loss: Some(2.0),
            losses: vec![(1, 3.0), (10, 2.0)],
            held_out: vec![(0, 3.0), (10, 2.0)],
            ..Progress::default()
        };
        let chart = chart(Lang::En, &progress);
        let main = chart
            .lines
            .iter()
            .find(|line| line.key == "losses")
            .unwrap();
        assert_eq!(main.path, "M50.0 0.0L500.0 1000.0");
        assert_eq!(
            (main.end_x.as_str(), main.value.as_str()),
            ("50.0%", "2.00")
        );
        assert_ne!(chart.lines[0].end_y, chart.lines[1].end_y);
        assert_eq!(chart.rows.len(), 3);
    }
}
