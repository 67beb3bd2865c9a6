//! What the program is told at its start.

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use clap::{Args, Parser, Subcommand};
use language_model::inference::Activations;
use url::Url;

/// Serves language models over the OpenAI API.
#[derive(Debug, Parser)]
#[command(name = "faculty-serving", version)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve models from local files, or as the portal assigns them.
    Serve(Box<Serve>),
}

/// The bearer token is read from the environment: `FACULTY_SERVING_TOKEN`. With it set, requests need it; with
/// `--portal` the program shows it to the portal.
#[derive(Debug, Args)]
pub struct Serve {
    /// A base model: its name in requests and its GGUF file (or folder in the model hub's layout).
    #[arg(long, value_name = "NAME=PATH")]
    pub model: Vec<NamedModel>,
    /// An adapter in PEFT layout over a base of `--model`.
    #[arg(long, value_name = "NAME=DIR:BASE")]
    pub adapter: Vec<NamedAdapter>,
    /// Where to listen. Anything but a loopback address needs FACULTY_SERVING_TOKEN.
    #[arg(long, env = "FACULTY_SERVING_BIND", default_value = "127.0.0.1:8082")]
    pub bind: SocketAddr,
    /// The portal that assigns models.
    #[arg(long, env = "FACULTY_PORTAL_URL", value_name = "URL")]
    pub portal: Option<Url>,
    /// Where the portal's gateway reaches this program [default: http://BIND].
    #[arg(long, env = "FACULTY_SERVING_ADDRESS", value_name = "URL")]
    pub address: Option<Url>,
    /// What people call this program [default: where the gateway reaches it, without the scheme].
    #[arg(long, env = "FACULTY_SERVING_NAME", value_name = "NAME")]
    pub name: Option<String>,
    /// Bases that the portal may assign, with their adapters [default: any].
    #[arg(
        long,
        env = "FACULTY_SERVING_TAKES",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub takes: Vec<String>,
    /// Most adapters that the portal may assign.
    #[arg(long, env = "FACULTY_SERVING_MOST_ADAPTERS", default_value_t = 256)]
    pub most_adapters: u32,
    /// After SIGTERM, for how many seconds running answers may go on at most.
    #[arg(long, env = "FACULTY_SERVING_LEAVE_SECONDS", default_value_t = 300)]
    pub leave_seconds: u64,
    /// Where fetched model files are kept, by their hash [default: ~/.cache/virtual-faculty].
    #[arg(long, env = "FACULTY_CACHE", value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// The keys that receipts may be signed with, as from the portal's /.well-known/faculty-keys.json
    /// [default: asked of the portal].
    #[arg(long, env = "FACULTY_SERVING_KEYS", value_name = "FILE")]
    pub keys: Option<PathBuf>,
    /// Bits of the activations in products: 16, or 8 for more speed where answers may drift a little.
    #[arg(long, env = "FACULTY_SERVING_ACTIVATION_BITS", default_value = "16", value_parser = activations)]
    pub activation_bits: Activations,
    /// Allow /v1/load_lora_adapter and /v1/unload_lora_adapter, which read local folders.
    #[arg(long, env = "FACULTY_SERVING_ALLOW_LORA_LOADING")]
    pub allow_lora_loading: bool,
    /// Most tokens of prompt and answer together; less where the model's own context or the memory is less.
    #[arg(long, env = "FACULTY_SERVING_MAX_CONTEXT", default_value_t = 8192)]
    pub max_context: usize,
    /// Most sequences that are computed together.
    #[arg(long, env = "FACULTY_SERVING_MAX_RUNNING", default_value_t = 16)]
    pub max_running: usize,
    /// Most sequences that wait; further requests are answered with 503.
    #[arg(long, env = "FACULTY_SERVING_MAX_WAITING", default_value_t = 64)]
    pub max_waiting: usize,
    /// Memory for the keys and values of all running sequences, in MiB.
    #[arg(long, env = "FACULTY_SERVING_CACHE_MIB", default_value_t = 1024)]
    pub cache_mib: usize,
    /// Threads for the computation [default: one for each processor].
    #[arg(long, env = "FACULTY_SERVING_THREADS")]
    pub threads: Option<usize>,
}

/// `NAME=PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedModel {
    pub name: String,
    pub path: PathBuf,
}

/// `NAME=DIR:BASE`. Names may have colons, the folder may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedAdapter {
    pub name: String,
    pub folder: PathBuf,
    pub base: String,
}

/// An argument of another form.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected {0}")]
pub struct FormError(&'static str);

impl FromStr for NamedModel {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok(Self {
                name: name.to_owned(),
                path: path.into(),
            }),
            _ => Err(FormError("NAME=PATH")),
        }
    }
}

impl FromStr for NamedAdapter {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let parts = text
            .split_once('=')
            .and_then(|(name, rest)| Some((name, rest.split_once(':')?)));
        match parts {
            Some((name, (folder, base)))
                if !name.is_empty() && !folder.is_empty() && !base.is_empty() =>
            {
                Ok(Self {
                    name: name.to_owned(),
                    folder: folder.into(),
                    base: base.to_owned(),
                })
            }
            _ => Err(FormError("NAME=DIR:BASE")),
        }
    }
}

fn activations(bits: &str) -> Result<Activations, FormError> {
    match bits {
        "8" => Ok(Activations::Bits8),
        "16" => Ok(Activations::Bits16),
        _ => Err(FormError("8 or 16")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_and_adapters_are_named() {
        let model: NamedModel = "smollm2=/models/a=b.gguf".parse().unwrap();
        assert_eq!(
            (model.name.as_str(), model.path),
            ("smollm2", "/models/a=b.gguf".into())
        );
        let adapter: NamedAdapter = "ft:m:x=/a:smollm2:base".parse().unwrap();
        assert_eq!(
            (adapter.name.as_str(), adapter.folder),
            ("ft:m:x", "/a".into())
        );
        assert_eq!(adapter.base, "smollm2:base");
        for wrong in ["", "a", "=x", "a=", "a=b"] {
            assert!(wrong.parse::<NamedAdapter>().is_err(), "{wrong}");
        }
    }
}
