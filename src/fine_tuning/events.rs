//! Events as the SDKs read them.

use job_contract::JobEvent;
use openai_api::{ApiError, FineTuningEvent, Page};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    failure::refused,
    ids::Of,
    store::{
        self,
        events::{Kept, Place},
    },
};
use crate::ids::JobId;

/// A page of a job's events, newest first.
pub(super) async fn page(
    conn: &mut PgConnection,
    job: JobId,
    after: Option<&str>,
    limit: i64,
) -> Result<Page<FineTuningEvent>, ApiError> {
    let place = match after {
        None => None,
        Some(text) => {
            let missing = || Of::Event.missing(text).with_param("after");
            let id = parse(text).ok_or_else(missing)?;
            let found = store::events::place_of(conn, job, id)
                .await
                .map_err(refused)?;
            Some(found.ok_or_else(missing)?)
        }
    };
    let mut kept = store::events::list(conn, job, place, limit + 1)
        .await
        .map_err(refused)?;
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = kept.len() > size;
    kept.truncate(size);
    let data = kept.iter().map(as_wire).collect();
    Ok(Page::new(data, has_more, |event: &FineTuningEvent| {
        event.id.clone()
    }))
}

/// Those of programs carry their number within the attempt.
pub(super) fn id_of(of: Of, place: &Place) -> String {
    match place.number {
        0 => of.id(place.source),
        number => format!("{}-{number}", of.id(place.source)),
    }
}

fn parse(text: &str) -> Option<(Uuid, i64)> {
    match Of::Event.parse(text) {
        Some(id) => Some((id, 0)),
        None => {
            let (id, number) = text.rsplit_once('-')?;
            Some((Of::Event.parse(id)?, number.parse().ok()?))
        }
    }
}

fn as_wire(kept: &Kept) -> FineTuningEvent {
    let (kind, level, message, data) = match &kept.told {
        Some(told) => said(told),
        None => (
            "message",
            kept.level.clone().unwrap_or_else(|| "info".into()),
            kept.message.clone().unwrap_or_default(),
            kept.data.clone(),
        ),
    };
    FineTuningEvent {
        id: id_of(Of::Event, &kept.place),
        object: FineTuningEvent::OBJECT.into(),
        created_at: kept.place.at.timestamp(),
        level,
        message,
        kind: kind.into(),
        data,
    }
}

/// A program may tell of a line of a megabyte; of each text so many characters go on.
const MOST_TOLD: usize = 2000;

fn cut(text: &str) -> String {
    text.chars().take(MOST_TOLD).collect()
}

/// What a program told, in OpenAI's words.
fn said(event: &JobEvent) -> (&'static str, String, String, Option<Value>) {
    let message = |text: String| ("message", "info".to_owned(), text, None);
    match event {
        JobEvent::Step {
            step,
            total_steps,
            loss,
            accuracy,
            ..
        } => {
            let mut data = json!({ "step": step, "total_steps": total_steps, "train_loss": loss });
            if let Some(accuracy) = accuracy {
                data["train_mean_token_accuracy"] = json!(accuracy);
            }
            let text = format!("Step {step}/{total_steps}: training loss={loss:.2}");
            ("metrics", "info".into(), text, Some(data))
        }
        JobEvent::HeldOut {
            step,
            loss,
            accuracy,
        } => {
            let mut data = json!({ "step": step, "valid_loss": loss });
            if let Some(accuracy) = accuracy {
                data["valid_mean_token_accuracy"] = json!(accuracy);
            }
            let text = format!("Step {step}: validation loss={loss:.2}");
            ("metrics", "info".into(), text, Some(data))
        }
        JobEvent::Checkpoint { step, .. } => message(format!("Checkpoint created at step {step}")),
        JobEvent::DataReady {
            documents,
            target_tokens,
            total_steps,
            ..
        } => message(format!(
            "Data ready: {documents} examples, {target_tokens} trained tokens a pass, {total_steps} steps"
        )),
        JobEvent::DataProblem {
            file,
            line,
            field,
            problem,
        } => {
            let (file, problem) = (cut(file), cut(problem));
            let field = field.as_deref().map(cut);
            let place = field
                .as_ref()
                .map_or_else(String::new, |field| format!("{field}: "));
            let data = json!({ "file": file, "line": line, "field": field, "problem": problem });
            let text = format!("{file}, line {line}: {place}{problem}");
            ("message", "error".into(), text, Some(data))
        }
        JobEvent::CheckpointUnreadable { step, .. } => (
            "message",
            "warn".into(),
            format!(
                "The checkpoint of step {step} cannot be read; the job goes on from an older one, or from the beginning"
            ),
            None,
        ),
        JobEvent::Note { message: text } => message(cut(text)),
        JobEvent::Phase { .. } | JobEvent::Measured { .. } | JobEvent::FileRead { .. } => {
            message(String::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_program_tells_without_an_end_the_beginning_is_told() {
        let long = "x".repeat(1_000_000);
        for event in [
            JobEvent::DataProblem {
                file: long.clone(),
                line: 7,
                field: Some(long.clone()),
                problem: long.clone(),
            },
            JobEvent::Note {
                message: long.clone(),
            },
        ] {
            let (_, _, message, data) = said(&event);
            let data = data.map_or(0, |data| data.to_string().len());
            assert!(message.len() < 10_000 && data < 10_000);
        }
    }

    #[test]
    fn the_cursor_of_an_event_comes_back() {
        let place = |number| Place {
            at: chrono::DateTime::UNIX_EPOCH,
            source: Uuid::now_v7(),
            number,
        };
        for number in [0, 1, 40_000] {
            let place = place(number);
            let id = id_of(Of::Event, &place);
            assert_eq!(parse(&id), Some((place.source, number)), "{id}");
        }
        for wrong in ["", "ftevent-", "ftevent-x-1", "-", "file-1"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
