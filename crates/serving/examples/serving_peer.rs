//! Our engine, measured by turns with llama.cpp: the same commands as `scripts/peers/llama_peer.py`, one a line in, one
//! JSON object a line out.
//!
//! ```text
//! cargo run --release -p serving --example serving_peer -- MODEL.gguf stored|8 8|16 [THREADS]
//! cargo run --release -p serving --example serving_peer -- adapter MODEL.gguf TARGET_DIR RANK SEED
//! ```
//!
//! `stored` keeps 4-bit weights as they are, `8` makes all of them 8 bits; the other number is the bits of activations.

#![expect(clippy::print_stdout, reason = "answers for whoever compares")]

use std::{
    io::BufRead,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use language_model::{
    LoraAdapter, ModelFile, Target,
    inference::{
        Activations, Adapter, InferenceModel, KvCache, STEP_TOKENS, Sampler, Sampling, Team,
        WeightBits, Work, Workspace, kernels::Tier,
    },
    synthetic::Noise,
};
use serde_json::{Value, json};
use serving::{
    Engine, Registry, UsageLog,
    engine::{EngineLimits, Event, Events, Job},
    registry::{Base, Limits, Served},
};

const PROMPT: usize = 32;
const CACHE_BYTES: usize = 1 << 30;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["adapter", model, target, rank, seed] => write_adapter(
            Path::new(model),
            Path::new(target),
            rank.parse()?,
            seed.parse()?,
        ),
        [model, weights, activations] => answer(model, weights, activations, None),
        [model, weights, activations, threads] => {
            answer(model, weights, activations, Some(threads.parse()?))
        }
        _ => bail!("usage: peer MODEL.gguf stored|8 8|16 [THREADS]"),
    }
}

fn answer(
    model: &str,
    weights: &str,
    activations: &str,
    threads: Option<usize>,
) -> anyhow::Result<()> {
    let mut peer = Peer::open(model, weights, activations, threads)?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let result = match *words.as_slice() {
            ["prompt", count] => peer.prompt(count.parse()?)?,
            ["decode", streams, count] => peer.decode(streams.parse()?, count.parse()?, &[])?,
            ["adapters", folders, streams, count] => {
                let adapters = peer.adapters(Path::new(folders))?;
                peer.decode(streams.parse()?, count.parse()?, &adapters)?
            }
            ["first", streams, count] => peer.first(streams.parse()?, count.parse()?)?,
            ["load", folder] => peer.load(Path::new(folder))?,
            ["memory"] => json!({"bytes": resident_bytes()}),
            ["about"] => json!({
                "system": format!("{:?}", Tier::best()),
                "weights": peer.model.size_bytes(),
                "load_seconds": peer.load_seconds,
            }),
            _ => bail!("unknown command {line:?}"),
        };
        println!("{result}");
    }
    Ok(())
}

struct Peer {
    model: InferenceModel,
    space: Workspace,
    path: PathBuf,
    activations: Activations,
    threads: Option<usize>,
    load_seconds: f64,
    /// Made when it is first needed, since it holds the weights once more.
    server: Option<(Engine, Registry)>,
}

/// Tokens 300..40000 by a fixed rule: no engine can know them from an earlier prompt.
fn prompt(count: usize, number: usize) -> Vec<u32> {
    (1..=count)
        .map(|place| (300 + (7919 * place + 104_729 * number) % 39_700) as u32)
        .collect()
}

impl Peer {
    fn open(
        path: &str,
        weights: &str,
        activations: &str,
        threads: Option<usize>,
    ) -> anyhow::Result<Self> {
        let start = Instant::now();
        let bits = match weights {
            "stored" => WeightBits::AsStored,
            "8" => WeightBits::Eight,
            _ => bail!("weights are stored or 8"),
        };
        let activations = match activations {
            "8" => Activations::Bits8,
            "16" => Activations::Bits16,
            _ => bail!("activations are 8 or 16"),
        };
        let file = ModelFile::open(Path::new(path))?;
        let model = InferenceModel::with_bits(&file.config, &file.weights, 4096, bits);
        let team = threads.map_or_else(Team::of_all_processors, Team::new);
        Ok(Self {
            model,
            space: Workspace::with_team(activations, team),
            path: path.into(),
            activations,
            threads,
            load_seconds: start.elapsed().as_secs_f64(),
            server: None,
        })
    }

    fn read(
        &mut self,
        tokens: &[u32],
        cache: &mut KvCache,
        adapter: Option<&Adapter>,
    ) -> anyhow::Result<u32> {
        let mut pieces = tokens.chunks(STEP_TOKENS).peekable();
        while let Some(tokens) = pieces.next() {
            let work = Work {
                tokens,
                cache,
                adapter,
                wants_logits: pieces.peek().is_none(),
            };
            self.model.step(&mut [work], &mut self.space)?;
        }
        let logits = self.space.logits().next().context("no logits")?;
        Ok(Sampler::new(Sampling::greedy()).choose(logits))
    }

    fn prompt(&mut self, count: usize) -> anyhow::Result<Value> {
        let mut cache = self.model.new_cache(count);
        let clock = Clock::start();
        self.read(&prompt(count, 0), &mut cache, None)?;
        Ok(clock.rate(count))
    }

    fn decode(
        &mut self,
        streams: usize,
        count: usize,
        adapters: &[Adapter],
    ) -> anyhow::Result<Value> {
        let mut caches: Vec<KvCache> = (0..streams)
            .map(|_| self.model.new_cache(PROMPT + count))
            .collect();
        let mut next = Vec::new();
        for (stream, cache) in caches.iter_mut().enumerate() {
            next.push([self.read(&prompt(PROMPT, stream), cache, adapters.get(stream))?]);
        }
        let mut sampler = Sampler::new(Sampling::greedy());
        let clock = Clock::start();
        for _ in 0..count {
            let works = next.iter().zip(&mut caches).enumerate();
            let mut works: Vec<Work<'_>> = works
                .map(|(stream, (tokens, cache))| Work {
                    tokens,
                    cache,
                    adapter: adapters.get(stream),
                    wants_logits: true,
                })
                .collect();
            self.model.step(&mut works, &mut self.space)?;
            for (next, logits) in next.iter_mut().zip(self.space.logits()) {
                *next = [sampler.choose(logits)];
            }
        }
        Ok(clock.rate(streams * count))
    }

    /// All adapters in the folders of a folder.
    fn adapters(&self, folders: &Path) -> anyhow::Result<Vec<Adapter>> {
        let mut folders: Vec<PathBuf> = std::fs::read_dir(folders)?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<_>>()?;
        folders.sort();
        let open = |folder: &PathBuf| Ok(Adapter::open(folder, self.model.config())?);
        folders.iter().map(open).collect()
    }

    /// The engine as it serves.
    fn server(&mut self) -> anyhow::Result<(Engine, Served)> {
        if self.server.is_none() {
            let limits = Limits {
                most_context_tokens: 4096,
                cache_bytes: CACHE_BYTES,
            };
            let registry = Registry::new(limits);
            registry.add_base(Base::open("base", &self.path, limits)?)?;
            let engine = Engine::start(EngineLimits {
                running: 16,
                waiting: 64,
                cache_bytes: CACHE_BYTES,
                activations: self.activations,
                threads: self.threads,
            })?;
            self.server = Some((engine, registry));
        }
        let (engine, registry) = self.server.as_ref().context("no server")?;
        let served = registry.find("base").context("no base")?;
        Ok((engine.clone(), served))
    }

    /// Streams that run until they are dropped, each with its first five tokens made.
    fn streams(&mut self, count: usize, number: usize) -> anyhow::Result<Vec<Events>> {
        let (engine, served) = self.server()?;
        let submit = |stream| submit(&engine, &served, prompt(PROMPT, number + stream), 2000);
        let mut streams = (0..count).map(submit).collect::<anyhow::Result<Vec<_>>>()?;
        for stream in &mut streams {
            for _ in 0..5 {
                wait(stream)?;
            }
        }
        Ok(streams)
    }

    fn first(&mut self, streams: usize, count: usize) -> anyhow::Result<Value> {
        // Prompts that were not there before, so that none of them is known.
        let number = fresh();
        let running = self.streams(streams, number)?;
        let (engine, served) = self.server()?;
        let start = Instant::now();
        let mut late = submit(&engine, &served, prompt(count, number + streams), 1)?;
        wait(&mut late)?;
        let seconds = start.elapsed().as_secs_f64();
        drop(running);
        Ok(json!({"seconds": seconds}))
    }

    /// Reads an adapter while eight streams run; how long it takes, and the longest pause of a stream before and during.
    fn load(&mut self, folder: &Path) -> anyhow::Result<Value> {
        let mut running = self.streams(8, fresh())?;
        let base = self.model.config().clone();
        let first = running.first_mut().context("no streams")?;
        let usual = longest_pause(first, Duration::from_millis(300))?;
        let folder = folder.to_owned();
        let loading = std::thread::spawn(move || {
            let start = Instant::now();
            let loaded = Adapter::open(&folder, &base);
            (start.elapsed(), loaded.map(Arc::new))
        });
        let meanwhile = longest_pause(first, Duration::from_millis(300))?;
        let (time, loaded) = loading
            .join()
            .map_err(|_| anyhow::anyhow!("loading broke off"))?;
        loaded?;
        Ok(json!({
            "seconds": time.as_secs_f64(),
            "usual_pause": usual.as_secs_f64(),
            "pause": meanwhile.as_secs_f64(),
        }))
    }
}

/// A number that is another each time.
fn fresh() -> usize {
    static LAST: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(1000);
    LAST.fetch_add(100, std::sync::atomic::Ordering::Relaxed)
}

fn submit(
    engine: &Engine,
    served: &Served,
    prompt: Vec<u32>,
    most_tokens: usize,
) -> anyhow::Result<Events> {
    let counters = UsageLog::default().open("peer", "base").start();
    let mut job = Job::new(served.clone(), prompt, most_tokens, counters);
    job.ignores_end = true;
    Ok(engine.submit(job)?)
}

fn wait(events: &mut Events) -> anyhow::Result<()> {
    match events.blocking_recv() {
        Some(Event::Token { .. } | Event::Finished { .. }) => Ok(()),
        other => bail!("{other:?} in place of a token"),
    }
}

fn longest_pause(events: &mut Events, time: Duration) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let (mut last, mut longest) = (start, Duration::ZERO);
    while start.elapsed() < time {
        wait(events)?;
        longest = longest.max(last.elapsed());
        last = Instant::now();
    }
    Ok(longest)
}

struct Clock {
    start: Instant,
    cpu_seconds: f64,
}

impl Clock {
    fn start() -> Self {
        Self {
            start: Instant::now(),
            cpu_seconds: cpu_seconds(),
        }
    }

    fn rate(&self, tokens: usize) -> Value {
        json!({
            "tokens_per_second": tokens as f64 / self.start.elapsed().as_secs_f64(),
            "tokens_per_cpu_second": tokens as f64 / (cpu_seconds() - self.cpu_seconds).max(1e-3),
        })
    }
}

/// Processor time of this process, from the system's count in nanoseconds for each thread.
fn cpu_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let nanoseconds = tasks.flatten().filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() / 1e9
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// An adapter of all seven places whose weights are noise.
fn write_adapter(model: &Path, target: &Path, rank: usize, seed: u64) -> anyhow::Result<()> {
    let file = ModelFile::open(model)?;
    let all = [
        Target::Query,
        Target::Key,
        Target::Value,
        Target::Output,
        Target::Gate,
        Target::Up,
        Target::Down,
    ];
    let mut adapter = LoraAdapter::new(&file.config, rank, 2.0 * rank as f32, &all, seed)?;
    let mut noise = Noise::new(seed + 1);
    for weight in adapter.parameters_mut() {
        *weight += noise.sample() * 0.01;
    }
    std::fs::create_dir_all(target)?;
    std::fs::write(
        target.join("adapter_config.json"),
        adapter.to_config_json("base"),
    )?;
    std::fs::write(
        target.join("adapter_model.safetensors"),
        adapter.to_safetensors()?,
    )?;
    Ok(())
}
