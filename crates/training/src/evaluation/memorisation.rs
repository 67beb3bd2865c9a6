//! How much of the training text a model keeps by heart.
//!
//! - *Extraction*: given fifty tokens of a training document, does the model go on with the next fifty, word for word
//!   (Carlini et al. 2023, arXiv 2202.07646)?
//! - *Longest match*: the longest stretch of what it writes that is in the training text, found by a suffix array.
//! - *Exposure* of planted canaries (Carlini et al. 2019, arXiv 1802.08232): in bits, how far the planted secret ranks
//!   before others of its form; 0 to 1 where it was not learnt.

use std::collections::HashSet;

use job_contract::Suite;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::{
    EvaluateError, Order, choice::document, generate::continuations, report::Measure,
    statistics::share, subject::Subject, suffixes::Suffixes,
};
use crate::{
    data::{DataSettings, REPEATS, Wanted, canaries, prepare},
    training_loop::Observer,
};

/// Tokens of a document that are given, and tokens that must come out.
const GIVEN: usize = 50;
const ASKED: usize = 50;
/// Documents that are tried.
const MOST_DOCUMENTS: usize = 100;
/// Secrets that a planted one is compared with: enough for an exposure of ten bits.
const OTHERS: usize = 1023;

pub(super) fn measure(
    subject: &mut Subject,
    order: Order<'_>,
    observer: &mut dyn Observer,
) -> Result<Vec<Measure>, EvaluateError> {
    if order.sources.is_empty() {
        return Err(EvaluateError::Nothing(
            "memorisation is measured against the training files, and none are given",
        ));
    }
    let mut measures = extraction(subject, order, observer)?;
    measures.extend(exposure(subject, order, observer)?);
    Ok(measures)
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
) -> Result<Vec<Measure>, EvaluateError> {
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
    let mut documents: Vec<&[u32]> = data
        .pieces
        .iter()
        .map(|piece| piece.document.tokens.as_slice())
        .collect();
    let mut text = Vec::new();
    for document in &documents {
        text.extend_from_slice(document);
        // No match runs from one document into the next.
        text.push(u32::MAX);
    }
    observer.may_go_on()?;
    let suffixes = Suffixes::new(text);
    documents.shuffle(&mut StdRng::seed_from_u64(order.seed));
    let most = order.settings.most_items.unwrap_or(u32::MAX) as usize;
    // Short documents are halved, so that small data is tried as well.
    let given = |document: &[u32]| GIVEN.min(document.len() / 2);
    let tried: Vec<&[u32]> = documents
        .into_iter()
        .filter(|document| given(document) >= 4)
        .take(MOST_DOCUMENTS.min(most))
        .collect();
    let prefixes: Vec<Vec<u32>> = tried
        .iter()
        .map(|document| document.get(..given(document)).unwrap_or_default().to_vec())
        .collect();
    let (serving, adapter) = subject.serving(GIVEN + ASKED + 1)?;
    let found = continuations(&serving, adapter.as_ref(), &prefixes, ASKED, || {
        observer.may_go_on()
    })?;
    let (mut hits, mut longest, mut sum) = (0, 0, 0);
    for ((document, prefix), found) in tried.iter().zip(&prefixes).zip(&found) {
        let rest = document.get(prefix.len()..).unwrap_or_default();
        let rest = rest.get(..ASKED.min(rest.len())).unwrap_or_default();
        hits += u64::from(!rest.is_empty() && found.starts_with(rest));
        let length = suffixes.longest(found);
        longest = longest.max(length);
        sum += length;
    }
    let items = tried.len() as u64;
    let mut extracted = figure(
        "extracted".to_owned(),
        hits as f64 / items.max(1) as f64,
        items,
        "share of training documents that the model goes on with word for word for fifty tokens, given up to fifty",
    );
    extracted.interval = share(hits, items);
    Ok(vec![
        extracted,
        figure(
            "longest_match".to_owned(),
            longest as f64,
            items,
            "tokens of the longest stretch it wrote that is in the training text",
        ),
        figure(
            "mean_match".to_owned(),
            sum as f64 / items.max(1) as f64,
            items,
            "tokens of the longest such stretch, on average over what it wrote",
        ),
    ])
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
