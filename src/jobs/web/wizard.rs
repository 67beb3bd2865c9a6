//! The choices of the wizard: methods, sizes, and the settings that are seldom changed.

use sqlx::PgConnection;

use super::{
    super::{
        Method, RawDraft, RawSettings,
        compute::Site,
        estimate::{self, Asked},
        memory::{Need, check},
        settings::{MODULES, method, task},
        shape::SHAPES,
    },
    new_page::{Choice, choice},
    words::count,
};
use crate::{
    error::AppError,
    ids::{DatasetVersionId, ModelId},
    web::{FieldErrors, Lang, bytes},
};

/// A field that takes one line of text.
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) label: String,
    pub(super) hint: String,
    pub(super) value: String,
}

/// A field that takes one of a few words.
pub(super) struct Pick {
    pub(super) name: &'static str,
    pub(super) label: String,
    pub(super) options: Vec<Choice>,
}

/// What stands in the wizard beside the main settings.
pub(super) struct Wizard {
    pub(super) shapes: Vec<Choice>,
    pub(super) modules: Vec<Choice>,
    /// Of the adapters.
    pub(super) adapters: Vec<Entry>,
    pub(super) entries: Vec<Entry>,
    pub(super) picks: Vec<Pick>,
    /// Whether anything in it differs from what is usual, or is wrong.
    pub(super) is_open: bool,
}

/// Every method with what it does.
pub(super) fn methods(lang: Lang, chosen: Option<Method>) -> Vec<Choice> {
    let key = |method: Method| format!("jobs-method-{}", method.name());
    Method::ALL
        .into_iter()
        .map(|method| Choice {
            value: method.name().into(),
            label: lang.t(&key(method)),
            hint: lang.t(&format!("{}-hint", key(method))),
            is_chosen: chosen == Some(method),
        })
        .collect()
}

impl Wizard {
    /// `places` are the names of those where jobs run.
    pub(super) fn of(
        lang: Lang,
        (raw, places): (&RawDraft, &[&str]),
        errors: &FieldErrors,
    ) -> Self {
        let given = &raw.settings;
        let entry = |name: &'static str, key: &str, value: &str| Entry {
            name,
            label: lang.t(&format!("jobs-{key}")),
            hint: lang.t(&format!("jobs-{key}-hint")),
            value: value.to_owned(),
        };
        let pick = |name: &'static str, key: &str, words: &[&str], chosen: &str| Pick {
            name,
            label: lang.t(&format!("jobs-{key}")),
            options: words
                .iter()
                .map(|word| choice(word, lang.t(&format!("jobs-{key}-{word}")), chosen))
                .collect(),
        };
        let usual = |chosen: &str, word: &'static str| {
            if chosen.is_empty() {
                word.to_owned()
            } else {
                chosen.to_owned()
            }
        };
        let yes_no = |name: &'static str, key: &str, chosen: &str| Pick {
            name,
            label: lang.t(&format!("jobs-{key}")),
            options: vec![
                choice("", lang.t("jobs-as-usual"), chosen),
                choice("yes", lang.t("answer-yes"), chosen),
                choice("no", lang.t("answer-no"), chosen),
            ],
        };
        let mut changed = given.clone();
        // These stand outside, or are filled in by the form itself.
        for (name, text) in changed.texts() {
            let is_usual = matches!(
                (name, text.as_str()),
                ("method" | "shape" | "beta", _)
                    | ("schedule", "linear")
                    | ("precision" | "recompute", "auto")
            );
            if is_usual {
                text.clear();
            }
        }
        if changed.target_modules.len() == MODULES.len() {
            changed.target_modules.clear();
        }
        Self {
            shapes: SHAPES
                .iter()
                .map(|(name, shape)| Choice {
                    hint: lang.t_with(
                        "jobs-shape-said",
                        &[
                            ("layers", shape.layers),
                            ("width", shape.width),
                            ("vocabulary", shape.vocabulary),
                            ("context", shape.context_length),
                        ]
                        .map(|(name, value)| (name, count(lang, u64::from(value)))),
                    ),
                    ..choice(
                        name,
                        lang.t(&format!("jobs-shape-{name}")),
                        &usual(&given.shape, "small"),
                    )
                })
                .collect(),
            modules: MODULES
                .iter()
                .map(|name| Choice {
                    value: (*name).into(),
                    label: (*name).into(),
                    hint: String::new(),
                    is_chosen: given.target_modules.is_empty()
                        || given.target_modules.iter().any(|one| one == name),
                })
                .collect(),
            adapters: vec![
                entry("alpha", "alpha", &given.alpha),
                entry("dropout", "dropout", &given.dropout),
            ],
            entries: vec![
                entry("warmup_steps", "warmup-steps", &given.warmup_steps),
                entry("weight_decay", "weight-decay", &given.weight_decay),
                entry("clip_norm", "clip-norm", &given.clip_norm),
                entry("accumulate", "accumulate", &given.accumulate),
                entry("held_out_share", "held-out-share", &given.held_out_share),
                entry(
                    "evaluate_every_steps",
                    "evaluate-every",
                    &given.evaluate_every_steps,
                ),
                entry("early_stop", "early-stop", &given.early_stop),
                entry("canaries", "canaries", &given.canaries),
                entry("seed", "seed", &given.seed),
                entry("time_limit_seconds", "time-limit", &raw.time_limit_seconds),
            ],
            picks: vec![
                pick(
                    "schedule",
                    "schedule",
                    &["linear", "cosine", "constant"],
                    &usual(&given.schedule, "linear"),
                ),
                pick(
                    "precision",
                    "precision",
                    &["auto", "f32", "bf16"],
                    &usual(&given.precision, "auto"),
                ),
                pick(
                    "recompute",
                    "recompute",
                    &["auto", "always", "never"],
                    &usual(&given.recompute, "auto"),
                ),
                yes_no("packing", "packing", &given.packing),
                yes_no("keep_best", "keep-best", &given.keep_best),
                Pick {
                    name: "place",
                    label: lang.t("jobs-wanted-place"),
                    options: std::iter::once(choice("", lang.t("jobs-any-place"), &raw.place))
                        .chain(
                            places
                                .iter()
                                .map(|name| choice(name, (*name).to_owned(), &raw.place)),
                        )
                        .collect(),
                },
            ],
            is_open: !raw.place.is_empty()
                || !raw.time_limit_seconds.is_empty()
                || changed != RawSettings::default()
                || !errors.is_empty(),
        }
    }
}

/// What training with these settings on these versions will hold in memory, as a request is judged; none where nobody can say.
pub(super) async fn need(
    conn: &mut PgConnection,
    raw: &RawDraft,
    versions: &[DatasetVersionId],
) -> Result<Option<Need>, AppError> {
    let Some(method) = method(raw) else {
        return Ok(None);
    };
    let base = raw.base_model.parse::<ModelId>().ok();
    let asked = Asked {
        task: &task(&mut FieldErrors::default(), method, raw),
        base: base.filter(|_| method.has_base()),
        versions,
    };
    Ok(estimate::need(conn, &asked).await?)
}

/// The same in words; empty where nobody can say. With what would fit, where none of the places where it may go has that much.
pub(super) fn memory(lang: Lang, need: Option<&Need>, sites: &[&Site]) -> String {
    let Some(need) = need else {
        return String::new();
    };
    let total = i64::try_from(need.bytes()).unwrap_or(i64::MAX);
    let text = lang.t_with(
        "jobs-memory-needed",
        &[
            ("parameters", count(lang, need.parameters())),
            ("memory", bytes(lang, total)),
        ],
    );
    match check(sites, need) {
        Ok(()) => text,
        Err(why) => format!("{text} {}", lang.say(&why.say())),
    }
}
