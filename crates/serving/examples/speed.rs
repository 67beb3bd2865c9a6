//! Measures prefill and decode of a model file on this machine.
//!
//! `cargo run --release -p serving --example speed -- MODEL.gguf [PROMPT_TOKENS [NEW_TOKENS]]`

#![expect(clippy::print_stdout, reason = "a measurement for people")]

use std::{path::PathBuf, time::Instant};

use anyhow::Context;
use language_model::{
    ModelFile,
    inference::{
        Activations, InferenceModel, KvCache, Sampler, Sampling, Work, Workspace, kernels::Tier,
    },
};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(
        arguments
            .next()
            .context("usage: speed MODEL.gguf [PROMPT [NEW]]")?,
    );
    let prompt_tokens: usize = arguments.next().map_or(Ok(256), |n| n.parse())?;
    let new_tokens: usize = arguments.next().map_or(Ok(64), |n| n.parse())?;

    let start = Instant::now();
    let file = ModelFile::open(&path)?;
    let model = InferenceModel::new(&file.config, &file.weights, 4096);
    println!("{:?}, {} threads", Tier::best(), rayon_threads());
    println!(
        "load      {:>8.2} s, {} MB",
        start.elapsed().as_secs_f32(),
        model.size_bytes() / 1_000_000
    );

    let prompt: Vec<u32> = file
        .tokenizer
        .encode(&"The city council met. ".repeat(prompt_tokens))?;
    let prompt = prompt
        .get(..prompt_tokens)
        .context("the prompt is too short")?;
    for (activations, streams) in [Activations::Bits8, Activations::Bits16]
        .into_iter()
        .flat_map(|bits| [1, 4, 8].map(|streams| (bits, streams)))
    {
        let mut space = Workspace::new(activations);
        let mut caches: Vec<KvCache> = (0..streams)
            .map(|_| model.new_cache(prompt_tokens + new_tokens))
            .collect();
        let start = Instant::now();
        for cache in &mut caches {
            let work = Work {
                tokens: prompt,
                cache,
                adapter: None,
                wants_logits: true,
            };
            model.step(&mut [work], &mut space)?;
        }
        let prefill = (streams * prompt_tokens) as f32 / start.elapsed().as_secs_f32();
        let mut sampler = Sampler::new(Sampling::greedy());
        let token = space
            .logits()
            .next()
            .map_or(0, |logits| sampler.choose(logits));
        let mut tokens = vec![[token]; streams];
        let start = Instant::now();
        for _ in 1..new_tokens {
            let mut works: Vec<Work<'_>> = tokens
                .iter()
                .zip(&mut caches)
                .map(|(token, cache)| Work {
                    tokens: token,
                    cache,
                    adapter: None,
                    wants_logits: true,
                })
                .collect();
            model.step(&mut works, &mut space)?;
            for (token, logits) in tokens.iter_mut().zip(space.logits()) {
                *token = [sampler.choose(logits)];
            }
        }
        let decode = (streams * (new_tokens - 1)) as f32 / start.elapsed().as_secs_f32();
        println!(
            "{activations:?}, {streams} streams: prefill {prefill:>7.0} tokens/s, decode {decode:>7.1} tokens/s"
        );
    }
    Ok(())
}

fn rayon_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
