//! What comes out: an adapter, a whole model, or a report.

use std::{
    fs,
    path::{Path, PathBuf},
};

use job_contract::{ArtifactKind, JobEvent, Phase};
use language_model::{
    ChatTemplate, LoraAdapter, Tokenizer, WholeWeights,
    export::{Export, Exported, NumberFormat},
};

use crate::{
    checkpoint::write_whole,
    evaluation::Report,
    training_loop::Observer,
    work::{Order, WorkError, disk},
};

/// Files, and what each is for.
type Files = Vec<(PathBuf, ArtifactKind)>;

/// Writes an adapter in PEFT's layout.
pub(crate) fn adapter(
    order: Order<'_>,
    adapter: &LoraAdapter,
    observer: &mut dyn Observer,
) -> Result<Files, WorkError> {
    observer.event(JobEvent::Phase {
        phase: Phase::Exporting,
    })?;
    let name = order.base.map_or("", |base| base.name);
    let weights = adapter.to_safetensors().map_err(disk(order.out))?;
    let config = adapter.to_config_json(name).into_bytes();
    let mut files = Vec::new();
    for (name, content) in [
        ("adapter_model.safetensors", weights),
        ("adapter_config.json", config),
    ] {
        files.push((put(order.out, name, &content)?, ArtifactKind::Model));
    }
    Ok(files)
}

/// Writes a whole model in the model hub's layout, its numbers as they were trained.
pub(crate) fn whole(
    out: &Path,
    weights: &WholeWeights,
    (tokenizer, chat_template): (&Tokenizer, Option<&ChatTemplate>),
    observer: &mut dyn Observer,
) -> Result<Files, WorkError> {
    observer.event(JobEvent::Phase {
        phase: Phase::Exporting,
    })?;
    let export = Export {
        weights: Exported::Whole(weights),
        tokenizer,
        chat_template,
        format: NumberFormat::F32,
    };
    let names = export.write(out)?;
    let file = |name| (out.join(name), ArtifactKind::Model);
    Ok(names.into_iter().map(file).collect())
}

/// Writes `evaluation.json`.
pub(crate) fn report(out: &Path, report: &Report) -> Result<Files, WorkError> {
    let words = serde_json::to_vec_pretty(report).map_err(|error| disk(out)(error.into()))?;
    Ok(vec![(
        put(out, "evaluation.json", &words)?,
        ArtifactKind::Report,
    )])
}

fn put(out: &Path, name: &str, content: &[u8]) -> Result<PathBuf, WorkError> {
    fs::create_dir_all(out).map_err(disk(out))?;
    let path = out.join(name);
    write_whole(&path, content).map_err(disk(&path))?;
    Ok(path)
}
