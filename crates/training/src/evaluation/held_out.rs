//! How well text is predicted that was not learnt from.

use job_contract::Suite;
use language_model::Document;

use super::{EvaluateError, Order, report::Measure, statistics::ratio, subject::Subject};
use crate::{
    data::{DataError, DataSettings, Wanted, prepare},
    training_loop::Observer,
};

/// Share of the documents that is measured on where nothing else is said and there are no files for it.
const SHARE: f32 = 0.1;
/// Longer documents are cut.
const MOST_TOKENS: usize = 512;

pub(super) fn measure(
    subject: &mut Subject,
    order: Order<'_>,
    observer: &mut dyn Observer,
) -> Result<Vec<Measure>, EvaluateError> {
    let settings = DataSettings {
        sequence_length: MOST_TOKENS.min(subject.most_tokens()),
        held_out_share: order.settings.held_out_share.unwrap_or(SHARE),
        seed: order.seed,
        packing: false,
        canaries: 0,
        wanted: Wanted::Examples,
    };
    let model = subject.model();
    let speech = (&model.tokenizer, model.chat_template.as_ref());
    let pieces = if order.validation.is_empty() {
        prepare(order.sources, &[], speech, settings)?.held_out
    } else {
        let all = DataSettings {
            held_out_share: 0.0,
            ..settings
        };
        prepare(order.validation, &[], speech, all)?.pieces
    };
    let most = order.settings.most_items.unwrap_or(u32::MAX) as usize;
    let documents: Vec<&Document> = pieces
        .iter()
        .take(most)
        .map(|piece| &piece.document)
        .collect();
    let (mut items, mut right, mut targets) = (Vec::new(), 0, 0);
    for document in documents {
        observer.may_go_on()?;
        for loss in subject.losses(&[document])? {
            items.push((loss.sum, loss.targets as f64));
            right += loss.right;
            targets += loss.targets;
        }
    }
    let total: f64 = items.iter().map(|(sum, _)| sum).sum();
    if targets == 0 {
        return Err(DataError::NothingToLearn.into());
    }
    let loss = total / targets as f64;
    let interval = ratio(&items).map(|(_, interval)| interval);
    let figure = |name: &str, value, interval, meaning: &str| Measure {
        suite: Suite::HeldOut,
        name: name.to_owned(),
        value,
        interval,
        items: targets,
        chance: None,
        meaning: meaning.to_owned(),
    };
    Ok(vec![
        figure(
            "loss",
            loss,
            interval,
            "mean cross-entropy in nats a target token; lower is better",
        ),
        figure(
            "perplexity",
            loss.exp(),
            interval.map(|(low, high)| (low.exp(), high.exp())),
            "the number of equally likely tokens that would be as hard to guess; lower is better",
        ),
        figure(
            "accuracy",
            right as f64 / targets as f64,
            None,
            "share of target tokens that the model thought likeliest",
        ),
    ])
}
