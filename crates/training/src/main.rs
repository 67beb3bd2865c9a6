//! `faculty-training`: trains adapters, for the portal or for oneself.

use std::{io::IsTerminal, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use job_contract::{
    ENV_ATTEMPT, ENV_ATTEMPT_TOKEN, ENV_PORTAL_URL, ENV_WORK_DIR, ExitCode as JobExit,
    LoraSettings, Outcome, TrainingSettings,
};
use language_model::training_graph::Precision;
use training::{
    evaluate::{EvaluateError, Measurement, evaluate},
    fine_tune::TrainError,
    job::{End, Place, Portal, run},
    offline::{OfflineError, Request, finetune, progress_bar},
    stop::{Stop, StopSign},
};
use uuid::Uuid;

/// Exit code of a process that ended because of SIGTERM, as shells count.
const TERMINATED: u8 = 128 + 15;

/// Trains adapters over a base model, for the portal or with local files.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    /// Form of the log on standard error.
    #[arg(
        long,
        env = "FACULTY_LOG_FORMAT",
        default_value = "text",
        global = true
    )]
    log_format: LogFormat,
    /// Threads that compute; all processors by default.
    #[arg(long, env = "FACULTY_TRAINING_THREADS", global = true)]
    threads: Option<usize>,
    /// How exactly the base model's weights multiply.
    #[arg(
        long,
        env = "FACULTY_TRAINING_PRECISION",
        default_value = "fastest",
        global = true
    )]
    precision: PrecisionChoice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum PrecisionChoice {
    /// bfloat16 where the processor has instructions for it, else f32.
    Fastest,
    /// f32 throughout.
    Full,
    /// bfloat16 factors with f32 sums, on any processor.
    Mixed,
}

impl From<PrecisionChoice> for Precision {
    fn from(choice: PrecisionChoice) -> Self {
        match choice {
            PrecisionChoice::Fastest => Self::fastest(),
            PrecisionChoice::Full => Self::Full,
            PrecisionChoice::Mixed => Self::Mixed,
        }
    }
}

#[derive(Subcommand)]
enum Command {
    /// Works on one job of the portal. The attempt's token is read from FACULTY_ATTEMPT_TOKEN.
    Run(RunArguments),
    /// Fine-tunes with local files and writes an adapter in PEFT's layout.
    Finetune(FinetuneArguments),
    /// Measures the loss on local files and prints it as JSON.
    Evaluate(EvaluateArguments),
}

#[derive(Args)]
struct RunArguments {
    /// The portal's address.
    #[arg(long, env = ENV_PORTAL_URL)]
    portal_url: String,
    /// The attempt's id.
    #[arg(long, env = ENV_ATTEMPT)]
    attempt: Uuid,
    /// Folder for this attempt's files; a checkpoint of the same attempt in it is taken up.
    #[arg(long, env = ENV_WORK_DIR)]
    work_dir: PathBuf,
    /// Folder for base models, shared by all jobs on this machine [default: ~/.cache/virtual-faculty].
    #[arg(long, env = "FACULTY_CACHE")]
    cache: Option<PathBuf>,
    /// Seconds to go on trying while portal or store are away.
    #[arg(long, env = "FACULTY_TRAINING_PATIENCE_SECONDS", default_value_t = 600)]
    patience_seconds: u64,
}

#[derive(Args)]
struct FinetuneArguments {
    /// GGUF file, or folder with config.json, tokenizer.json and safetensors.
    #[arg(long)]
    base: PathBuf,
    /// Data: .jsonl, .txt or .csv; more than once for several files.
    #[arg(long, required = true)]
    data: Vec<PathBuf>,
    /// Folder for the adapter; a stopped run goes on from its checkpoint there.
    #[arg(long)]
    out: PathBuf,
    /// Name of the base model in adapter_config.json.
    #[arg(long, default_value = "HuggingFaceTB/SmolLM2-135M-Instruct")]
    base_name: String,
    #[arg(long, default_value_t = 8)]
    rank: u32,
    #[arg(long, default_value_t = 16.0)]
    alpha: f32,
    /// Projections that get an adapter.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"
    )]
    target_modules: Vec<String>,
    #[arg(long, default_value_t = 3)]
    epochs: u32,
    #[arg(long)]
    max_steps: Option<u32>,
    /// Sequences a step.
    #[arg(long, default_value_t = 8)]
    batch_size: u32,
    /// Tokens a sequence; longer documents are cut.
    #[arg(long, default_value_t = 512)]
    sequence_length: u32,
    #[arg(long, default_value_t = 1e-3)]
    learning_rate: f32,
    #[arg(long, default_value_t = 5)]
    warmup_steps: u32,
    /// Share of the documents that is kept out of training to measure with.
    #[arg(long, default_value_t = 0.1)]
    held_out_share: f32,
    #[arg(long, default_value_t = 20)]
    checkpoint_every_steps: u32,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Args)]
struct EvaluateArguments {
    /// GGUF file, or folder with config.json, tokenizer.json and safetensors.
    #[arg(long)]
    base: PathBuf,
    /// Folder with an adapter in PEFT's layout; none measures the base alone.
    #[arg(long)]
    adapter: Option<PathBuf>,
    /// Data: .jsonl, .txt or .csv; more than once for several files.
    #[arg(long, required = true)]
    data: Vec<PathBuf>,
    /// Tokens a sequence; longer documents are cut.
    #[arg(long, default_value_t = 512)]
    sequence_length: usize,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.log_format);
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        tracing::error!("another TLS provider is installed already");
        return job_exit(JobExit::Failed);
    }
    let threads = rayon::ThreadPoolBuilder::new().num_threads(cli.threads.unwrap_or(0));
    if let Err(error) = threads.build_global() {
        tracing::error!(%error, "the computing threads cannot be started");
        return job_exit(JobExit::Failed);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime cannot be started");
            return job_exit(JobExit::Failed);
        }
    };
    let sign = StopSign::default();
    runtime.spawn(watch_signals(sign.clone()));
    let precision = cli.precision.into();
    match cli.command {
        Command::Run(arguments) => runtime.block_on(work(arguments, precision, sign)),
        Command::Finetune(arguments) => finetune_locally(arguments, precision, sign),
        Command::Evaluate(arguments) => evaluate_locally(arguments, precision, &sign),
    }
}

fn start_log(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
}

/// Asks the work to end at its next step; a second signal ends the process as usual.
async fn watch_signals(sign: StopSign) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("signals cannot be watched");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("asked to end; keeping a checkpoint first");
    sign.raise(Stop::Terminated);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    std::process::exit(i32::from(TERMINATED));
}

async fn work(arguments: RunArguments, precision: Precision, sign: StopSign) -> ExitCode {
    // A token on the command line would be readable by everyone on the machine.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one setting that is not an argument"
    )]
    let Ok(token) = std::env::var(ENV_ATTEMPT_TOKEN) else {
        tracing::error!("{ENV_ATTEMPT_TOKEN} is not set");
        return job_exit(JobExit::Usage);
    };
    let Some(cache) = arguments.cache.or_else(default_cache) else {
        tracing::error!("there is no home folder; name a cache with --cache");
        return job_exit(JobExit::Usage);
    };
    let patience = Duration::from_secs(arguments.patience_seconds);
    let portal = Portal::new(
        &arguments.portal_url,
        arguments.attempt,
        token,
        patience,
        sign.clone(),
    );
    let portal = match portal {
        Ok(portal) => portal,
        Err(error) => {
            tracing::error!(%error, "the HTTP client cannot be made");
            return job_exit(JobExit::Failed);
        }
    };
    let place = Place {
        work_dir: arguments.work_dir,
        cache,
        precision,
    };
    match run(portal, place, sign).await {
        End::Finished(outcome) => {
            let (exit, word) = match &outcome {
                Outcome::Succeeded(_) => (JobExit::Succeeded, "succeeded"),
                Outcome::Failed { .. } => (JobExit::Failed, "failed"),
                Outcome::Cancelled { .. } => (JobExit::Cancelled, "cancelled"),
            };
            tracing::info!(outcome = word, "finished");
            job_exit(exit)
        }
        End::Stopped(stop) => {
            tracing::warn!(%stop, "stopped without an outcome");
            stop_exit(&stop)
        }
        End::UnknownContract(message) => {
            tracing::error!(message, "the spec cannot be worked on");
            job_exit(JobExit::Usage)
        }
    }
}

fn finetune_locally(
    arguments: FinetuneArguments,
    precision: Precision,
    sign: StopSign,
) -> ExitCode {
    let request = Request {
        base: arguments.base,
        data: arguments.data,
        out: arguments.out,
        base_name: arguments.base_name,
        lora: LoraSettings {
            rank: arguments.rank,
            alpha: arguments.alpha,
            dropout: 0.0,
            target_modules: arguments.target_modules,
        },
        training: TrainingSettings {
            epochs: arguments.epochs,
            max_steps: arguments.max_steps,
            batch_size: arguments.batch_size,
            sequence_length: arguments.sequence_length,
            learning_rate: arguments.learning_rate,
            warmup_steps: arguments.warmup_steps,
            held_out_share: arguments.held_out_share,
            checkpoint_every_steps: arguments.checkpoint_every_steps,
            ..TrainingSettings::default()
        },
        seed: arguments.seed,
        precision,
    };
    match finetune(&request, sign, progress_bar()) {
        Ok(summary) => {
            tracing::info!(
                held_out_loss_before = summary.held_out_loss_before,
                held_out_loss_after = summary.held_out_loss_after,
                steps = summary.steps,
                tokens = summary.tokens_trained,
                seconds = summary.seconds,
                "the adapter is in {}",
                request.out.display()
            );
            ExitCode::SUCCESS
        }
        Err(OfflineError::Train(TrainError::Stopped(stop))) => {
            tracing::warn!(%stop, "stopped; start again alike to go on");
            stop_exit(&stop)
        }
        Err(error) => {
            tracing::error!("{error}");
            job_exit(JobExit::Failed)
        }
    }
}

fn evaluate_locally(
    arguments: EvaluateArguments,
    precision: Precision,
    sign: &StopSign,
) -> ExitCode {
    let measurement = Measurement {
        base: arguments.base,
        adapter: arguments.adapter,
        data: arguments.data,
        sequence_length: arguments.sequence_length,
        precision,
    };
    match evaluate(&measurement, sign) {
        Ok(score) => {
            #[expect(
                clippy::print_stdout,
                reason = "the result is for standard output, the log is not"
            )]
            {
                println!("{}", serde_json::json!(score));
            }
            ExitCode::SUCCESS
        }
        Err(EvaluateError::Stopped(stop)) => stop_exit(&stop),
        Err(error) => {
            tracing::error!("{error}");
            job_exit(JobExit::Failed)
        }
    }
}

fn default_cache() -> Option<PathBuf> {
    Some(std::env::home_dir()?.join(".cache/virtual-faculty"))
}

fn job_exit(code: JobExit) -> ExitCode {
    ExitCode::from(code as u8)
}

fn stop_exit(stop: &Stop) -> ExitCode {
    match stop {
        Stop::Cancelled(_) | Stop::Ended => job_exit(JobExit::Cancelled),
        Stop::Refused(_) => job_exit(JobExit::Failed),
        Stop::Unreachable(_) => job_exit(JobExit::Unreachable),
        Stop::Terminated => ExitCode::from(TERMINATED),
    }
}
