//! A running program tells what happens, and hears whether to go on.

use job_contract::{EventAnswer, EventBatch, JobEvent, Phase};
use sqlx::PgConnection;

use super::{
    checkpoints,
    end::Told,
    internal_error::CallError,
    job::Job,
    reads,
    spec::{files, live},
    store,
};
use crate::{app::Ports, ids::AttemptId};

const MOST_IN_BATCH: usize = 1000;
/// More than any job of the bounds that are taken has to tell.
const MOST_EVENTS: u64 = 2_000_000;
const LONGEST_NOTE: usize = 2000;

/// The fields of training data: the only words that a program's own texts have in quotation marks.
const FIELDS: [&str; 14] = [
    "messages",
    "role",
    "content",
    "weight",
    "tool_calls",
    "function_call",
    "tools",
    "functions",
    "prompt",
    "completion",
    "text",
    "input",
    "preferred_output",
    "non_preferred_output",
];
/// After these words a number of the data stands, or what a chat template or tokenizer says, without quotation marks.
const QUOTING: [&str; 3] = [
    "the weight is ",
    "the chat template failed: ",
    "the tokenizer is broken: ",
];
/// Longer than a program's own texts, in bytes.
const LONGEST_PROBLEM: usize = 300;
const LONGEST_FIELD: usize = 100;
/// A problem with the name of its file, line and field, and how many more there are.
const LONGEST_SUMMARY: usize = 600;
pub(super) const LEFT_OUT: &str = "this cannot be learnt from; what the program says of it is left out, since it may quote the data";

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
    let has_problem = batch
        .events
        .iter()
        .any(|event| matches!(event.event, JobEvent::DataProblem { .. }));
    let (attempt, readings, called) = {
        let mut conn = ports.db.read().await?;
        let (job, attempt) = live(&mut conn, id).await?;
        let called = if has_problem {
            called(&mut conn, &job).await?
        } else {
            Vec::new()
        };
        let readings = reads::compare(&mut conn, &job, id, &told).await?;
        (attempt, readings, called)
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
                *file = unnamed(file, &called);
                *field = field.take().filter(|field| is_field(field));
                if !is_bare(problem) {
                    LEFT_OUT.clone_into(problem);
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

/// The files of a job's data, each by its name and by what it is called before whoever asked for the job.
async fn called(conn: &mut PgConnection, job: &Job) -> Result<Vec<(String, String)>, CallError> {
    let ready = files(conn, job).await?;
    let called = reads::numbered(&ready);
    let paths = ready.into_iter().map(|(_, file)| file.path);
    Ok(paths.zip(called).collect())
}

/// A file that a program names, without its name. Where several go by that name, all that it may be.
fn unnamed(file: &str, called: &[(String, String)]) -> String {
    let found: Vec<&str> = called
        .iter()
        .filter(|(path, called)| path == file || called == file)
        .map(|(_, called)| called.as_str())
        .collect();
    if found.is_empty() {
        return "the data".to_owned();
    }
    found.join(" or ")
}

/// Whether this is the path of a field, as `messages[2].role`, and not a word of the data.
fn is_field(field: &str) -> bool {
    let is_index = |index: &str| {
        index
            .strip_suffix(']')
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_part = |part: &str| match part.split_once('[') {
        Some((name, index)) => FIELDS.contains(&name) && is_index(index),
        None => FIELDS.contains(&part),
    };
    field.len() <= LONGEST_FIELD && field.split('.').all(is_part)
}

/// Whether a program says what is wrong with a line in words of its own alone. The training program quotes no data of a
/// job; but the one at a place may be of another release than the portal, and the data may be another institution's than
/// whoever reads this. What hides words of the data on purpose is not found: programs at places are the operator's.
fn is_bare(problem: &str) -> bool {
    problem.len() <= LONGEST_PROBLEM && quotes_nothing(problem)
}

/// The same of what it says of all the data at its end.
pub(super) fn is_bare_summary(summary: &str) -> bool {
    summary.len() <= LONGEST_SUMMARY && quotes_nothing(summary)
}

fn quotes_nothing(problem: &str) -> bool {
    let marks = problem.matches('"').count();
    let mut parts = problem.split('"').enumerate();
    marks.is_multiple_of(2)
        && parts.all(|(place, part)| place.is_multiple_of(2) || FIELDS.contains(&part))
        && !QUOTING.iter().any(|words| problem.contains(*words))
}

pub(super) fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Staging => "staging",
        Phase::Training => "training",
        Phase::Evaluating => "evaluating",
        Phase::Exporting => "exporting",
    }
}

#[cfg(test)]
mod tests {
    use training_examples::{Wanted, control_text_in, example};

    use super::*;

    #[test]
    fn of_a_file_the_number_is_told_and_not_the_name() {
        let called = [("a.jsonl", "file 1"), ("b.jsonl", "file 2")]
            .map(|(path, called)| (path.to_owned(), called.to_owned()));
        assert_eq!(unnamed("b.jsonl", &called), "file 2");
        assert_eq!(unnamed("file 1", &called), "file 1");
        assert_eq!(unnamed("dossier van Jansen.jsonl", &called), "the data");
        let mut both = called.to_vec();
        both.push(("a.jsonl".to_owned(), "file 3".to_owned()));
        assert_eq!(unnamed("a.jsonl", &both), "file 1 or file 3");
    }

    #[test]
    fn fields_of_the_formats_are_told_and_no_other_words() {
        for field in [
            "messages",
            "messages[12].role",
            "input.messages[0].content",
            "preferred_output[0]",
            "input.tools",
        ] {
            assert!(is_field(field), "{field}");
        }
        for words in [
            "",
            "Jansen",
            "messages[Jansen]",
            "messages[1",
            "messages[0].Jansen",
            "messages.",
        ] {
            assert!(!is_field(words), "{words}");
        }
        assert!(!is_field(&format!("messages[{}]", "1".repeat(100))));
    }

    #[test]
    fn what_quotes_a_line_is_left_out_and_all_else_is_told() {
        let chat = |answer: &str| {
            format!(
                r#"{{"messages":[{{"role":"user","content":"u"}},{{"role":"assistant",{answer}}}]}}"#
            )
        };
        let quoting = [
            r#"{"messages":[{"role":"Jansen","content":"x"}]}"#.to_owned(),
            chat(r#""content":"a","weight":4711"#),
            chat(r#""content":"a<|Jansen|>""#),
        ];
        let plain = [
            r#"{"tekst":"x"}"#.to_owned(),
            "{".to_owned(),
            r#"{"text":3}"#.to_owned(),
            r#"{"input":3,"preferred_output":"a","non_preferred_output":"b"}"#.to_owned(),
            r#"{"input":"u","preferred_output":[],"non_preferred_output":"b"}"#.to_owned(),
            chat(r#""content":3"#),
            // What texts are to a method of preferences.
            r#"{"text":"x"}"#.to_owned(),
        ];
        let lines = quoting.iter().map(|line| (line, true));
        for (line, quotes) in lines.chain(plain.iter().map(|line| (line, false))) {
            let fault = example(line)
                .and_then(|example| {
                    example.refuse_control(|text| control_text_in(text).map(str::to_owned))?;
                    Wanted::Preferences.takes(&example)
                })
                .unwrap_err();
            assert!(is_bare(fault.unquoted()), "{fault:?}");
            assert_eq!(is_bare(&fault.problem), !quotes, "{fault:?}");
            assert!(fault.field.as_deref().is_none_or(is_field), "{fault:?}");
        }
        for words in [
            "the chat template failed: Jansen may not follow Jansen",
            "expected \"text\", found \"Jansen",
        ] {
            assert!(!is_bare(words), "{words}");
        }
        assert!(!is_bare(&"x".repeat(301)));
        assert!(is_bare(LEFT_OUT));
    }
}
