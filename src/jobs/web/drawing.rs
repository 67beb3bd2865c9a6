//! Lines over each other, as a page is first drawn; `static/live.js` draws them on in the same way.

use super::{
    super::progress::thinned,
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

/// One line of a drawing.
pub(super) struct Curve<'a> {
    /// Field of the live event that draws it on.
    pub(super) key: &'static str,
    /// `main` or `grey`.
    pub(super) look: &'static str,
    pub(super) name: String,
    pub(super) points: &'a [(u32, f32)],
}

/// What stands around the lines.
pub(super) struct Frame<'a> {
    pub(super) title: String,
    /// A sentence for who cannot see it.
    pub(super) about: String,
    /// Steps that the drawing is wide.
    pub(super) steps: u32,
    /// How a value is written beside its line and in the table.
    pub(super) word: &'a dyn Fn(Lang, f64) -> String,
}

/// The ends of both axes.
struct Axes {
    low: f64,
    high: f64,
    right: f64,
}

impl Axes {
    fn y(&self, value: f64) -> f64 {
        FIELD * (self.high - value) / (self.high - self.low)
    }
}

/// Two digits.
pub(super) fn loss_word(lang: Lang, value: f64) -> String {
    decimal(lang, value, 2)
}

/// Whole numbers.
pub(super) fn whole_word(lang: Lang, value: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates; no program is that fast"
    )]
    let whole = value.round() as u64;
    count(lang, whole)
}

/// Three digits that count.
pub(super) fn short_word(lang: Lang, value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let places = places(2.0 - value.abs().log10().floor());
    let text = decimal(lang, value, places);
    if places == 0 {
        return text;
    }
    let text = text.trim_end_matches('0').trim_end_matches(['.', ',']);
    text.to_owned()
}

/// Lines over each other.
pub(super) fn draw(lang: Lang, frame: Frame<'_>, curves: &[Curve<'_>]) -> Chart {
    let drawn: Vec<Vec<(f64, f64)>> = curves.iter().map(|curve| points(curve.points)).collect();
    let mut values: Vec<f64> = drawn.iter().flatten().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = match (values.first(), values.last()) {
        (Some(low), Some(high)) => (*low, *high),
        _ => (0.0, 4.0),
    };
    let steps = ticks(low, high);
    let axes = Axes {
        low: steps.first().copied().unwrap_or(0.0),
        high: steps.last().copied().unwrap_or(1.0),
        right: f64::from(frame.steps.max(1)),
    };
    let percent = |share: f64| format!("{:.1}%", 100.0 * share);
    let step = (axes.high - axes.low) / (steps.len().max(2) - 1) as f64;
    let y_ticks = steps
        .iter()
        .map(|value| Tick {
            at: percent(axes.y(*value) / FIELD),
            text: if step >= 1.0 {
                whole_word(lang, *value)
            } else {
                decimal(lang, *value, digits(step))
            },
        })
        .collect();
    let x_ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
        .iter()
        .filter(|_| frame.steps > 0)
        .map(|share| Tick {
            at: percent(*share),
            text: whole_word(lang, axes.right * share),
        })
        .collect();
    let mut lines: Vec<_> = curves
        .iter()
        .zip(&drawn)
        .map(|(curve, points)| line(lang, &axes, curve, points, frame.word))
        .collect();
    part(&mut lines);
    let mut columns = vec![lang.t("jobs-curve-step")];
    columns.extend(curves.iter().map(|curve| {
        if curve.name.is_empty() {
            frame.title.clone()
        } else {
            curve.name.clone()
        }
    }));
    Chart {
        about: frame.about,
        x_ticks,
        y_ticks,
        x_name: lang.t("jobs-curve-steps"),
        lines: lines.into_iter().map(|(_, line)| line).collect(),
        columns,
        rows: rows(lang, curves),
        title: frame.title,
    }
}

fn places(wanted: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 12"
    )]
    let places = wanted.clamp(0.0, 12.0) as usize;
    places
}

/// Decimals that tell steps of this size apart.
fn digits(step: f64) -> usize {
    let power = step.max(1e-12).log10().floor();
    let whole = places(-power);
    // 0.25 and 2.5 need one more than 0.2 and 2.
    let first = step / 10_f64.powf(power);
    whole + usize::from((first - first.round()).abs() > 1e-6)
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
    let rough = ((to - from) / 4.0).max(to.abs() / 100.0).max(1e-9);
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
    axes: &Axes,
    curve: &Curve<'_>,
    points: &[(f64, f64)],
    word: &dyn Fn(Lang, f64) -> String,
) -> (f64, Line) {
    let mut path = String::new();
    for (step, value) in points {
        let verb = if path.is_empty() { 'M' } else { 'L' };
        let (x, y) = (FIELD * step / axes.right, axes.y(*value).max(-20.0));
        path += &format!("{verb}{x:.1} {y:.1}");
    }
    let end = points.last().copied();
    let down = end.map_or(-100.0, |(_, value)| axes.y(value) / 10.0 - 2.0);
    let line = Line {
        key: curve.key,
        look: curve.look,
        path,
        end_x: format!(
            "{:.1}%",
            end.map_or(0.0, |(step, _)| 100.0 * step / axes.right)
        ),
        end_y: String::new(),
        name: curve.name.clone(),
        value: end.map_or_else(String::new, |(_, value)| word(lang, value)),
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

/// About twenty rows, and every point of a line that has few.
fn rows(lang: Lang, curves: &[Curve<'_>]) -> Vec<Vec<String>> {
    let mut steps: Vec<u32> = curves
        .iter()
        .flat_map(|curve| {
            let stride = curve.points.len().div_ceil(20).max(1);
            curve.points.iter().step_by(stride)
        })
        .map(|(step, _)| *step)
        .collect();
    steps.sort_unstable();
    steps.dedup();
    let of = |curve: &Curve<'_>, step: u32| {
        curve
            .points
            .iter()
            .find(|(at, _)| *at == step)
            .map_or_else(String::new, |(_, value)| precise(lang, f64::from(*value)))
    };
    steps
        .into_iter()
        .map(|step| {
            let mut row = vec![count(lang, u64::from(step))];
            row.extend(curves.iter().map(|curve| of(curve, step)));
            row
        })
        .collect()
}

/// A value of any size in a table.
fn precise(lang: Lang, value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => whole_word(lang, value),
        size if size >= 0.1 || size == 0.0 => decimal(lang, value, 3),
        _ => short_word(lang, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_span_the_values() {
        assert_eq!(ticks(1.2, 2.9), [1.0, 1.5, 2.0, 2.5, 3.0]);
        // One value alone still has a field to stand in.
        assert_eq!(ticks(2.0, 2.0).len(), 2);
        assert_eq!(digits(0.5), 1);
        assert_eq!(digits(0.25), 2);
        assert_eq!(digits(0.0002), 4);
    }

    #[test]
    fn small_numbers_keep_the_digits_that_count() {
        assert_eq!(short_word(Lang::Nl, 0.001), "0,001");
        assert_eq!(short_word(Lang::En, 0.000_123_4), "0.000123");
        assert_eq!(short_word(Lang::En, 0.0), "0");
        assert_eq!(short_word(Lang::En, 12.5), "12.5");
        assert_eq!(short_word(Lang::En, 300.0), "300");
    }
}
