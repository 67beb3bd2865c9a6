//! Greedy continuation, as the model is served.

use language_model::inference::{Activations, Adapter, InferenceModel, StepError, Work, Workspace};

/// Sequences that are continued side by side.
const AT_ONCE: usize = 8;

/// The likeliest `count` tokens after each prefix, one at a time; fewer after an end token.
pub(super) fn continuations(
    model: &InferenceModel,
    adapter: Option<&Adapter>,
    prefixes: &[Vec<u32>],
    count: usize,
    mut each: impl FnMut() -> Result<(), crate::stop::Stop>,
) -> Result<Vec<Vec<u32>>, super::EvaluateError> {
    let mut all = Vec::new();
    for group in prefixes.chunks(AT_ONCE) {
        let mut caches: Vec<_> = group
            .iter()
            .map(|prefix| model.new_cache(prefix.len() + count))
            .collect();
        let mut next: Vec<Vec<u32>> = group.to_vec();
        let mut found: Vec<Vec<u32>> = vec![Vec::new(); group.len()];
        let mut space = Workspace::new(Activations::default());
        for _ in 0..count {
            each()?;
            step(model, adapter, (&mut caches, &mut next), &mut space)?;
            for (found, next) in found.iter_mut().zip(&next) {
                found.extend(next);
            }
        }
        all.extend(found);
    }
    Ok(all)
}

/// Puts `next` behind what is cached, and the likeliest token after it in its place.
fn step(
    model: &InferenceModel,
    adapter: Option<&Adapter>,
    (caches, next): (&mut [language_model::inference::KvCache], &mut [Vec<u32>]),
    space: &mut Workspace,
) -> Result<(), StepError> {
    let mut works: Vec<Work<'_>> = caches
        .iter_mut()
        .zip(next.iter())
        .map(|(cache, tokens)| Work {
            tokens,
            cache,
            adapter,
            wants_logits: true,
        })
        .collect();
    model.step(&mut works, space)?;
    drop(works);
    for (logits, next) in space.logits().zip(next) {
        let best =
            logits
                .iter()
                .enumerate()
                .fold((0, f32::NEG_INFINITY), |best, (token, logit)| {
                    if *logit > best.1 {
                        (token, *logit)
                    } else {
                        best
                    }
                });
        *next = vec![u32::try_from(best.0).unwrap_or(0)];
    }
    Ok(())
}
