//! Greedy answers equal llama.cpp's on the recorded prompts (`greedy/record.py` made them).

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

use std::{env, path::PathBuf};

use language_model::{
    Message, ModelFile,
    inference::{InferenceModel, Sampler, Sampling, Work, Workspace},
};
use serde::Deserialize;

/// Where the two likeliest tokens are this near, rounding decides between them.
const TIE: f32 = 1e-3;

#[derive(Debug, Deserialize)]
struct Expected {
    prompt_tokens: usize,
    tokens: Vec<u32>,
    /// How far the two likeliest tokens were apart at each step, in nats.
    gaps: Vec<f32>,
}

fn base_model() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    let (given, cache, home) = (
        env::var("FACULTY_TEST_BASE_MODEL"),
        env::var("FACULTY_CACHE"),
        env::var("HOME"),
    );
    let path = given.map(PathBuf::from).unwrap_or_else(|_| {
        let cache = cache
            .map(PathBuf::from)
            .unwrap_or_else(|_| PathBuf::from(home.unwrap()).join(".cache/virtual-faculty"));
        cache.join("SmolLM2-135M-Instruct.Q4_1.gguf")
    });
    assert!(
        path.is_file(),
        "{} is missing: run scripts/fetch-base-model, or set FACULTY_TEST_BASE_MODEL",
        path.display()
    );
    path
}

fn answer(model: &InferenceModel, prompt: &[u32], ends: &[u32], most: usize) -> Vec<u32> {
    let mut cache = model.new_cache(prompt.len() + most);
    let mut space = Workspace::default();
    let mut sampler = Sampler::new(Sampling::greedy());
    let mut tokens: Vec<u32> = Vec::new();
    let mut next = prompt.to_vec();
    while tokens.len() < most && !tokens.last().is_some_and(|token| ends.contains(token)) {
        let work = Work {
            tokens: &next,
            cache: &mut cache,
            adapter: None,
            wants_logits: true,
        };
        model.step(&mut [work], &mut space).unwrap();
        let token = sampler.choose(space.logits().next().unwrap());
        tokens.push(token);
        next = vec![token];
    }
    tokens
}

#[test]
fn greedy_answers_equal_those_of_llama_cpp() {
    let chats: Vec<Vec<Message>> =
        serde_json::from_str(include_str!("greedy/prompts.json")).unwrap();
    let expected: Vec<Expected> =
        serde_json::from_str(include_str!("greedy/expected.json")).unwrap();
    assert_eq!(chats.len(), expected.len());
    assert!(chats.len() >= 20, "too few prompts to mean much");
    let file = ModelFile::open(&base_model()).unwrap();
    let model = InferenceModel::new(&file.config, &file.weights, 1024);
    let template = file.chat_template.as_ref().unwrap();
    let mut wrong = Vec::new();
    for (chat, expected) in chats.iter().zip(&expected) {
        let text = template.render(chat, true).unwrap();
        let prompt = file.tokenizer.encode(&text).unwrap();
        assert_eq!(prompt.len(), expected.prompt_tokens, "{text}");
        let tokens = answer(
            &model,
            &prompt,
            file.tokenizer.ends(),
            expected.tokens.len(),
        );
        let differs = tokens
            .iter()
            .zip(&expected.tokens)
            .position(|(ours, theirs)| ours != theirs);
        if let Some(at) = differs
            && expected.gaps[at] > TIE
        {
            wrong.push(format!(
                "after {at} of {} tokens ({} nats apart): {:?} for {:?} in answer to {:?}",
                tokens.len(),
                expected.gaps[at],
                file.tokenizer.decode(&tokens[at..=at]),
                file.tokenizer.decode(&expected.tokens[at..=at]),
                chat.last().unwrap().content
            ));
        } else if differs.is_none() {
            assert_eq!(
                tokens.len(),
                expected.tokens.len(),
                "one answer ends earlier than the other"
            );
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} answers differ:\n{}",
        wrong.len(),
        chats.len(),
        wrong.join("\n")
    );
}
