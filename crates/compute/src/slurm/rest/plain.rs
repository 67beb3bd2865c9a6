//! v0.0.36 to v0.0.38. Pure.

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
    set("name", json!(request.name));
    set("comment", json!(request.comment));
    set("partition", json!(request.partition));
    set("account", json!(request.account));
    set("qos", json!(request.qos));
    // At least, at most.
    set("nodes", json!([request.nodes, request.nodes]));
    set("tasks", json!(request.nodes));
    set("tasks_per_node", json!(1));
    set("cpus_per_task", json!(request.cores));
    set("gpus_per_node", json!(request.gpus));
    set("memory_per_node", json!(request.memory_mib));
    set("time_limit", json!(request.minutes));
    set("requeue", json!(false));
    set("current_working_directory", json!("/"));
    set("standard_output", json!("/dev/null"));
    set("standard_error", json!("/dev/null"));
    set(
        "environment",
        json!({ "PATH": super::PATH, ENVIRONMENT: request.environment }),
    );
    json!({ "script": request.script, "job": job })
}
