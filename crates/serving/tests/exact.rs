//! The answer to a prompt is the same to the bit whatever else is computed with it, and wherever its start comes from.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

mod base_model;

use language_model::{
    Config, LoraAdapter, Message, ModelFile, Target,
    inference::{Adapter, InferenceModel, KvCache, PAGE_TOKENS, Work, Workspace},
    synthetic::Noise,
};

const NEW_TOKENS: usize = 16;

/// Tokens and the logits of the last one.
type Answer = (Vec<u32>, Vec<f32>);

fn likeliest(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.unwrap().0 as u32
}

/// Answers all prompts side by side, each behind what its cache holds, reading `piece` tokens of a prompt at a time.
fn answers(
    model: &InferenceModel,
    prompts: &[&[u32]],
    adapters: &[Option<&Adapter>],
    caches: &mut [KvCache],
    piece: usize,
) -> Vec<Answer> {
    let mut space = Workspace::default();
    let mut answers: Vec<Answer> = prompts.iter().map(|_| Answer::default()).collect();
    let mut texts: Vec<Vec<u32>> = prompts.iter().map(|prompt| prompt.to_vec()).collect();
    while answers.iter().any(|(tokens, _)| tokens.len() < NEW_TOKENS) {
        let mut ready = Vec::new();
        let mut works = Vec::new();
        for (number, (cache, text)) in caches.iter_mut().zip(&texts).enumerate() {
            if answers[number].0.len() == NEW_TOKENS {
                continue;
            }
            let start = cache.tokens();
            let end = text.len().min(start.saturating_add(piece));
            let is_read = end == text.len();
            if is_read {
                ready.push(number);
            }
            works.push(Work {
                tokens: &text[start..end],
                cache,
                adapter: adapters[number],
                wants_logits: is_read,
            });
        }
        model.step(&mut works, &mut space).unwrap();
        for (number, logits) in ready.into_iter().zip(space.logits()) {
            let token = likeliest(logits);
            texts[number].push(token);
            answers[number].0.push(token);
            answers[number].1 = logits.to_vec();
        }
    }
    answers
}

fn caches(model: &InferenceModel, prompts: &[&[u32]]) -> Vec<KvCache> {
    let cache = |prompt: &&[u32]| model.new_cache(prompt.len() + NEW_TOKENS);
    prompts.iter().map(cache).collect()
}

fn adapter(config: &Config, seed: u64) -> Adapter {
    let places = [
        Target::Query,
        Target::Key,
        Target::Value,
        Target::Output,
        Target::Gate,
        Target::Up,
        Target::Down,
    ];
    let mut adapter = LoraAdapter::new(config, 8, 16.0, &places, seed).unwrap();
    let mut noise = Noise::new(seed);
    for weight in adapter.parameters_mut() {
        *weight += noise.sample() * 0.02;
    }
    let (settings, weights) = (
        adapter.to_config_json("base"),
        adapter.to_safetensors().unwrap(),
    );
    Adapter::parse(settings.as_bytes(), &weights, config).unwrap()
}

#[test]
fn an_answer_is_the_same_alone_in_a_batch_and_behind_a_cached_prefix() {
    let file = ModelFile::open(&base_model::path()).unwrap();
    let model = InferenceModel::new(&file.config, &file.weights, 1024);
    let chats: Vec<Vec<Message>> =
        serde_json::from_str(include_str!("greedy/prompts.json")).unwrap();
    let template = file.chat_template.as_ref().unwrap();
    let prompts: Vec<Vec<u32>> = chats
        .iter()
        .step_by(5)
        .map(|chat| {
            let text = template.render(chat, true).unwrap();
            file.tokenizer.encode(&text).unwrap()
        })
        .collect();
    let prompts: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    let own = [adapter(&file.config, 1), adapter(&file.config, 2)];
    let adapters: Vec<Option<&Adapter>> = (0..prompts.len())
        .map(|number| own.get(number % 3))
        .collect();

    let mut alone = Vec::new();
    let mut kept = Vec::new();
    for (prompt, adapter) in prompts.iter().zip(&adapters) {
        let mut cache = caches(&model, &[prompt]);
        alone.extend(answers(
            &model,
            &[prompt],
            &[*adapter],
            &mut cache,
            usize::MAX,
        ));
        kept.extend(cache);
    }
    assert_ne!(alone[0], alone[2], "adapters and prompts make a difference");

    let mut fresh = caches(&model, &prompts);
    let together = answers(&model, &prompts, &adapters, &mut fresh, 7);
    assert!(alone == together, "in a batch, prompts read in pieces");

    let mut begun = caches(&model, &prompts);
    for ((cache, kept), prompt) in begun.iter_mut().zip(&kept).zip(&prompts) {
        let shared = (prompt.len() - 1) / PAGE_TOKENS;
        cache.start_with(kept.full_pages().take(shared));
        assert_eq!(cache.tokens(), shared * PAGE_TOKENS);
    }
    let continued = answers(&model, &prompts, &adapters, &mut begun, usize::MAX);
    assert!(
        alone == continued,
        "behind the pages of an earlier sequence"
    );
}
