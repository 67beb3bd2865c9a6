//! v0.0.40 to v0.0.42. Pure.

use serde_json::{Map, Value, json};

use crate::slurm::script::{ENVIRONMENT, Request};

/// The body of a submission.
pub(super) fn submission(request: &Request) -> Value {
    let mut job = Map::new();
    let mut set = |name: &str, value: Value| {
        if !value.is_null() {
            job.insert(name.to_owned(), value);
        }
    };
    let number = |number: Option<u64>| {
        number.map_or(
            Value::Null,
            |number| json!({ "set": true, "infinite": false, "number": number }),
        )
    };
    set("script", json!(request.script));
    set("name", json!(request.name));
    set("comment", json!(request.comment));
    set("partition", json!(request.partition));
    set("account", json!(request.account));
    set("qos", json!(request.qos));
    set("nodes", json!(request.nodes.to_string()));
    set("tasks", json!(request.nodes));
    set("tasks_per_node", json!(1));
    set("cpus_per_task", json!(request.cores));
    let gpus = request.gpus.as_ref().map(|gpus| format!("gres/gpu:{gpus}"));
    set("tres_per_node", json!(gpus));
    set("memory_per_node", number(request.memory_mib));
    set("time_limit", number(request.minutes));
    set("requeue", json!(false));
    set("current_working_directory", json!("/"));
    set("standard_output", json!("/dev/null"));
    set("standard_error", json!("/dev/null"));
    let environment = [
        format!("PATH={}", super::PATH),
        format!("{ENVIRONMENT}={}", request.environment),
    ];
    set("environment", json!(environment));
    json!({ "job": job })
}
