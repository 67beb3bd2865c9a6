//! What training will hold in memory, and which places have that much. Pure.
//!
//! The arithmetic is the trainer's own (`training_estimate`); the trainer compares it once more with what its machine has.

use job_contract::{LoraSettings, ModelShape, Precision, Recompute, Task};
use training_estimate::{Change, Method, Projections, Settings, Shape, memory, what_fits};

use super::compute::{Compute, Site};
use crate::{
    error::Say,
    models::BaseShape,
    web::{Lang, bytes},
};

/// The sizes that decide what a training holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    shape: Shape,
    settings: Settings,
    precision: Precision,
    /// No base is there to put adapters over.
    is_new: bool,
}

/// A job for which none of the places where it may go has the memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this needs {needs} bytes of memory, and the largest place that comes into question has {has}"
)]
pub struct DoesNotFit {
    /// In bytes, at least.
    pub needs: u64,
    /// In bytes: what the largest of those places has.
    pub has: u64,
    /// Each of them is enough; none where nothing is.
    pub changes: Vec<Change>,
}

impl Need {
    /// Of a task with so many bytes of weights and so many tokens of data; none where nothing is trained, or where the
    /// sizes of the base are not known.
    pub(super) fn of(
        task: &Task,
        base: Option<&BaseShape>,
        (base_bytes, data_tokens): (u64, u64),
    ) -> Option<Self> {
        let training = task.training()?;
        let (shape, method) = match task {
            Task::FineTuneLora { lora, .. } => {
                let (rank, projections) = adapters(lora);
                (of_base(base?), Method::Lora { rank, projections })
            }
            Task::Dpo { lora, .. } => {
                let (rank, projections) = adapters(lora);
                (of_base(base?), Method::Dpo { rank, projections })
            }
            Task::FineTuneFull { .. } => (of_base(base?), Method::Full),
            Task::Pretrain { shape, .. } => (of_new(shape), Method::Full),
            Task::Evaluate { .. } => return None,
        };
        let settings = Settings {
            method,
            batch_size: u64::from(training.batch_size),
            sequence_length: u64::from(training.sequence_length),
            accumulate: u64::from(training.accumulate),
            recompute: match training.recompute {
                Recompute::Auto => training_estimate::Recompute::Auto,
                Recompute::Always => training_estimate::Recompute::Always,
                Recompute::Never => training_estimate::Recompute::Never,
            },
            is_half: training.precision != Precision::F32,
            keeps_best: training.keep_best,
            base_bytes,
            data_tokens,
        };
        Some(Self {
            shape,
            settings,
            precision: training.precision,
            is_new: matches!(task, Task::Pretrain { .. }),
        })
    }

    /// At the peak, at least: where the precision is left to the place, as on a machine with instructions for sixteen bits.
    pub(super) fn bytes(&self) -> u64 {
        memory(&self.shape, &self.settings).total()
    }

    /// Numbers of the model.
    pub(super) fn parameters(&self) -> u64 {
        self.shape.parameters()
    }

    /// What would fit in so many bytes.
    fn changes(&self, has: u64) -> Vec<Change> {
        // Enough on every machine, where there is such a change.
        let everywhere = Settings {
            is_half: self.precision == Precision::Bf16,
            ..self.settings
        };
        let mut changes = what_fits(&self.shape, &everywhere, has);
        if changes.is_empty() {
            changes = what_fits(&self.shape, &self.settings, has);
        }
        changes.retain(|change| !(self.is_new && matches!(change, Change::LoraInstead(_))));
        changes
    }
}

/// What a job asks of a place: its name, and how long it may run.
pub(super) type WhereTo<'a> = (Option<&'a str>, Option<u32>);

/// The places that fit what a job asks for, in the order of the settings, whatever memory they have.
pub(super) fn asked_for<'a>(
    compute: &'a Compute,
    (place, time_limit_seconds): WhereTo<'_>,
) -> Vec<&'a Site> {
    let fits = |site: &&Site| site.fits(place, time_limit_seconds);
    compute.sites().iter().filter(fits).collect()
}

/// Of these places, those that have the memory. Where none has, all of them: the trainer there says what would do.
pub(super) fn roomy(sites: Vec<&Site>, needs: Option<u64>) -> Vec<&Site> {
    let holds = |site: &&&Site| {
        needs
            .zip(memory_of(site))
            .is_none_or(|(needs, has)| needs <= has)
    };
    let roomy: Vec<&Site> = sites.iter().filter(holds).copied().collect();
    if roomy.is_empty() { sites } else { roomy }
}

/// The places where a job may go as far as memory is known, whatever the rules say.
pub(super) fn fitting<'a>(
    compute: &'a Compute,
    where_to: WhereTo<'_>,
    needs: Option<u64>,
) -> Vec<&'a Site> {
    roomy(asked_for(compute, where_to), needs)
}

/// Whether one of these places has the memory.
///
/// # Errors
/// [`DoesNotFit`] where every one of them says how much it has, and none has enough.
pub(super) fn check(sites: &[&Site], need: &Need) -> Result<(), DoesNotFit> {
    let needs = need.bytes();
    let sizes: Option<Vec<u64>> = sites.iter().copied().map(memory_of).collect();
    match sizes.and_then(|sizes| sizes.into_iter().max()) {
        Some(has) if has < needs => Err(DoesNotFit {
            needs,
            has,
            changes: need.changes(has),
        }),
        _ => Ok(()),
    }
}

fn memory_of(site: &Site) -> Option<u64> {
    site.place.settings.resources.memory_bytes
}

impl DoesNotFit {
    /// What to do about it, in English, for programs.
    #[must_use]
    pub fn advice(&self) -> String {
        Lang::En.say(&self.say())
    }

    /// What to do about it. Whoever refuses does not know the reader's language: sizes and changes are there in both, and the
    /// text of each language takes its own.
    pub(super) fn say(&self) -> Say {
        let size = |lang, value: u64| bytes(lang, i64::try_from(value).unwrap_or(i64::MAX));
        let changes = |lang| {
            let changes: Vec<String> = self.changes.iter().map(|one| words(lang, one)).collect();
            changes.join(", ")
        };
        let say = if self.changes.is_empty() {
            Say::new("jobs-fits-nowhere")
        } else {
            Say::new("jobs-does-not-fit")
                .with("changes_nl", changes(Lang::Nl))
                .with("changes_en", changes(Lang::En))
        };
        say.with("needs_nl", size(Lang::Nl, self.needs))
            .with("needs_en", size(Lang::En, self.needs))
            .with("has_nl", size(Lang::Nl, self.has))
            .with("has_en", size(Lang::En, self.has))
    }
}

fn words(lang: Lang, change: &Change) -> String {
    let with = |key: &str, number: &u64| lang.t_with(key, &[("number", number.to_string())]);
    match change {
        Change::Recompute => lang.t("jobs-change-recompute"),
        Change::SequenceLength(tokens) => with("jobs-change-sequence-length", tokens),
        Change::Accumulate(parts) => with("jobs-change-accumulate", parts),
        Change::Rank(rank) => with("jobs-change-rank", rank),
        Change::NoBestCopy => lang.t("jobs-change-no-best"),
        Change::LoraInstead(rank) => with("jobs-change-lora", rank),
    }
}

fn adapters(lora: &LoraSettings) -> (u64, Projections) {
    let names = lora.target_modules.iter().map(String::as_str);
    (u64::from(lora.rank), Projections::named(names))
}

fn of_base(base: &BaseShape) -> Shape {
    Shape {
        vocabulary: base.vocabulary,
        width: base.width,
        inner_width: base.inner_width,
        layers: base.layers,
        heads: base.heads,
        key_value_heads: base.key_value_heads,
        head_width: base.head_width,
        is_tied: base.is_tied,
    }
}

/// The shape of a model that is made anew.
pub(super) fn of_new(shape: &ModelShape) -> Shape {
    let heads = u64::from(shape.heads.max(1));
    Shape {
        vocabulary: u64::from(shape.vocabulary),
        width: u64::from(shape.width),
        inner_width: u64::from(shape.inner_width),
        layers: u64::from(shape.layers),
        heads,
        key_value_heads: u64::from(shape.key_value_heads),
        head_width: u64::from(shape.width) / heads,
        is_tied: shape.tied_embeddings,
    }
}

#[cfg(test)]
mod tests {
    use job_contract::TrainingSettings;

    use super::{super::shape::SHAPES, *};

    /// SmolLM2-135M.
    const BASE: BaseShape = BaseShape {
        vocabulary: 49_152,
        width: 576,
        inner_width: 1536,
        layers: 30,
        heads: 9,
        key_value_heads: 3,
        head_width: 64,
        is_tied: true,
    };

    fn training(precision: Precision) -> TrainingSettings {
        TrainingSettings {
            precision,
            ..TrainingSettings::default()
        }
    }

    fn adapters_of(precision: Precision) -> Task {
        Task::FineTuneLora {
            lora: LoraSettings {
                rank: 8,
                alpha: 16.0,
                dropout: 0.0,
                target_modules: vec!["q_proj".to_owned(), "v_proj".to_owned()],
            },
            training: training(precision),
        }
    }

    fn need(task: &Task) -> Need {
        Need::of(task, Some(&BASE), (98_362_432, 12_000)).unwrap()
    }

    #[test]
    fn what_is_left_to_the_place_counts_as_the_least_it_may_be() {
        let bytes = |precision| need(&adapters_of(precision)).bytes();
        assert_eq!(bytes(Precision::Auto), bytes(Precision::Bf16));
        assert!(bytes(Precision::Auto) < bytes(Precision::F32));
        assert_eq!(
            need(&adapters_of(Precision::Auto)).parameters(),
            134_515_008
        );
    }

    #[test]
    fn nothing_is_said_of_what_is_not_known() {
        let sizes = (98_362_432, 12_000);
        assert!(Need::of(&adapters_of(Precision::Auto), None, sizes).is_none());
        let (_, shape) = &SHAPES[1];
        let new = Task::Pretrain {
            shape: shape.clone(),
            training: training(Precision::Auto),
        };
        assert!(
            Need::of(&new, None, (0, 0)).is_some(),
            "its sizes are those asked for"
        );
    }

    #[test]
    fn adapters_are_advised_where_there_is_a_base_to_put_them_over() {
        let is_adapters = |change: &Change| matches!(change, Change::LoraInstead(_));
        let whole = need(&Task::FineTuneFull {
            training: training(Precision::Auto),
        });
        let changes = whole.changes(whole.bytes() * 7 / 10);
        assert!(changes.iter().any(is_adapters), "{changes:?}");
        let (_, shape) = &SHAPES[2];
        let new = need(&Task::Pretrain {
            shape: shape.clone(),
            training: training(Precision::Auto),
        });
        for percent in [99, 90, 70, 50, 10] {
            let changes = new.changes(new.bytes() * percent / 100);
            assert!(!changes.iter().any(is_adapters), "{percent}: {changes:?}");
        }
    }

    #[test]
    fn every_advice_is_worded() {
        let all = [
            Change::Recompute,
            Change::SequenceLength(64),
            Change::Accumulate(2),
            Change::Rank(4),
            Change::NoBestCopy,
            Change::LoraInstead(8),
        ];
        for lang in Lang::ALL {
            for changes in [Vec::new(), all.to_vec()] {
                let why = DoesNotFit {
                    needs: 31_700_000,
                    has: 29_400_000,
                    changes,
                };
                let text = lang.say(&why.say());
                assert!(!text.contains('⟨') && !text.contains('{'), "{text}");
                let (own, others) = match lang {
                    Lang::Nl => ("31,7 MB", ["31.7 MB", "at most"]),
                    Lang::En => ("31.7 MB", ["31,7 MB", "hoogstens"]),
                };
                assert!(text.contains(own), "{text}");
                assert!(!others.iter().any(|words| text.contains(*words)), "{text}");
            }
        }
    }
}
