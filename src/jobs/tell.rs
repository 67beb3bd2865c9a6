//! A running program tells what happens, and hears whether to go on.

use job_contract::{EventAnswer, EventBatch, JobEvent, Phase};

use super::{checkpoints, end::Told, internal_error::CallError, reads, spec::live, store};
use crate::{app::Ports, ids::AttemptId};

const MOST_IN_BATCH: usize = 1000;
/// More than any job of the bounds that are taken has to tell.
const MOST_EVENTS: u64 = 2_000_000;
const LONGEST_NOTE: usize = 2000;

/// Keeps a batch; an empty one is a heartbeat.
pub(super) async fn tell(
    ports: &Ports,
    id: AttemptId,
    mut batch: EventBatch,
) -> Result<EventAnswer, CallError> {
    if batch.events.len() > MOST_IN_BATCH {
        return Err(CallError::Invalid(format!(
            "at most {MOST_IN_BATCH} events at a time"
        )));
    }
    let told: Vec<_> = batch
        .events
        .iter()
        .filter_map(|event| match &event.event {
            JobEvent::FileRead { file, sha256 } => Some((*file, sha256.clone())),
            _ => None,
        })
        .collect();
    let (attempt, readings) = {
        let mut conn = ports.db.read().await?;
        let (job, attempt) = live(&mut conn, id).await?;
        (attempt, reads::compare(&mut conn, &job, id, &told).await?)
    };
    let mut phase = None;
    for event in &mut batch.events {
        if !(1..=MOST_EVENTS).contains(&event.number) {
            return Err(CallError::Invalid(
                "an event's number is out of bounds".into(),
            ));
        }
        match &mut event.event {
            JobEvent::Phase { phase: now } => phase = Some(phase_name(*now)),
            JobEvent::Note { message } if message.chars().count() > LONGEST_NOTE => {
                *message = message.chars().take(LONGEST_NOTE).collect();
            }
            JobEvent::CheckpointUnreadable { problem, .. } => {
                *problem = problem.chars().take(LONGEST_NOTE).collect();
            }
            JobEvent::DataProblem {
                file,
                field,
                problem,
                ..
            } => {
                for text in [file, problem].into_iter().chain(field) {
                    *text = text.chars().take(LONGEST_NOTE).collect();
                }
            }
            _ => {}
        }
    }
    let stored = checkpoints::look(ports, &attempt, &batch.events).await?;
    let mut tx = ports.db.meter().await?;
    if !store::beat(&mut tx, id, phase).await? {
        return Err(CallError::Ended);
    }
    for event in &batch.events {
        store::insert_event(&mut tx, &attempt, event).await?;
    }
    checkpoints::keep(&mut tx, &attempt, &stored).await?;
    checkpoints::note_damage(&mut tx, &attempt, &batch.events).await?;
    let now = tx.now();
    for reading in &readings {
        store::insert_read(tx.conn(), id, reading, now).await?;
    }
    let job = store::find(tx.conn(), attempt.job).await?;
    tx.commit().await?;
    if !reads::is_as_verified(&readings) {
        reads::fail(ports, id, &readings, Told::default()).await?;
        return Ok(EventAnswer {
            cancel: true,
            reason: Some(reads::CODE.to_owned()),
        });
    }
    let reason = job
        .as_ref()
        .and_then(|job| job.asked_to_stop().map(str::to_owned));
    Ok(EventAnswer {
        cancel: reason.is_some(),
        reason,
    })
}

pub(super) fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Staging => "staging",
        Phase::Training => "training",
        Phase::Evaluating => "evaluating",
        Phase::Exporting => "exporting",
    }
}
