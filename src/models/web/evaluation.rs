//! What was measured of a model, on its page: figures in words, and whether a dataset holds the model back.

use chrono::{DateTime, Utc};
use job_contract::Suite;
use sqlx::PgConnection;

use crate::{
    datasets::percent,
    error::AppError,
    models::{
        Model,
        evaluation::{
            DatasetFigures, Evaluation, Figure, MemorisationLimit, MemorisationStanding, suite_name,
        },
        evaluation_store,
    },
    policy::{self, Action},
    web::{Lang, Page, moment, number},
};

/// Figures that are shares of something.
const SHARES: [&str; 8] = [
    "accuracy",
    "sentiment",
    "acceptability",
    "reading",
    "entities",
    "open_accuracy",
    "told_accuracy",
    "extracted",
];
/// Figures that are in tokens.
const TOKENS: [&str; 1] = ["longest_match"];
/// The others that there are words for.
const OTHERS: [&str; 8] = [
    "loss",
    "perplexity",
    "open_bias",
    "told_bias",
    "mean_match",
    "exposure_1",
    "exposure_4",
    "exposure_16",
];

/// What the page says of the measuring of a model.
pub(super) struct EvaluationBox {
    /// How the model stands to the limits of its datasets, and what to do about it; none where there are none.
    pub(super) standing: Option<Sentence>,
    pub(super) limits: Vec<LimitLine>,
    pub(super) holds_back: bool,
    /// What was measured last; none where nothing was.
    pub(super) newest: Option<Newest>,
    pub(super) earlier: Vec<Link>,
    pub(super) may_ask: bool,
}

pub(super) struct Sentence {
    pub(super) kind: &'static str,
    pub(super) text: String,
}

pub(super) struct LimitLine {
    pub(super) title: String,
    pub(super) href: String,
    pub(super) says: String,
}

pub(super) struct Newest {
    pub(super) says: String,
    pub(super) job: String,
    pub(super) statement: String,
    pub(super) report: String,
    pub(super) suites: Vec<SuiteTable>,
    /// How much of each dataset it keeps by heart.
    pub(super) datasets: Vec<DatasetRow>,
}

pub(super) struct DatasetRow {
    pub(super) title: String,
    pub(super) href: String,
    pub(super) tried: String,
    /// Of the tried ones; empty where none was tried.
    pub(super) extracted: String,
    pub(super) interval: String,
    pub(super) longest: String,
}

pub(super) struct SuiteTable {
    pub(super) title: String,
    pub(super) says: String,
    pub(super) rows: Vec<FigureRow>,
}

pub(super) struct FigureRow {
    pub(super) label: String,
    pub(super) means: String,
    pub(super) value: String,
    pub(super) interval: String,
    pub(super) chance: String,
    pub(super) items: String,
}

pub(super) struct Link {
    pub(super) label: String,
    pub(super) href: String,
}

/// Reads it, for who looks at the page.
pub(super) async fn read(
    conn: &mut PgConnection,
    (page, now): (&Page, DateTime<Utc>),
    model: &Model,
) -> Result<EvaluationBox, AppError> {
    let lang = page.lang();
    let standing = evaluation_store::memorisation_standing(conn, model.id).await?;
    let limits = evaluation_store::memorisation_limits(conn, model.id).await?;
    let all = evaluation_store::evaluations_of(conn, model.id).await?;
    let may_ask = model.is_measurable()
        && policy::check(page.actor(), Action::EvaluateModel, &model.scope()).is_ok();
    Ok(EvaluationBox {
        standing: sentence(lang, standing),
        holds_back: standing.holds_back(),
        limits: limits
            .into_iter()
            .map(|limit| LimitLine {
                href: page.path(&format!("/datasets/{}", limit.dataset)),
                says: says(lang, &limit),
                title: limit.title,
            })
            .collect(),
        newest: all.first().map(|newest| Newest {
            says: lang.t_with(
                "evaluation-newest",
                &[
                    ("when", moment(lang, now, newest.created_at)),
                    ("program", newest.program.clone()),
                ],
            ),
            job: page.path(&format!("/jobs/{}", newest.job)),
            statement: format!("/api/v1/evaluations/{}/statement", newest.id),
            report: format!("/api/v1/evaluations/{}/report", newest.id),
            suites: suites(lang, newest),
            datasets: newest
                .datasets
                .iter()
                .map(|of| dataset_row(page, of))
                .collect(),
        }),
        earlier: all
            .iter()
            .skip(1)
            .map(|one| Link {
                label: moment(lang, now, one.created_at),
                href: format!("/api/v1/evaluations/{}/statement", one.id),
            })
            .collect(),
        may_ask,
    })
}

fn sentence(lang: Lang, standing: MemorisationStanding) -> Option<Sentence> {
    let kind = match standing {
        MemorisationStanding::NoLimit => return None,
        MemorisationStanding::Within => "good",
        MemorisationStanding::NotMeasured | MemorisationStanding::Exceeded => "bad",
    };
    let key = format!("memorisation-{}", standing.name().replace('_', "-"));
    Some(Sentence {
        kind,
        text: lang.t(&key),
    })
}

/// A limit in words, and whether it could be held against anything.
fn says(lang: Lang, limit: &MemorisationLimit) -> String {
    let extracted = limit.most_extracted.map(|share| {
        let share = with_mark(lang, percent(share));
        lang.t_with("memorisation-says-extracted", &[("percent", share)])
    });
    let longest = limit.longest_match.map(|tokens| {
        let tokens = number(lang, i64::from(tokens));
        lang.t_with("memorisation-says-longest", &[("tokens", tokens)])
    });
    let untried = (!limit.is_tried).then(|| lang.t("memorisation-says-untried"));
    let all: Vec<String> = extracted
        .into_iter()
        .chain(longest)
        .chain(untried)
        .collect();
    all.join(" ")
}

fn dataset_row(page: &Page, of: &DatasetFigures) -> DatasetRow {
    let (lang, found) = (page.lang(), &of.found);
    let count = |count: u64| number(lang, i64::try_from(count).unwrap_or(i64::MAX));
    DatasetRow {
        title: lang.t_with(
            "evaluation-dataset-version",
            &[
                ("title", of.title.clone()),
                ("number", of.number.to_string()),
            ],
        ),
        href: page.path(&format!("/datasets/{}", of.dataset)),
        tried: lang.t_with(
            "evaluation-tried-of",
            &[
                ("items", count(found.items)),
                ("documents", count(found.documents)),
            ],
        ),
        extracted: if found.items > 0 {
            value(lang, "extracted", found.extracted)
        } else {
            String::new()
        },
        interval: interval(lang, "extracted", found.interval),
        longest: count(found.longest_match),
    }
}

fn suites(lang: Lang, evaluation: &Evaluation) -> Vec<SuiteTable> {
    // What a right holder looks for comes first.
    [
        Suite::Memorisation,
        Suite::HeldOut,
        Suite::DutchTasks,
        Suite::Bias,
    ]
    .into_iter()
    .filter_map(|suite| {
        let rows: Vec<FigureRow> = evaluation
            .figures
            .iter()
            .filter(|figure| figure.suite == suite)
            .map(|figure| row(lang, figure))
            .collect();
        let key = suite_name(suite).replace('_', "-");
        (!rows.is_empty()).then(|| SuiteTable {
            title: lang.t(&format!("evaluation-suite-{key}")),
            says: lang.t(&format!("evaluation-suite-{key}-says")),
            rows,
        })
    })
    .collect()
}

fn row(lang: Lang, figure: &Figure) -> FigureRow {
    let name = figure.name.as_str();
    let is_known = [&SHARES[..], &TOKENS[..], &OTHERS[..]]
        .iter()
        .any(|names| names.contains(&name));
    let key = name.replace('_', "-");
    let words = |end: &str| {
        if is_known {
            lang.t(&format!("evaluation-figure-{key}{end}"))
        } else {
            String::new()
        }
    };
    FigureRow {
        label: if is_known {
            words("")
        } else {
            // One of a program that is newer than this page.
            figure.name.clone()
        },
        means: words("-means"),
        value: value(lang, name, figure.value),
        interval: interval(lang, name, figure.interval),
        chance: figure
            .chance
            .map_or_else(String::new, |chance| value(lang, name, chance)),
        items: number(lang, i64::try_from(figure.items).unwrap_or(i64::MAX)),
    }
}

/// The bounds of a figure, where it has some.
fn interval(lang: Lang, name: &str, bounds: Option<(f64, f64)>) -> String {
    bounds.map_or_else(String::new, |(low, high)| {
        lang.t_with(
            "evaluation-interval",
            &[
                ("low", value(lang, name, low)),
                ("high", value(lang, name, high)),
            ],
        )
    })
}

/// A figure as people write it: shares in per cent.
fn value(lang: Lang, name: &str, value: f64) -> String {
    if SHARES.contains(&name) {
        let text = with_mark(lang, format!("{:.1}", value * 100.0));
        lang.t_with("evaluation-percent", &[("value", text)])
    } else if TOKENS.contains(&name) {
        format!("{value:.0}")
    } else {
        with_mark(lang, format!("{value:.2}"))
    }
}

fn with_mark(lang: Lang, number: String) -> String {
    match lang {
        Lang::Nl => number.replace('.', ","),
        Lang::En => number,
    }
}
