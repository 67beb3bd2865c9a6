//! Does with this engine what the scripts in `scripts/peers` do with PyTorch, so that the two can be compared.
//!
//! ```text
//! peer synthetic OUT                                a tiny model with random weights
//! peer tokens  BASE OUT TEXT..                       the texts as token ids, u32
//! peer export  BASE OUT f32|bf16 [ADAPTER]           a folder in the hub's layout, with an adapter merged in
//! peer adapter BASE OUT RANK ALPHA                   a fresh adapter for all projections
//! peer logits  BASE TOKENS COUNT OUT [ADAPTER]       logits of the first tokens, f32
//! peer train   BASE ADAPTER TOKENS f32|bf16 STEPS BATCH LENGTH
//! ```
//!
//! `train` prints one line of JSON for each step: loss, seconds, processor seconds; then one with the largest memory.

#![expect(clippy::print_stdout, reason = "its output is read by scripts")]

use std::{env, error::Error, fs, path::Path, time::Instant};

use language_model::{
    Document, LoraAdapter, ModelFile, Parameters, Target,
    export::{Export, NumberFormat},
    synthetic::Synthetic,
    training_graph::{Batch, Precision, Trained, TrainingModel, take_profile},
};

type Done = Result<(), Box<dyn Error>>;

fn main() -> Done {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["synthetic", out] => Ok(Synthetic::default().write_gguf(Path::new(out))?),
        ["tokens", base, out, texts @ ..] => tokens(base, out, texts),
        ["export", base, out, format, adapter @ ..] => export(base, out, format, adapter),
        ["adapter", base, out, rank, alpha] => adapter(base, out, rank.parse()?, alpha.parse()?),
        ["logits", base, tokens, count, out, adapter @ ..] => {
            logits(base, tokens, count.parse()?, out, adapter)
        }
        ["train", base, adapter, tokens, format, steps, batch, length] => {
            let sizes = [steps.parse()?, batch.parse()?, length.parse()?];
            train(base, adapter, tokens, format, sizes)
        }
        _ => Err("see the head of examples/peer.rs for what it does".into()),
    }
}

fn open(base: &str) -> Result<ModelFile, Box<dyn Error>> {
    Ok(ModelFile::open(Path::new(base))?)
}

fn tokens(base: &str, out: &str, texts: &[&str]) -> Done {
    let model = open(base)?;
    let mut bytes = Vec::new();
    for text in texts {
        for token in model.tokenizer.encode(&fs::read_to_string(text)?)? {
            bytes.extend(token.to_le_bytes());
        }
    }
    Ok(fs::write(out, bytes)?)
}

fn read_tokens(path: &str) -> Result<Vec<u32>, Box<dyn Error>> {
    let bytes = fs::read(path)?;
    let words = bytes.chunks_exact(4);
    Ok(words
        .map(|x| u32::from_le_bytes([x[0], x[1], x[2], x[3]]))
        .collect())
}

fn read_adapter(model: &ModelFile, folder: &str) -> Result<LoraAdapter, Box<dyn Error>> {
    let read = |name| fs::read(Path::new(folder).join(name));
    let (config, weights) = (
        read("adapter_config.json")?,
        read("adapter_model.safetensors")?,
    );
    Ok(LoraAdapter::from_peft(&model.config, &config, &weights)?)
}

fn export(base: &str, out: &str, format: &str, adapter: &[&str]) -> Done {
    let model = open(base)?;
    let format = match format {
        "f32" => NumberFormat::F32,
        "bf16" => NumberFormat::Bf16,
        other => return Err(format!("the format {other:?}").into()),
    };
    let adapter = adapter.first().map(|folder| read_adapter(&model, folder));
    let adapter = adapter.transpose()?;
    Export::of_model(&model, adapter.as_ref(), format).write(Path::new(out))?;
    Ok(())
}

fn adapter(base: &str, out: &str, rank: usize, alpha: f32) -> Done {
    let model = open(base)?;
    let adapter = LoraAdapter::new(&model.config, rank, alpha, &Target::ALL, 1)?;
    fs::create_dir_all(out)?;
    let put = |name, content: &[u8]| fs::write(Path::new(out).join(name), content);
    put(
        "adapter_config.json",
        adapter.to_config_json("base").as_bytes(),
    )?;
    put("adapter_model.safetensors", &adapter.to_safetensors()?)?;
    Ok(())
}

fn logits(base: &str, tokens: &str, count: usize, out: &str, adapter: &[&str]) -> Done {
    let model = open(base)?;
    let adapter = adapter.first().map(|folder| read_adapter(&model, folder));
    let adapter = adapter.transpose()?;
    let mut tokens = read_tokens(tokens)?;
    tokens.truncate(count);
    let mut graph = TrainingModel::new(&model, Precision::Full);
    let trained = adapter.as_ref().map_or(Trained::None, Trained::lora);
    let logits = graph.logits(trained, &tokens)?;
    let bytes: Vec<u8> = logits.iter().flat_map(|x| x.to_le_bytes()).collect();
    Ok(fs::write(out, bytes)?)
}

fn train(
    base: &str,
    adapter: &str,
    tokens: &str,
    format: &str,
    [steps, batch_size, length]: [usize; 3],
) -> Done {
    let model = open(base)?;
    let mut adapter = read_adapter(&model, adapter)?;
    let tokens = read_tokens(tokens)?;
    let precision = match format {
        "f32" => Precision::Full,
        "bf16" => Precision::Mixed,
        other => return Err(format!("the precision {other:?}").into()),
    };
    let mut graph = TrainingModel::new(&model, precision);
    let mut optimiser = Adam::new(adapter.flat().len());
    let pieces = (tokens.len() - 1) / length;
    for step in 0..steps {
        let mut batch = Batch::default();
        for place in 0..batch_size {
            let start = (step * batch_size + place) % pieces * length;
            batch.push(&Document {
                tokens: tokens[start..=start + length].to_vec(),
                is_target: vec![true; length + 1],
            });
        }
        let (start, used) = (Instant::now(), processor_seconds()?);
        let mut gradients = vec![0.0; adapter.flat().len()];
        let scale = 1.0 / batch.target_count() as f32;
        let loss =
            graph.loss_and_gradients(Trained::lora(&adapter), &batch, scale, &mut gradients)?;
        optimiser.step(adapter.flat_mut(), &gradients);
        let seconds = start.elapsed().as_secs_f64();
        let used = processor_seconds()? - used;
        let loss = loss.mean().unwrap_or_default();
        println!(
            r#"{{"step": {step}, "loss": {loss}, "seconds": {seconds}, "processor": {used}}}"#
        );
        if let Some(profile) = take_profile() {
            let parts = profile
                .iter()
                .map(|(name, spent)| format!(r#""{name}": {:.4}"#, spent.as_secs_f64()));
            println!(
                r#"{{"profile": {{{}}}, "seconds": {seconds}}}"#,
                parts.collect::<Vec<_>>().join(", ")
            );
        }
    }
    println!(r#"{{"memory_kib": {}}}"#, largest_memory()?);
    Ok(())
}

/// AdamW as the peer has it: rate 2e-4, no weight decay, no clipping.
struct Adam {
    moments: Vec<[f32; 2]>,
    steps: i32,
}

impl Adam {
    fn new(count: usize) -> Self {
        Self {
            moments: vec![[0.0; 2]; count],
            steps: 0,
        }
    }

    fn step(&mut self, parameters: &mut [f32], gradients: &[f32]) {
        self.steps += 1;
        let correction = [0.9f32, 0.999].map(|beta| 1.0 - beta.powi(self.steps));
        let numbers = parameters.iter_mut().zip(gradients);
        for ((parameter, g), [first, second]) in numbers.zip(&mut self.moments) {
            *first = 0.9 * *first + 0.1 * g;
            *second = 0.999 * *second + 0.001 * g * g;
            let (first, second) = (*first / correction[0], *second / correction[1]);
            *parameter -= 2e-4 * first / (second.sqrt() + 1e-8);
        }
    }
}

/// User and system time of this process, `/proc/self/stat` fields 14 and 15 in ticks of 10 ms.
fn processor_seconds() -> Result<f64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let after = text.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<f64> = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / 100.0)
}

/// `VmHWM`: the most memory that the process held at once.
fn largest_memory() -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.unwrap_or("0").parse()?)
}
