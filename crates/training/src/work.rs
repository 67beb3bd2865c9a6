//! The work of one task from files to files: the same for a job of the portal and for local use, to the last bit.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use job_contract::{ArtifactKind, JobEvent, Recipe, Suite, Task, TrainingSettings};
use language_model::{
    ChatTemplate, Config, ModelFile, OpenError, Tokenizer, WholeWeights,
    export::ExportError,
    training_graph::{Device, Precision, TrainingModel},
};
use uuid::Uuid;

use crate::{
    data::{DataError, DataSettings, Prepared, Source, Wanted, prepare},
    device::DeviceRefused,
    estimate::{self, DoesNotFit},
    evaluation::{self, EvaluateError, Subject},
    export, memory,
    methods::{Dpo, Fresh, FreshError, Full, Learner, Lora},
    recipe::{self, RecipeError, Torchrun},
    settings::{self, BadSettings, precision, recomputation, validate},
    stop::Stop,
    training_loop::{Course, Observer, Plan, TrainError, train},
};

/// What to do, with which files.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    pub task: &'a Task,
    /// The model to start from; none where training starts from nothing.
    pub base: Option<Base<'a>>,
    /// Folder with an adapter over it that is to be measured.
    pub adapter: Option<&'a Path>,
    pub sources: &'a [Source],
    /// Files to measure on.
    pub validation: &'a [Source],
    /// The dataset version of each source; none for files of one's own.
    pub datasets: &'a [Option<Uuid>],
    pub seed: u64,
    /// How exactly to multiply where the settings leave it open.
    pub precision: Precision,
    /// What multiplies by frozen weights.
    pub device: &'a Device,
    /// Bytes of memory that may be used, where as many are free; none: as many as are free.
    pub memory: Option<u64>,
    /// Several processes of PyTorch instead of this one.
    pub torchrun: Option<Torchrun<'a>>,
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
    /// The files that came out, in the order's folder.
    pub files: Vec<(PathBuf, ArtifactKind)>,
}

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    #[error("the base model cannot be used: {0}")]
    Model(#[from] OpenError),
    #[error("this task needs a base model, and none is given")]
    NoBase,
    #[error("a model from nothing takes no base model, and one is given")]
    NeedlessBase,
    #[error(transparent)]
    Device(#[from] DeviceRefused),
    #[error(transparent)]
    Fresh(#[from] FreshError),
    #[error(transparent)]
    Evaluation(#[from] EvaluateError),
    #[error("the model cannot be written: {0}")]
    Export(#[from] ExportError),
    #[error(transparent)]
    Recipe(#[from] RecipeError),
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
    let data = match &done {
        Err(WorkError::Data(error) | WorkError::Fresh(FreshError::Data(error))) => Some(error),
        Err(WorkError::Evaluation(EvaluateError::Data(error))) => Some(error),
        _ => None,
    };
    if let Some(DataError::Problems(problems)) = data {
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
    let refused = order
        .torchrun
        .and_then(|_| Recipe::torchrun_refuses(order.task));
    if let Some(problem) = refused {
        return Err(BadSettings::Together(problem).into());
    }
    let examples = Wanted::Examples;
    match order.task {
        Task::FineTuneLora { lora, training } => {
            let model = open(order)?;
            let data = ready(order, speech(&model), training, examples)?;
            if let Some(torchrun) = order.torchrun {
                let settings = (lora, training);
                let (course, adapter) =
                    recipe::train(order, torchrun, (&model, &data), settings, observer)?;
                let files = export::adapter(order, &adapter, observer)?;
                return Ok(Done { course, files });
            }
            let graph = graph(order, &model, training, observer)?;
            let mut learner = Lora::new(&model, graph, lora, order.seed)?;
            let course = learn(order, &mut learner, &data, training, observer)?;
            let files = export::adapter(order, &learner.into_adapter(), observer)?;
            Ok(Done { course, files })
        }
        Task::Dpo {
            lora,
            training,
            beta,
        } => {
            let model = open(order)?;
            let data = ready(order, speech(&model), training, Wanted::Preferences)?;
            let graph = graph(order, &model, training, observer)?;
            let mut learner = Dpo::new(&model, graph, lora, *beta, order.seed)?;
            let course = learn(order, &mut learner, &data, training, observer)?;
            let files = export::adapter(order, &learner.into_adapter(), observer)?;
            Ok(Done { course, files })
        }
        Task::FineTuneFull { training } => {
            let model = open(order)?;
            let data = ready(order, speech(&model), training, examples)?;
            let whole = WholeWeights::from_model(&model);
            let mut learner = Full::new(empty_graph(order, &model.config, training), whole);
            let course = learn(order, &mut learner, &data, training, observer)?;
            let words = (&model.tokenizer, model.chat_template.as_ref());
            let files = export::whole(order.out, &learner.into_weights(), words, observer)?;
            Ok(Done { course, files })
        }
        Task::Pretrain { shape, training } => {
            if order.base.is_some() {
                return Err(WorkError::NeedlessBase);
            }
            let wanted = settings::shape(shape)?;
            validate(order.task, &wanted, !order.validation.is_empty())?;
            fits(order, &wanted)?;
            let fresh = Fresh::new(order.sources, shape)?;
            let words = (&fresh.tokenizer, Some(&fresh.chat_template));
            let data = ready(order, words, training, examples)?;
            let graph = empty_graph(order, &fresh.config, training);
            let mut learner = Full::new(graph, fresh.weights(order.seed));
            let course = learn(order, &mut learner, &data, training, observer)?;
            let files = export::whole(order.out, &learner.into_weights(), words, observer)?;
            Ok(Done { course, files })
        }
        Task::Evaluate { evaluation } => {
            let base = order.base.ok_or(WorkError::NoBase)?;
            let multiplies = (order.precision, order.device);
            let mut subject =
                Subject::open(base.path, order.adapter, multiplies).map_err(EvaluateError::from)?;
            let wanted = evaluation::Order {
                settings: evaluation,
                sources: order.sources,
                datasets: order.datasets,
                validation: order.validation,
                seed: order.seed,
            };
            let report = evaluation::evaluate(&mut subject, wanted, observer)?;
            let course = Course {
                held_out_after: report
                    .measure(Suite::HeldOut, "loss")
                    .map(|loss| loss.value),
                ..Course::default()
            };
            let files = export::report(order.out, &report)?;
            Ok(Done { course, files })
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
    let wanted = estimate::settings(order.task, order.precision, (base, data));
    let has = order.memory.into_iter().chain(memory::available()).min();
    if let (Some(wanted), Some(has)) = (wanted, has) {
        estimate::check(&estimate::shape(config), &wanted, has)?;
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
fn graph(
    order: Order<'_>,
    model: &ModelFile,
    training: &TrainingSettings,
    observer: &mut dyn Observer,
) -> Result<TrainingModel, WorkError> {
    let precision = precision(training, order.precision);
    let graph = TrainingModel::on(order.device, model, precision);
    let mut graph = graph.map_err(DeviceRefused::from)?;
    graph.set_recomputation(recomputation(training));
    if order.device.is_cuda() {
        let message = format!("multiplies by frozen weights on {}", order.device);
        observer.event(JobEvent::Note { message })?;
    }
    Ok(graph)
}

/// A graph for weights of its own.
fn empty_graph(order: Order<'_>, config: &Config, training: &TrainingSettings) -> TrainingModel {
    let mut graph = TrainingModel::without_base(config, precision(training, order.precision));
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

pub(crate) fn disk(path: &Path) -> impl FnOnce(io::Error) -> WorkError + use<> {
    let path = path.to_owned();
    move |source| WorkError::Disk { path, source }
}
