//! Answers of all versions: each field is taken as it comes, plain or marked. Pure.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::slurm::{record::Record, state::Exit};

/// A number, alone or as `{set, infinite, number}`.
pub(super) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        Value::Object(fields) => {
            let is = |name: &str| fields.get(name).and_then(Value::as_bool);
            let is_there = is("set") != Some(false) && is("infinite") != Some(true);
            fields.get("number").filter(|_| is_there).and_then(number)
        }
        Value::Null | Value::Bool(_) | Value::Array(_) => None,
    }
}

fn words(value: &Value) -> Vec<String> {
    match value {
        Value::String(word) => vec![word.clone()],
        Value::Array(words) => words
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

/// wait(2)'s number, or code and signal apart.
fn exit(value: &Value) -> Option<Exit> {
    if !value.is_object() {
        return number(value)
            .and_then(|it| i32::try_from(it).ok())
            .map(Exit::from_wait_status);
    }
    let int = |value: &Value| number(value).and_then(|it| i32::try_from(it).ok());
    let signal = value.get("signal").and_then(|signal| {
        let id = signal.get("id").or_else(|| signal.get("signal_id"));
        int(id.unwrap_or(signal))
    });
    Some(Exit {
        code: value.get("return_code").and_then(int).unwrap_or(0),
        signal: signal.unwrap_or(0),
    })
}

fn instant(value: &Value) -> Option<DateTime<Utc>> {
    let seconds = number(value).filter(|seconds| *seconds > 0)?;
    DateTime::from_timestamp(seconds, 0)
}

fn text(job: &Value, name: &str) -> String {
    job.get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// The jobs of `user` in an answer of `/jobs` of slurmctld.
pub(super) fn queue(answer: &Value, user: &str) -> Vec<Record> {
    let jobs = answer.get("jobs").and_then(Value::as_array);
    let jobs = jobs.into_iter().flatten();
    jobs.filter(|job| text(job, "user_name") == user)
        .filter_map(record)
        .collect()
}

fn record(job: &Value) -> Option<Record> {
    let field = |name: &str| job.get(name).unwrap_or(&Value::Null);
    let small = |name: &str| number(field(name)).and_then(|it| u32::try_from(it).ok());
    Some(Record {
        is_accounted: false,
        id: number(field("job_id")).and_then(|id| u64::try_from(id).ok())?,
        name: text(job, "name"),
        comment: text(job, "comment"),
        states: words(field("job_state")),
        exit: exit(field("exit_code")),
        reason: reason(job),
        submitted_at: instant(field("submit_time")),
        started_at: instant(field("start_time")),
        ended_at: instant(field("end_time")),
        nodes: small("node_count"),
        cores: small("cpus"),
        allocated: text(job, "tres_alloc_str"),
        per_node: text(job, "tres_per_node"),
        partition: text(job, "partition"),
        priority: number(field("priority"))
            .and_then(|it| u64::try_from(it).ok())
            .unwrap_or(0),
    })
}

/// The description says more where there is one: `launch failed requeued held` beside `JobHeldUser`.
fn reason(job: &Value) -> String {
    let description = text(job, "state_description");
    if description.is_empty() {
        text(job, "state_reason")
    } else {
        description
    }
}

/// What waits in a partition, the next one first.
pub(super) fn waiting(answer: &Value, partition: &str) -> Vec<u64> {
    let jobs = answer.get("jobs").and_then(Value::as_array);
    let mut waiting: Vec<Record> = jobs
        .into_iter()
        .flatten()
        .filter_map(record)
        .filter(|job| job.is_pending() && job.partition == partition)
        .collect();
    waiting.sort_unstable_by_key(|job| (std::cmp::Reverse(job.priority), job.id));
    waiting.iter().map(|job| job.id).collect()
}

/// The jobs of `user` in an answer of `/jobs` of slurmdbd.
pub(super) fn accounts(answer: &Value, user: &str) -> Vec<Record> {
    let jobs = answer.get("jobs").and_then(Value::as_array);
    let jobs = jobs.into_iter().flatten();
    jobs.filter(|job| text(job, "user") == user)
        .filter_map(accounted)
        .collect()
}

fn accounted(job: &Value) -> Option<Record> {
    let at = |pointer: &str| job.pointer(pointer).unwrap_or(&Value::Null);
    let allocated = at("/tres/allocated")
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let count_of = |kind: &str, name: &str| {
        let is_it = |it: &&Value| text(it, "type") == kind && text(it, "name") == name;
        let found = allocated.iter().find(is_it)?;
        number(found.get("count")?).and_then(|it| u32::try_from(it).ok())
    };
    let gpus = count_of("gres", "gpu").map(|count| format!("gres/gpu={count}"));
    Some(Record {
        id: number(at("/job_id")).and_then(|id| u64::try_from(id).ok())?,
        name: text(job, "name"),
        states: words(at("/state/current")),
        exit: exit(at("/exit_code")),
        reason: at("/state/reason").as_str().unwrap_or_default().to_owned(),
        submitted_at: instant(at("/time/submission")),
        started_at: instant(at("/time/start")),
        ended_at: instant(at("/time/end")),
        is_accounted: true,
        nodes: number(at("/allocation_nodes")).and_then(|it| u32::try_from(it).ok()),
        cores: count_of("cpu", ""),
        allocated: gpus.unwrap_or_default(),
        partition: text(job, "partition"),
        ..Record::default()
    })
}

/// The first error that an answer names: its number and words.
pub(super) fn error(answer: &Value) -> Option<(i64, String)> {
    let error = answer.get("errors")?.as_array()?.first()?;
    let code = ["error_number", "error_code"]
        .iter()
        .find_map(|name| number(error.get(name)?));
    let words = [text(error, "error"), text(error, "description")];
    let words = words
        .into_iter()
        .find(|words| !words.is_empty())
        .unwrap_or_default();
    Some((code.unwrap_or(-1), words))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The same job as v0.0.38 and v0.0.41 tell of it.
    fn both() -> [Value; 2] {
        let plain = json!({ "jobs": [{
            "job_id": 14, "name": "vf-1", "comment": "faculty:x", "user_name": "me", "job_state": "FAILED",
            "state_reason": "NonZeroExitCode", "exit_code": 768, "submit_time": 1_795_630_260,
            "start_time": 1_795_630_264, "end_time": 1_795_630_265, "node_count": 1, "cpus": 2,
            "tres_alloc_str": "cpu=2,mem=128M,node=1,gres/gpu=1", "partition": "normal", "priority": 7,
        }, { "job_id": 15, "name": "vf-1", "user_name": "another" }] });
        let set = |number: i64| json!({ "set": true, "infinite": false, "number": number });
        let marked = json!({ "jobs": [{
            "job_id": 14, "name": "vf-1", "comment": "faculty:x", "user_name": "me", "job_state": ["FAILED"],
            "state_reason": "NonZeroExitCode",
            "exit_code": {
                "status": ["ERROR"], "return_code": set(3),
                "signal": { "id": { "set": false, "infinite": false, "number": 0 }, "name": "" },
            },
            "submit_time": set(1_795_630_260), "start_time": set(1_795_630_264), "end_time": set(1_795_630_265),
            "node_count": set(1), "cpus": set(2), "tres_alloc_str": "cpu=2,mem=128M,node=1,gres/gpu=1",
            "partition": "normal", "priority": set(7),
        }, { "job_id": 15, "name": "vf-1", "user_name": "another" }] });
        [plain, marked]
    }

    #[test]
    fn both_shapes_tell_the_same_of_a_job() {
        let [plain, marked] = both();
        let records = queue(&plain, "me");
        assert_eq!(records, queue(&marked, "me"));
        let [record] = records.as_slice() else {
            unreachable!("another user's job is not ours: {records:?}")
        };
        assert_eq!(record.exit.map(Exit::as_shell), Some(3));
        assert_eq!(
            (record.cores, record.gpus(), record.nodes),
            (Some(2), Some(1), Some(1))
        );
        assert_eq!(
            record.started_at.map(|at| at.timestamp()),
            Some(1_795_630_264)
        );
    }

    #[test]
    fn signals_unset_numbers_and_flags_are_read() {
        let killed = json!({ "return_code": { "set": false, "number": 0 }, "signal": { "id": { "set": true, "number": 9 } } });
        assert_eq!(exit(&killed).map(Exit::as_shell), Some(137));
        let older = json!({ "return_code": 0, "signal": { "signal_id": 15 } });
        assert_eq!(exit(&older).map(Exit::as_shell), Some(143));
        assert_eq!(exit(&Value::Null), None);
        for nothing in [
            json!(null),
            json!({ "set": false, "number": 5 }),
            json!({ "set": true, "infinite": true, "number": 5 }),
        ] {
            assert_eq!(number(&nothing), None);
        }
        assert_eq!(
            words(&json!(["RUNNING", "COMPLETING"])),
            ["RUNNING", "COMPLETING"]
        );
        assert_eq!(instant(&json!(0)), None);
    }

    #[test]
    fn the_queue_is_in_the_order_of_priority() {
        let job = |id, state: &str, priority| json!({ "job_id": id, "job_state": state, "priority": priority, "partition": "p" });
        let answer = json!({ "jobs": [job(1, "PENDING", 5), job(2, "RUNNING", 9), job(3, "PENDING", 8), job(4, "PENDING", 5)] });
        assert_eq!(waiting(&answer, "p"), [3, 1, 4]);
        assert!(waiting(&answer, "q").is_empty());
    }

    #[test]
    fn the_accounts_tell_of_what_was_forgotten() {
        let answer = json!({ "jobs": [{
            "job_id": 21, "name": "vf-1", "user": "me", "partition": "gpu", "allocation_nodes": 1,
            "state": { "current": ["CANCELLED"], "reason": "None" },
            "exit_code": { "return_code": { "set": true, "number": 0 }, "signal": { "id": { "set": true, "number": 15 } } },
            "time": { "submission": 1_795_630_260, "start": 1_795_630_264, "end": 1_795_630_299 },
            "tres": { "allocated": [
                { "type": "cpu", "name": "", "count": 2 }, { "type": "gres", "name": "gpu", "count": 4 },
            ] },
        }] });
        let records = accounts(&answer, "me");
        let [record] = records.as_slice() else {
            unreachable!("one of ours: {records:?}")
        };
        assert_eq!((record.cores, record.gpus()), (Some(2), Some(4)));
        assert_eq!(record.exit.map(Exit::as_shell), Some(143));
        assert!(accounts(&answer, "another").is_empty());
    }

    #[test]
    fn errors_are_found_under_both_names() {
        let older = json!({ "errors": [{ "error_code": 2000, "error": "Invalid partition name specified" }] });
        assert_eq!(
            error(&older),
            Some((2000, "Invalid partition name specified".to_owned()))
        );
        let newer =
            json!({ "errors": [{ "description": "Unable to find JobId", "error_number": 2017 }] });
        assert_eq!(
            error(&newer),
            Some((2017, "Unable to find JobId".to_owned()))
        );
        assert_eq!(error(&json!({ "errors": [] })), None);
    }
}
