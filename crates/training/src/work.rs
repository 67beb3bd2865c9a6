//! The work of one task from files to files: the same for a job of the portal and for local use, to the last bit.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use job_contract::{JobEvent, Phase, Task, TrainingSettings};
use language_model::{
    ChatTemplate, Config, LoraAdapter, ModelFile, OpenError, Tokenizer,
    training_graph::{Precision, TrainingModel},
};
use uuid::Uuid;

use crate::{
    checkpoint::write_whole,
    data::{DataError, DataSettings, Prepared, Source, Wanted, prepare},
    estimate::{self, DoesNotFit},
    memory,
    methods::{Dpo, Learner, Lora},
    settings::{BadSettings, precision, recomputation, validate},
    stop::Stop,
    training_loop::{Course, Observer, Plan, TrainError, train},
};

/// What to do, with which files.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    pub task: &'a Task,
    /// The model to start from; none where training starts from nothing.
    pub base: Option<Base<'a>>,
    pub sources: &'a [Source],
    /// Files to measure on.
    pub validation: &'a [Source],
    /// The dataset version of each source; none for files of one's own.
    pub datasets: &'a [Option<Uuid>],
    pub seed: u64,
    /// How exactly to multiply where the settings leave it open.
    pub precision: Precision,
    /// Bytes of memory that may be used; none: as many as are free.
    pub memory: Option<u64>,
    pub checkpoint: &'a Path,
    /// What an earlier attempt left.
    pub resume: Option<&'a Path>,
    /// Hash over everything that decides the run.
    pub run: &'a str,
    /// Folder for what comes out.
    pub out: &'a Path,
}

/// A model on the disk.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// GGUF file, or folder in the model hub's layout.
    pub path: &'a Path,
    /// The name by which others find it.
    pub name: &'a str,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    pub course: Course,
    /// The files of the model, in the order's folder.
    pub files: Vec<PathBuf>,
}

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    #[error("the base model cannot be used: {0}")]
    Model(#[from] OpenError),
    #[error("this task needs a base model, and none is given")]
    NoBase,
    #[error("this program does not do such a task")]
    Task,
    #[error(transparent)]
    Settings(#[from] BadSettings),
    #[error(transparent)]
    DoesNotFit(#[from] DoesNotFit),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error("{path}: {source}")]
    Disk {
        /// Where.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl From<Stop> for WorkError {
    fn from(stop: Stop) -> Self {
        Self::Train(stop.into())
    }
}

/// Does what the order says, and tells `observer`.
///
/// # Errors
/// [`WorkError`]; lines that cannot be used are told one by one before.
pub fn work(order: Order<'_>, observer: &mut dyn Observer) -> Result<Done, WorkError> {
    let done = run(order, observer);
    if let Err(WorkError::Data(DataError::Problems(problems))) = &done {
        for problem in problems.told() {
            observer.event(JobEvent::DataProblem {
                file: problem.file.clone(),
                line: problem.line,
                field: problem.field.clone(),
                problem: problem.problem.clone(),
            })?;
        }
        let more = problems.count() - problems.told().len() as u64;
        if more > 0 {
            let message = format!("{more} more lines cannot be used");
            observer.event(JobEvent::Note { message })?;
        }
    }
    done
}

fn run(order: Order<'_>, observer: &mut dyn Observer) -> Result<Done, WorkError> {
    let examples = Wanted::Examples;
    match order.task {
        Task::FineTuneLora { lora, training } => {
            let model = open(order)?;
            let data = ready(order, speech(&model), training, examples)?;
            let graph = graph(order, &model, training);
            let mut learner = Lora::new(&model, graph, lora, order.seed)?;
            let course = learn(order, &mut learner, &data, training, observer)?;
            let files = export_adapter(order, &learner.into_adapter(), observer)?;
            Ok(Done { course, files })
        }
        Task::Dpo {
            lora,
            training,
            beta,
        } => {
            let model = open(order)?;
            let data = ready(order, speech(&model), training, Wanted::Preferences)?;
            let graph = graph(order, &model, training);
            let mut learner = Dpo::new(&model, graph, lora, *beta, order.seed)?;
            let course = learn(order, &mut learner, &data, training, observer)?;
            let files = export_adapter(order, &learner.into_adapter(), observer)?;
            Ok(Done { course, files })
        }
        Task::FineTuneFull { .. } | Task::Pretrain { .. } | Task::Evaluate { .. } => {
            Err(WorkError::Task)
        }
    }
}

/// Opens the base, and checks the settings against it.
fn open(order: Order<'_>) -> Result<ModelFile, WorkError> {
    let base = order.base.ok_or(WorkError::NoBase)?;
    let model = ModelFile::open(base.path)?;
    validate(order.task, &model.config, !order.validation.is_empty())?;
    fits(order, &model.config)?;
    Ok(model)
}

/// Compares what the run will need with what there is.
fn fits(order: Order<'_>, config: &Config) -> Result<(), WorkError> {
    let size = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    let base = order.base.map_or(0, |base| weights_bytes(base.path));
    let sources = order.sources.iter().chain(order.validation);
    let data = sources.map(|source| size(&source.path)).sum();
    let settings = estimate::settings(order.task, order.precision, (base, data));
    let has = order.memory.or_else(memory::available);
    if let (Some(settings), Some(has)) = (settings, has) {
        estimate::check(&estimate::shape(config), &settings, has)?;
    }
    Ok(())
}

/// Bytes of the files that hold a model's weights.
pub(crate) fn weights_bytes(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else {
        return fs::metadata(path).map_or(0, |file| file.len());
    };
    let weights = entries.filter_map(Result::ok).filter(|entry| {
        let name = entry.file_name();
        Path::new(&name)
            .extension()
            .is_some_and(|end| end == "safetensors")
    });
    let sizes = weights.filter_map(|entry| Some(entry.metadata().ok()?.len()));
    sizes.sum()
}

/// How a model turns text into tokens.
type Speech<'a> = (&'a Tokenizer, Option<&'a ChatTemplate>);

fn speech(model: &ModelFile) -> Speech<'_> {
    (&model.tokenizer, model.chat_template.as_ref())
}

fn ready(
    order: Order<'_>,
    speech: Speech<'_>,
    training: &TrainingSettings,
    wanted: Wanted,
) -> Result<Prepared, WorkError> {
    let settings = DataSettings {
        sequence_length: training.sequence_length as usize,
        held_out_share: training.held_out_share,
        seed: order.seed,
        packing: training.packing,
        canaries: training.canaries,
        wanted,
    };
    Ok(prepare(order.sources, order.validation, speech, settings)?)
}

/// A frozen base, ready to multiply.
fn graph(order: Order<'_>, model: &ModelFile, training: &TrainingSettings) -> TrainingModel {
    let mut graph = TrainingModel::new(model, precision(training, order.precision));
    graph.set_recomputation(recomputation(training));
    graph
}

fn learn<L: Learner>(
    order: Order<'_>,
    learner: &mut L,
    data: &Prepared,
    training: &TrainingSettings,
    observer: &mut dyn Observer,
) -> Result<Course, WorkError> {
    let plan = Plan {
        training,
        seed: order.seed,
        sources: order.datasets,
        checkpoint: order.checkpoint,
        resume: order.resume,
        run: order.run,
    };
    Ok(train(learner, data, plan, observer)?)
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> WorkError + use<> {
    let path = path.to_owned();
    move |source| WorkError::Disk { path, source }
}

/// Writes the adapter in PEFT's layout.
fn export_adapter(
    order: Order<'_>,
    adapter: &LoraAdapter,
    observer: &mut dyn Observer,
) -> Result<Vec<PathBuf>, WorkError> {
    observer.event(JobEvent::Phase {
        phase: Phase::Exporting,
    })?;
    let name = order.base.map_or("", |base| base.name);
    fs::create_dir_all(order.out).map_err(disk(order.out))?;
    let weights = adapter.to_safetensors().map_err(disk(order.out))?;
    let config = adapter.to_config_json(name).into_bytes();
    let mut files = Vec::new();
    for (name, content) in [
        ("adapter_model.safetensors", weights),
        ("adapter_config.json", config),
    ] {
        let path = order.out.join(name);
        write_whole(&path, &content).map_err(disk(&path))?;
        files.push(path);
    }
    Ok(files)
}
