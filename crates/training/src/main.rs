//! `faculty-training`: trains language models, for the portal or for oneself.

mod cli;

use std::{
    io::IsTerminal,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Parser, Subcommand, ValueEnum};
use job_contract::ExitCode as JobExit;
use language_model::training_graph::Precision;
use training::{
    device::DeviceChoice,
    memory,
    stop::{Stop, StopSign},
};

use crate::cli::{
    EstimateArguments, EvaluateArguments, FinetuneArguments, Machine, MergeArguments,
    PretrainArguments, RunArguments, TERMINATED, job_exit,
};

/// Trains language models, for the portal or with local files.
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
    /// How exactly weights multiply, where the job does not say.
    #[arg(
        long,
        env = "FACULTY_TRAINING_PRECISION",
        default_value = "fastest",
        global = true
    )]
    precision: PrecisionChoice,
    /// What multiplies by frozen weights. Everything else is computed by the processor in any case.
    #[arg(
        long,
        env = "FACULTY_TRAINING_DEVICE",
        default_value = "auto",
        global = true
    )]
    device: DeviceChoice,
    /// Bytes of memory that may be used [default: as many as are free].
    #[arg(long, env = "FACULTY_TRAINING_MEMORY", global = true)]
    memory: Option<u64>,
    /// A Python with PyTorch, transformers and PEFT, for jobs with several processes.
    #[arg(
        long,
        env = "FACULTY_TRAINING_PYTHON",
        default_value = "python3",
        global = true
    )]
    python: PathBuf,
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
    /// Fine-tunes with local files: adapters in PEFT's layout, or a whole model.
    Finetune(FinetuneArguments),
    /// Trains a new model from nothing, and its tokenizer.
    Pretrain(PretrainArguments),
    /// Measures a model and prints the figures as JSON.
    Evaluate(EvaluateArguments),
    /// Says what a fine-tuning will need: memory, operations, and time where the machine's speed is known.
    Estimate(EstimateArguments),
    /// Writes a base model with an adapter added to it as a whole model.
    Merge(MergeArguments),
}

#[global_allocator]
static ALLOCATOR: memory::Watched = memory::Watched;

fn main() -> ExitCode {
    memory::hold_reserve();
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
    let machine = Machine {
        precision: cli.precision.into(),
        device: cli.device,
        memory: cli.memory,
        python: cli.python,
    };
    if !matches!(cli.command, Command::Run(_)) {
        runtime.spawn(end_without_memory());
    }
    let code = match cli.command {
        Command::Run(arguments) => runtime.block_on(arguments.run(machine, sign)),
        Command::Finetune(arguments) => arguments.run(machine, sign),
        Command::Pretrain(arguments) => arguments.run(machine, sign),
        Command::Evaluate(arguments) => arguments.run(machine, sign),
        Command::Estimate(arguments) => arguments.run(&machine),
        Command::Merge(arguments) => arguments.run(),
    };
    // A thread that memory has run out for never comes back.
    runtime.shutdown_background();
    code
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

/// Says that memory has run out, and ends the process.
async fn end_without_memory() {
    memory::ran_out().await;
    tracing::error!(
        "memory ran out; a smaller batch or sequence length, --recompute always, or a machine with more memory would help"
    );
    std::process::exit(JobExit::Failed as i32);
}

/// What a file that outgrows its limit raises; unwatched, it would end the process without a word.
const FILE_TOO_LARGE: i32 = 25;

/// Schedulers send one wish to end several times within a moment: to each process, by their shell, by `timeout`.
const SAME_WISH: Duration = Duration::from_secs(5);

/// Asks the work to end at its next step; somebody who interrupts twice, or asks again later, ends the process at once.
/// Or asks it to store a checkpoint.
async fn watch_signals(sign: StopSign) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut store), Ok(mut _too_large)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
        signal(SignalKind::user_defined1()),
        signal(SignalKind::from_raw(FILE_TOO_LARGE)),
    ) else {
        tracing::error!("signals cannot be watched");
        return;
    };
    let mut asked: Option<Instant> = None;
    loop {
        let is_person = tokio::select! {
            _ = terminate.recv() => false,
            _ = interrupt.recv() => true,
            _ = store.recv() => {
                tracing::info!("asked for a checkpoint");
                sign.ask_for_checkpoint();
                continue;
            }
        };
        match asked {
            None => {
                asked = Some(Instant::now());
                tracing::info!("asked to end; keeping a checkpoint first");
                sign.raise(Stop::Terminated);
            }
            Some(first) if is_person || first.elapsed() > SAME_WISH => {
                std::process::exit(i32::from(TERMINATED));
            }
            Some(_) => {}
        }
    }
}
