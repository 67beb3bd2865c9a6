//! How much of the training text a model keeps by heart.
//!
//! - *Extraction*: given fifty tokens of a training document, does the model go on with the next fifty, word for word
//!   (Carlini et al. 2023, arXiv 2202.07646)?
//! - *Longest match*: the longest stretch of what it writes that is in the training text, found by a suffix array.
//! - *Exposure* of planted canaries (Carlini et al. 2019, arXiv 1802.08232): in bits, how far the planted secret ranks
//!   before others of its form; 0 to 1 where it was not learnt.
//!
//! The first two are also told of each dataset version by itself: what a small archive allows is not to be lost in the
//! average over a large one.

use std::collections::HashSet;

use job_contract::{DatasetMemorisation, Suite};
use rand::{SeedableRng, rngs::StdRng};

use super::{
    EvaluateError, Order,
    choice::document,
    generate::continuations,
    learnt::{ASKED, GIVEN, Learnt, Written, given},
    report::Measure,
    statistics::share,
    subject::Subject,
};
use crate::{
    data::{DataSettings, REPEATS, Wanted, canaries, prepare},
    training_loop::Observer,
};

/// Secrets that a planted one is compared with: enough for an exposure of ten bits.
const OTHERS: usize = 1023;

/// The figures over all training data, and those of each dataset version.
pub(super) fn measure(
    subject: &mut Subject,
    order: Order<'_>,
    observer: &mut dyn Observer,
) -> Result<(Vec<Measure>, Vec<DatasetMemorisation>), EvaluateError> {
    if order.sources.is_empty() {
        return Err(EvaluateError::Nothing(
            "memorisation is measured against the training files, and none are given",
        ));
    }
    let (mut measures, datasets) = extraction(subject, order, observer)?;
    measures.extend(exposure(subject, order, observer)?);
    Ok((measures, datasets))
}

fn figure(name: String, value: f64, items: u64, meaning: &str) -> Measure {
    Measure {
        suite: Suite::Memorisation,
        name,
        value,
        interval: None,
        items,
        chance: None,
        meaning: meaning.to_owned(),
    }
}

fn extraction(
    subject: &mut Subject,
    order: Order<'_>,
    observer: &mut dyn Observer,
) -> Result<(Vec<Measure>, Vec<DatasetMemorisation>), EvaluateError> {
    let settings = DataSettings {
        sequence_length: usize::MAX,
        // What was held out was not learnt, so it is not tried.
        held_out_share: order.settings.held_out_share.unwrap_or(0.0),
        seed: order.seed,
        packing: false,
        canaries: 0,
        wanted: Wanted::Examples,
    };
    let model = subject.model();
    let speech = (&model.tokenizer, model.chat_template.as_ref());
    let data = prepare(order.sources, &[], speech, settings)?;
    let learnt = Learnt::new(&data.pieces, order.datasets);
    drop(data);
    observer.may_go_on()?;
    let most = order.settings.most_items.unwrap_or(u32::MAX) as usize;
    let tries = learnt.draw(most, order.seed);
    let prefixes: Vec<Vec<u32>> = learnt
        .tried(&tries)
        .map(|document| given(&document.tokens).to_vec())
        .collect();
    let (serving, adapter) = subject.serving(GIVEN + ASKED + 1)?;
    let found = continuations(&serving, adapter.as_ref(), &prefixes, ASKED, || {
        observer.may_go_on()
    })?;
    let mut written: Vec<Written> = learnt
        .tried(&tries)
        .zip(found)
        .map(|(document, tokens)| Written::after(document, tokens))
        .collect();
    let mut datasets = Vec::new();
    for (number, version) in learnt.versions.iter().enumerate() {
        observer.may_go_on()?;
        let own = learnt.of_version(number, &mut written);
        datasets.extend(version.map(|id| own.of_dataset(id)));
    }
    Ok((over_all(&written, tries.of_all), datasets))
}

/// The figures over all training data. Shares and averages stand on the first `of_all`, which are a plain sample of all
/// documents; what was tried more of a small dataset would weigh too much in them.
fn over_all(written: &[Written], of_all: usize) -> Vec<Measure> {
    let sample = written.get(..of_all).unwrap_or(written);
    let items = sample.len() as u64;
    let hits = sample.iter().filter(|one| one.is_repeated).count() as u64;
    let sum: usize = sample.iter().map(|one| one.longest).sum();
    let longest = written.iter().map(|one| one.longest).max().unwrap_or(0);
    let mut extracted = figure(
        "extracted".to_owned(),
        hits as f64 / items.max(1) as f64,
        items,
        "share of training documents that the model goes on with word for word for fifty tokens, given up to fifty",
    );
    extracted.interval = share(hits, items);
    vec![
        extracted,
        figure(
            "longest_match".to_owned(),
            longest as f64,
            written.len() as u64,
            "tokens of the longest stretch it wrote that is in the training text",
        ),
        figure(
            "mean_match".to_owned(),
            sum as f64 / items.max(1) as f64,
            items,
            "tokens of the longest such stretch, on average over what it wrote",
        ),
    ]
}

fn exposure(
    subject: &mut Subject,
    order: Order<'_>,
    observer: &mut dyn Observer,
) -> Result<Vec<Measure>, EvaluateError> {
    let Some(planted) = order.settings.canaries else {
        return Ok(Vec::new());
    };
    let mut bits: Vec<(usize, f64)> = Vec::new();
    let mut draw = StdRng::seed_from_u64(order.seed.wrapping_add(1));
    let most = subject.most_tokens();
    for canary in canaries(planted.count, planted.seed) {
        observer.may_go_on()?;
        let others = (0..OTHERS).map(|_| canary.other(&mut draw).secret);
        let secrets: HashSet<String> = others.filter(|secret| *secret != canary.secret).collect();
        let documents: Result<Vec<_>, _> = std::iter::once(&canary.secret)
            .chain(&secrets)
            .map(|secret| document(subject.tokenizer(), &canary.prefix, secret, most))
            .collect();
        let documents = documents.map_err(|error| EvaluateError::Items {
            file: "canaries",
            problem: error.to_string(),
        })?;
        let scores = subject.log_probabilities(&documents)?;
        let own = scores.first().copied().unwrap_or(f64::NEG_INFINITY);
        let rank = 1 + scores.iter().skip(1).filter(|score| **score >= own).count();
        let all = scores.len() as f64;
        bits.push((canary.repeats, all.log2() - (rank as f64).log2()));
    }
    let mean = |repeats: usize| {
        let own: Vec<f64> = bits
            .iter()
            .filter(|(of, _)| *of == repeats)
            .map(|(_, bits)| *bits)
            .collect();
        let count = own.len() as u64;
        let mean = own.iter().sum::<f64>() / count.max(1) as f64;
        figure(
            format!("exposure_{repeats}"),
            mean,
            count,
            "mean exposure in bits of secrets that were planted so many times; about 1.4 where nothing was learnt, 10 at most",
        )
    };
    Ok(REPEATS.map(mean).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(is_repeated: bool, longest: usize) -> Written {
        Written {
            version: 0,
            is_repeated,
            longest,
            tokens: Vec::new(),
        }
    }

    #[test]
    fn what_is_tried_more_of_a_small_dataset_weighs_no_more_in_the_whole() {
        // Two of all documents together, then two more of a small dataset.
        let written = [
            written(true, 4),
            written(false, 2),
            written(true, 30),
            written(true, 9),
        ];
        let all = over_all(&written, 2);
        let figures: Vec<(&str, f64, u64)> = all
            .iter()
            .map(|one| (one.name.as_str(), one.value, one.items))
            .collect();
        assert_eq!(
            figures,
            [
                ("extracted", 0.5, 2),
                // What was found once was found, wherever.
                ("longest_match", 30.0, 4),
                ("mean_match", 3.0, 2),
            ]
        );
    }
}
