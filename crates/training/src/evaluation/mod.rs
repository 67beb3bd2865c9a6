//! Measuring a model: how well it predicts, what it can do in Dutch, how it speaks of groups of people, and how much
//! of its training text it repeats.
//!
//! Every figure comes with the number of items it stands on and, where items are a sample, the interval that holds the
//! true value in 95 of 100 cases. A model of a hundred million weights answers most tasks near chance; the report says
//! what chance is.

mod bias;
mod choice;
mod generate;
mod held_out;
mod learnt;
mod memorisation;
mod report;
mod statistics;
mod subject;
mod suffixes;
mod tasks;
mod tries;

use job_contract::{EvaluationSettings, JobEvent, Phase, Suite};
use language_model::training_graph::GraphError;
use uuid::Uuid;

pub use self::{
    report::{Measure, Report},
    subject::{Subject, SubjectError},
    suffixes::Suffixes,
};
use crate::{
    data::{DataError, Source},
    stop::Stop,
    training_loop::Observer,
};

/// What to measure on.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    pub settings: &'a EvaluationSettings,
    /// What the model was trained on: a share of it was held out, and it must not be repeated.
    pub sources: &'a [Source],
    /// The dataset version of each source; none for files of one's own.
    pub datasets: &'a [Option<Uuid>],
    /// Files to measure on instead of the held-out share.
    pub validation: &'a [Source],
    /// The seed by which the held-out share was drawn.
    pub seed: u64,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    #[error(transparent)]
    Subject(#[from] SubjectError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error("the model cannot generate: {0}")]
    Step(#[from] language_model::inference::StepError),
    #[error("the items of {file} cannot be read: {problem}")]
    Items { file: &'static str, problem: String },
    #[error("{0}")]
    Nothing(&'static str),
    #[error(transparent)]
    Stopped(#[from] Stop),
}

/// Measures what the order names, and tells of each figure.
///
/// # Errors
/// [`EvaluateError`]; nothing is told of a suite that did not come to its end.
pub fn evaluate(
    subject: &mut Subject,
    order: Order<'_>,
    observer: &mut dyn Observer,
) -> Result<Report, EvaluateError> {
    if order.settings.suites.is_empty() {
        return Err(EvaluateError::Nothing("no suite is named to be measured"));
    }
    observer.event(JobEvent::Phase {
        phase: Phase::Evaluating,
    })?;
    let mut report = Report::new(subject);
    let mut suites = order.settings.suites.clone();
    suites.sort_unstable();
    suites.dedup();
    for suite in suites {
        let measures = match suite {
            Suite::HeldOut => held_out::measure(subject, order, observer)?,
            Suite::DutchTasks => tasks::measure(subject, order, observer)?,
            Suite::Bias => bias::measure(subject, order, observer)?,
            Suite::Memorisation => {
                let (measures, datasets) = memorisation::measure(subject, order, observer)?;
                report.datasets = datasets;
                measures
            }
        };
        for measure in &measures {
            observer.event(JobEvent::Measured {
                suite,
                measure: measure.name.clone(),
                value: measure.value,
                interval: measure.interval,
                items: measure.items,
            })?;
        }
        report.measures.extend(measures);
    }
    Ok(report)
}
