//! What a job will need of time, machines and energy, before it starts.
//!
//! Where jobs have run on the same base at the same place, from their speed; else from the speed of other jobs there; else
//! from the settings of the place and assumptions that are on the side of too much. `docs/queue.md` states them.

use job_contract::Task;
use sqlx::PgConnection;
use training_estimate::{Method, Recompute, Settings, Work, usage, work};

use super::{
    compute::Site,
    error::JobError,
    job::Job,
    memory::{self, Need, of_new},
    store,
};
use crate::{
    budgets::{Cost, Rates},
    datasets,
    ids::{DatasetVersionId, ModelId},
    models,
    permissions::Territory,
};

/// Bytes of text for each token, at least.
const BYTES_A_TOKEN: u64 = 3;
/// Operations a second of one core in training, where nothing was measured.
const FLOP_PER_CORE: f64 = 1e10;
/// The same of one GPU.
const FLOP_PER_GPU: f64 = 2e13;
/// What starting, staging and exporting take beside the training.
const OVERHEAD_SECONDS: f64 = 10.0;

/// What a job is expected to need.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// The name of the place it holds for.
    pub place: String,
    /// What it stands on.
    pub basis: Basis,
    /// Tokens to read.
    pub tokens: u64,
    /// Operations.
    pub flop: f64,
    /// Time, costs, energy.
    pub cost: Cost,
    /// What it holds in memory at its peak, at least; none where nobody can say.
    pub memory_bytes: Option<u64>,
}

/// What an estimate stands on, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Jobs of that kind ran on that base at that place.
    Measured,
    /// Other jobs ran at that place.
    Place,
    /// Settings and assumptions.
    Default,
}

impl Basis {
    /// The word in the database, in JSON and in keys of texts (`jobs-estimate-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Place => "place",
            Self::Default => "default",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Measured, Self::Place, Self::Default]
            .into_iter()
            .find(|basis| basis.name() == text)
    }
}

/// What is to be estimated.
pub(super) struct Asked<'a> {
    pub(super) task: &'a Task,
    /// None where a model is trained from nothing.
    pub(super) base: Option<ModelId>,
    pub(super) versions: &'a [DatasetVersionId],
}

/// What is known of a job before it runs, wherever that is.
struct Known {
    data_bytes: u64,
    /// Of the files with the weights.
    base_bytes: u64,
    need: Option<Need>,
}

impl Known {
    async fn of(conn: &mut PgConnection, asked: &Asked<'_>) -> Result<Self, JobError> {
        let mut data_bytes: u64 = 0;
        for version in asked.versions {
            for file in datasets::ready_files(conn, *version).await? {
                data_bytes = data_bytes.saturating_add(file.size_bytes.unsigned_abs());
            }
        }
        let mut base_bytes: u64 = 0;
        let mut shape = None;
        if let Some(base) = asked.base {
            let files = models::files_of(conn, base).await?;
            let is_weights = |name: &str| name.ends_with(".gguf") || name.ends_with(".safetensors");
            base_bytes = files
                .iter()
                .filter(|file| is_weights(&file.name))
                .map(|file| file.size_bytes.unsigned_abs())
                .sum();
            shape = models::shape_of(conn, base).await?;
        }
        let sizes = (base_bytes, data_bytes / BYTES_A_TOKEN);
        Ok(Self {
            data_bytes,
            base_bytes,
            need: Need::of(asked.task, shape.as_ref(), sizes),
        })
    }

    fn memory_bytes(&self) -> Option<u64> {
        self.need.as_ref().map(Need::bytes)
    }
}

/// What a job holds in memory; none where nobody can say.
pub(super) async fn need(
    conn: &mut PgConnection,
    asked: &Asked<'_>,
) -> Result<Option<Need>, JobError> {
    Ok(Known::of(conn, asked).await?.need)
}

/// Where the first of these places stands that has the memory for a job, and what the job would need there; none where there
/// are no places.
///
/// # Errors
/// [`JobError::DoesNotFit`] where none of them has the memory.
pub(super) async fn placed(
    conn: &mut PgConnection,
    sites: Vec<&Site>,
    asked: &Asked<'_>,
) -> Result<Option<(Territory, Estimate)>, JobError> {
    let known = Known::of(conn, asked).await?;
    if let Some(need) = &known.need {
        memory::check(&sites, need)?;
    }
    let roomy = memory::roomy(sites, known.memory_bytes());
    let Some(site) = roomy.first() else {
        return Ok(None);
    };
    let estimate = at_known(conn, site, asked, &known).await?;
    Ok(Some((site.location, estimate)))
}

/// What was expected of a job when it was asked for; none for one of before estimates were kept.
///
/// # Errors
/// Where the database is away.
pub(super) async fn of_job(
    conn: &mut PgConnection,
    job: &Job,
) -> Result<Option<Estimate>, JobError> {
    Ok(store::estimate(conn, job.id).await?)
}

/// What a job would need at one place.
pub(super) async fn at(
    conn: &mut PgConnection,
    site: &Site,
    asked: &Asked<'_>,
) -> Result<Estimate, JobError> {
    let known = Known::of(conn, asked).await?;
    at_known(conn, site, asked, &known).await
}

async fn at_known(
    conn: &mut PgConnection,
    site: &Site,
    asked: &Asked<'_>,
    known: &Known,
) -> Result<Estimate, JobError> {
    let tokens = tokens(asked.task, known.data_bytes);
    let rates = rates(site);
    let speed = store::speed(conn, site.id(), asked.base, asked.task).await?;
    let (basis, flop, seconds) = match &speed {
        Some(speed) => {
            let flop = speed.flop_per_token * tokens as f64;
            (Basis::Measured, flop, flop / speed.flop_per_second.max(1.0))
        }
        None => {
            let flop = flop(asked.task, tokens, known.base_bytes);
            let at_place = store::place_speed(conn, site.id(), asked.base, asked.task).await?;
            let assumed = if rates.gpus > 0 {
                f64::from(rates.gpus) * FLOP_PER_GPU
            } else {
                f64::from(rates.cores.max(1)) * FLOP_PER_CORE
            };
            let (basis, fastest) =
                at_place.map_or((Basis::Default, assumed), |speed| (Basis::Place, speed));
            let seconds = usage(flop, fastest, 0.0).seconds + OVERHEAD_SECONDS;
            (basis, flop, seconds)
        }
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and no time is negative"
    )]
    let seconds = seconds.ceil().min(1e9) as u64;
    Ok(Estimate {
        place: site.name().to_owned(),
        basis,
        tokens,
        flop,
        cost: rates.cost(seconds.max(1)),
        memory_bytes: known.memory_bytes(),
    })
}

/// What a job has of a place, and what that costs.
pub(super) fn rates(site: &Site) -> Rates {
    let settings = &site.place.settings;
    Rates {
        gpus: settings.resources.gpus,
        cores: settings.resources.cores,
        milli_sbu_per_gpu_hour: settings.milli_sbu_per_gpu_hour,
        milli_sbu_per_core_hour: settings.milli_sbu_per_core_hour,
        watts_per_gpu: settings.watts_per_gpu,
        watts_per_core: settings.watts_per_core,
    }
}

/// Tokens that a task reads, measuring left out.
fn tokens(task: &Task, data_bytes: u64) -> u64 {
    let once = data_bytes / BYTES_A_TOKEN;
    let Some(training) = task.training() else {
        return once;
    };
    let all = once.saturating_mul(u64::from(training.epochs));
    match training.max_steps {
        Some(steps) => {
            let a_step = u64::from(training.batch_size) * u64::from(training.sequence_length);
            all.min(u64::from(steps).saturating_mul(a_step))
        }
        None => all,
    }
}

/// Operations: exactly by the shape of a model that is made anew, else with a weight for every byte of the base.
fn flop(task: &Task, tokens: u64, base_bytes: u64) -> f64 {
    if let Task::Pretrain {
        shape, training, ..
    } = task
    {
        let settings = Settings {
            method: Method::Full,
            batch_size: u64::from(training.batch_size),
            sequence_length: u64::from(training.sequence_length),
            accumulate: u64::from(training.accumulate),
            recompute: Recompute::Auto,
            is_half: false,
            keeps_best: training.keep_best,
            base_bytes: 0,
            data_tokens: tokens,
        };
        let all = Work {
            tokens,
            measured_tokens: 0,
        };
        return work(&of_new(shape), &settings, all);
    }
    let a_token = if task.training().is_some() { 6.0 } else { 2.0 };
    a_token * base_bytes as f64 * tokens as f64
}
