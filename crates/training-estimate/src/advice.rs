//! What could be changed so that a run fits.

use std::fmt;

use crate::{Method, Recompute, Settings, Shape, memory};

/// One change of the settings that is enough on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Recompute,
    SequenceLength(u64),
    /// Parts that a step is worked through in.
    Accumulate(u64),
    Rank(u64),
    NoBestCopy,
    /// LoRA of this rank instead of all weights.
    LoraInstead(u64),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recompute => f.write_str("recompute always"),
            Self::SequenceLength(tokens) => write!(f, "sequence_length {tokens}"),
            Self::Accumulate(parts) => write!(f, "accumulate {parts}"),
            Self::Rank(rank) => write!(f, "rank {rank}"),
            Self::NoBestCopy => f.write_str("keep_best off"),
            Self::LoraInstead(rank) => write!(f, "LoRA with rank {rank} instead of all weights"),
        }
    }
}

/// Changes each of which makes the run fit in so many bytes; none where nothing does.
#[must_use]
pub fn what_fits(shape: &Shape, settings: &Settings, bytes: u64) -> Vec<Change> {
    let fits = |change: &Change| memory(shape, &changed(settings, *change)).total() <= bytes;
    let halves = |from: u64, least: u64| {
        std::iter::successors(Some(from / 2), |half| Some(half / 2))
            .take_while(move |x| *x >= least)
    };
    let mut found: Vec<Change> = Vec::new();
    let mut first =
        |mut changes: Box<dyn Iterator<Item = Change>>| found.extend(changes.find(&fits));
    first(Box::new(std::iter::once(Change::Recompute)));
    first(Box::new(
        halves(settings.sequence_length, 8).map(Change::SequenceLength),
    ));
    let most = settings.batch_size;
    let parts = std::iter::successors(Some(2 * settings.accumulate.max(1)), |parts| {
        Some(2 * parts)
    });
    let parts = parts.take_while(move |parts| *parts <= most);
    first(Box::new(parts.map(Change::Accumulate)));
    match settings.method {
        Method::Lora { rank, .. } | Method::Dpo { rank, .. } => {
            first(Box::new(halves(rank, 1).map(Change::Rank)));
        }
        Method::Full => first(Box::new([16, 8, 4].into_iter().map(Change::LoraInstead))),
    }
    if settings.keeps_best {
        first(Box::new(std::iter::once(Change::NoBestCopy)));
    }
    found
}

fn changed(settings: &Settings, change: Change) -> Settings {
    let mut changed = *settings;
    match change {
        Change::Recompute => changed.recompute = Recompute::Always,
        Change::SequenceLength(tokens) => changed.sequence_length = tokens,
        Change::Accumulate(parts) => changed.accumulate = parts,
        Change::Rank(rank) => match &mut changed.method {
            Method::Lora { rank: own, .. } | Method::Dpo { rank: own, .. } => *own = rank,
            Method::Full => {}
        },
        Change::NoBestCopy => changed.keeps_best = false,
        Change::LoraInstead(rank) => {
            let projections = crate::Projections {
                query: true,
                key: true,
                value: true,
                output: true,
                gate: true,
                up: true,
                down: true,
            };
            changed.method = Method::Lora { rank, projections };
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Projections, Work, work};

    /// SmolLM2-135M.
    const SHAPE: Shape = Shape {
        vocabulary: 49_152,
        width: 576,
        inner_width: 1536,
        layers: 30,
        heads: 9,
        key_value_heads: 3,
        head_width: 64,
        is_tied: true,
    };

    fn settings(method: Method) -> Settings {
        Settings {
            method,
            batch_size: 4,
            sequence_length: 256,
            accumulate: 1,
            recompute: Recompute::Auto,
            is_half: false,
            keeps_best: false,
            base_bytes: 98_362_432,
            data_tokens: 12_000,
        }
    }

    fn lora() -> Method {
        let names = [
            "q_proj",
            "k_proj",
            "v_proj",
            "o_proj",
            "gate_proj",
            "up_proj",
            "down_proj",
        ];
        Method::Lora {
            rank: 8,
            projections: Projections::named(names),
        }
    }

    #[test]
    fn the_numbers_of_a_known_model_come_out() {
        assert_eq!(SHAPE.parameters(), 134_515_008);
        assert_eq!(settings(lora()).trained(&SHAPE), 2_442_240);
        let tokens = Work {
            tokens: 1,
            measured_tokens: 0,
        };
        let flop = work(&SHAPE, &settings(lora()), tokens);
        // 0.54 GFLOP a token without attention's own products.
        assert!((0.55e9..0.60e9).contains(&flop), "{flop}");
    }

    #[test]
    fn every_advice_is_enough_and_a_hopeless_run_gets_none() {
        for method in [lora(), Method::Full] {
            let mut settings = settings(method);
            settings.keeps_best = true;
            settings.sequence_length = 2048;
            settings.recompute = Recompute::Never;
            let needs = memory(&SHAPE, &settings).total();
            let changes = what_fits(&SHAPE, &settings, needs * 7 / 10);
            assert!(!changes.is_empty());
            for change in changes {
                let total = memory(&SHAPE, &changed(&settings, change)).total();
                assert!(total <= needs * 7 / 10, "{change} gives {total}");
            }
            assert!(what_fits(&SHAPE, &settings, 1 << 20).is_empty());
        }
    }
}
