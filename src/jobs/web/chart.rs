//! The curves of one job.

use super::{
    super::progress::Progress,
    drawing::{Chart, Curve, Frame, draw, loss_word, short_word, whole_word},
    words::{count, decimal},
};
use crate::web::Lang;

/// The losses of a job.
pub(super) fn chart(lang: Lang, progress: &Progress) -> Chart {
    let curves = [
        Curve {
            key: "losses",
            look: "main",
            name: lang.t("jobs-curve-training"),
            points: &progress.losses,
        },
        Curve {
            key: "held_out",
            look: "grey",
            name: lang.t("jobs-curve-held-out"),
            points: &progress.held_out,
        },
    ];
    let frame = Frame {
        title: lang.t("jobs-curve"),
        about: about(lang, progress),
        steps: progress.total_steps,
        word: &loss_word,
    };
    draw(lang, frame, &curves)
}

/// Learning rate, speed and length of the gradient, each in a small drawing of its own.
pub(super) fn small_charts(lang: Lang, progress: &Progress) -> Vec<Chart> {
    let one = |key, title: &str, points: &[(u32, f32)], word: &dyn Fn(Lang, f64) -> String| {
        let title = lang.t(title);
        let last = points.last().map_or_else(String::new, |(step, value)| {
            let words = [
                ("title", title.clone()),
                ("step", count(lang, u64::from(*step))),
                ("value", word(lang, f64::from(*value))),
            ];
            lang.t_with("jobs-curve-last", &words)
        });
        let curve = Curve {
            key,
            look: "main",
            name: String::new(),
            points,
        };
        let frame = Frame {
            title,
            about: last,
            steps: progress.total_steps,
            word,
        };
        draw(lang, frame, &[curve])
    };
    vec![
        one(
            "learning_rates",
            "jobs-curve-learning-rate",
            &progress.learning_rates,
            &short_word,
        ),
        one("speeds", "jobs-curve-speed", &progress.speeds, &whole_word),
        one(
            "gradient_norms",
            "jobs-curve-gradient",
            &progress.gradient_norms,
            &loss_word,
        ),
    ]
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

#[cfg(test)]
mod tests {
    use super::*;

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
