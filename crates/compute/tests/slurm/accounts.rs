//! A cluster with slurmdbd: what slurmctld has forgotten is still known by the accounts.

use std::fs;

use std::time::Instant;

use compute::{
    ComputeBackend as _, Handle, Report, Resources, State, Transport, conformance::shell,
};

use crate::cluster::{Cluster, LOOK_AGAIN, PATIENCE, transports, until, until_ended};

/// Of a job without GPUs the accounts have no number of them.
fn what_stays(report: &Report) -> (State, Option<u32>, Option<u32>, Option<String>) {
    let used = &report.used;
    (
        report.state,
        used.cores,
        used.gpus.filter(|count| *count > 0),
        report.native_id.clone(),
    )
}

/// slurmrestd 22.05 answers `return_code: 0` for every job of the accounts that failed: which code it was is lost, that it
/// failed is not.
fn as_slurmrestd_tells(state: State) -> State {
    match state {
        State::Ended {
            exit_code: 11,
            cause,
        } => State::Ended {
            exit_code: 1,
            cause,
        },
        other => other,
    }
}

/// Waits until the accounts have the end of this many jobs; slurmctld tells them of it in its own time.
fn until_accounted(cluster: &Cluster, jobs: usize) {
    let ended = || {
        let question = ["-n", "-X", "-P", "-S", "now-1days", "-o", "End"];
        let table = cluster.slurm("sacct", &question);
        table
            .lines()
            .filter(|end| !end.trim().is_empty() && *end != "Unknown")
            .count()
    };
    let begun = Instant::now();
    while ended() < jobs {
        assert!(begun.elapsed() < PATIENCE, "the accounts hear of nothing");
        std::thread::sleep(LOOK_AGAIN);
    }
}

#[tokio::test]
async fn jobs_that_the_controller_forgot_are_told_from_the_accounts() {
    let mut cluster = Cluster::with_accounts();
    let mut before: Vec<(Handle, Report)> = Vec::new();
    let backend = cluster.backend(Transport::Cli);
    let with_gpu = {
        let mut launch = shell("exit 11");
        launch.resources = Resources {
            gpus: 1,
            cores: 3,
            memory_bytes: Some(300 << 20),
            nodes: 1,
        };
        launch
    };
    let mut waiting = cluster.waiting_launch();
    waiting.resources.cores = 2;
    for launch in [&with_gpu, &shell("exit 0"), &waiting] {
        let handle = backend.submit(launch).await.unwrap();
        if launch.attempt == waiting.attempt {
            let runs = |report: &Report| report.state == State::Running;
            until(&backend, &handle, runs).await;
            backend.cancel(&handle).await.unwrap();
        }
        let report = until_ended(&backend, &handle).await;
        before.push((handle, report));
    }
    let code = |at: usize| match before[at].1.state {
        State::Ended { exit_code, .. } => exit_code,
        other => unreachable!("{other:?}"),
    };
    assert_eq!([code(0), code(1), code(2)], [11, 0, 143]);
    until_accounted(&cluster, before.len());
    cluster.forget();
    assert_eq!(cluster.slurm("squeue", &["-h", "-t", "all"]), "");
    // Without what their programs left in their folders nothing else can know how they ended.
    let shared = cluster.path("shared");
    let left = |handle: &Handle, trace: &str| shared.join(&handle.0).join(trace);
    for (handle, _) in &before {
        if left(handle, "exit").exists() {
            fs::remove_file(left(handle, "exit")).unwrap();
        }
    }
    assert!(left(&before[0].0, "claim").is_symlink());
    for transport in transports() {
        let backend = cluster.backend(transport);
        for (handle, before) in &before {
            let after = backend.status(handle).await.unwrap();
            let mut expected = what_stays(before);
            if transport == Transport::Rest {
                expected.0 = as_slurmrestd_tells(expected.0);
            }
            assert_eq!(what_stays(&after), expected, "{transport:?}");
            assert_eq!(after.started_at, before.started_at, "{transport:?}");
            assert!(after.ended_at >= after.started_at, "{after:?}");
        }
    }
    // Nor is a job that they know started again, without any trace of it.
    fs::remove_file(left(&before[0].0, "claim")).unwrap();
    for transport in transports() {
        let backend = cluster.backend(transport);
        assert_eq!(backend.submit(&with_gpu).await.unwrap(), before[0].0);
        assert_eq!(cluster.slurm("squeue", &["-h", "-t", "all"]), "");
    }
}
