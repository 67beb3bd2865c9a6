//! What goes wrong on a cluster.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use compute::{
    Cause, ComputeBackend as _, ComputeError, Slurm, State, Transport, cancel_strays,
    conformance::{appears, shell},
};

use crate::cluster::{
    Cluster, LOOK_AGAIN, PATIENCE, PORTAL, is_deep, submit_until_heard, transports, until,
    until_ended,
};

fn ended(exit_code: i32, cause: Cause) -> State {
    State::Ended { exit_code, cause }
}

#[tokio::test]
async fn a_drained_machine_keeps_jobs_waiting_with_its_reason_and_their_place() {
    let mut cluster = Cluster::start();
    cluster.set_node("drain");
    for transport in transports() {
        let backend = cluster.backend(transport);
        let (first, second) = (shell("exit 3"), shell("exit 4"));
        let one = backend.submit(&first).await.unwrap();
        let two = backend.submit(&second).await.unwrap();
        let report = until(&backend, &one, |report| report.reason.is_some()).await;
        assert_eq!(report.state, State::Pending, "{transport:?}");
        assert!(
            report.native_id.is_some() && report.started_at.is_none(),
            "{report:?}"
        );
        let reports = backend.statuses(&[two.clone(), one.clone()]).await.unwrap();
        let places: Vec<_> = reports.iter().map(|report| report.queue_position).collect();
        assert_eq!(places, [Some(2), Some(1)], "{transport:?}");
        cluster.resume_node();
        assert_eq!(
            until_ended(&backend, &one).await.state,
            ended(3, Cause::Exited)
        );
        assert_eq!(
            until_ended(&backend, &two).await.state,
            ended(4, Cause::Exited)
        );
        cluster.set_node("drain");
    }
}

#[tokio::test]
async fn a_job_that_waits_is_cancelled_and_one_called_off_before_never_runs() {
    let mut cluster = Cluster::start();
    cluster.set_node("drain");
    for transport in transports() {
        let backend = cluster.backend(transport);
        let launch = cluster.waiting_launch();
        let handle = backend.submit(&launch).await.unwrap();
        backend.cancel(&handle).await.unwrap();
        let report = backend.status(&handle).await.unwrap();
        assert_eq!(report.state, ended(143, Cause::Exited), "{transport:?}");
        assert_eq!(report.used.seconds, 0);
        backend.submit(&launch).await.unwrap();
        assert_eq!(
            cluster.slurm("squeue", &["-h"]),
            "",
            "it is not submitted again"
        );
        let never = cluster.waiting_launch();
        let handle = compute::Handle(never.attempt.to_string());
        backend.cancel(&handle).await.unwrap();
        backend.submit(&never).await.unwrap();
        assert_eq!(cluster.slurm("squeue", &["-h"]), "");
        assert_eq!(
            backend.status(&handle).await.unwrap().state,
            ended(143, Cause::Exited)
        );
    }
}

#[tokio::test]
async fn somebody_elses_cancel_is_told_apart_from_ours() {
    let mut cluster = Cluster::start();
    for transport in [Transport::Cli, Transport::Rest] {
        let backend = cluster.backend(transport);
        let launch = cluster.waiting_launch();
        let handle = backend.submit(&launch).await.unwrap();
        let running = until(&backend, &handle, |report| report.state == State::Running).await;
        let file = cluster
            .path("shared")
            .join(format!("starts-{}", launch.attempt));
        assert!(appears(&file, PATIENCE).await);
        cluster.slurm("scancel", &[&running.native_id.unwrap()]);
        let report = until_ended(&backend, &handle).await;
        assert_eq!(
            report.state,
            ended(143, Cause::StoppedByScheduler),
            "{transport:?}"
        );
    }
}

#[tokio::test]
async fn a_machine_that_fails_ends_its_job_with_that_cause() {
    let mut cluster = Cluster::start();
    let backend = cluster.backend(Transport::Cli);
    let launch = cluster.waiting_launch();
    let handle = backend.submit(&launch).await.unwrap();
    let file = cluster
        .path("shared")
        .join(format!("starts-{}", launch.attempt));
    assert!(appears(&file, PATIENCE).await);
    cluster.set_node("down");
    let report = until_ended(&backend, &handle).await;
    let is_so = matches!(
        report.state,
        State::Ended {
            cause: Cause::NodeFailed,
            ..
        }
    );
    assert!(is_so, "{report:?}");
    assert_eq!(
        cluster.starts(&launch),
        1,
        "Slurm does not start it again by itself"
    );
}

#[tokio::test]
async fn a_controller_that_is_killed_loses_nothing_that_it_had_written_down() {
    let mut cluster = Cluster::start();
    for transport in transports() {
        let backend = cluster.backend(transport);
        let running = cluster.waiting_launch();
        let handle = backend.submit(&running).await.unwrap();
        until(&backend, &handle, |report| report.state == State::Running).await;
        cluster.until_saved();
        cluster.kill("slurmctld");
        let error = backend.status(&handle).await.unwrap_err();
        assert!(
            matches!(error, ComputeError::Unreachable(_)),
            "{transport:?}: {error:?}"
        );
        let late = shell("exit 6");
        let error = backend.submit(&late).await.unwrap_err();
        assert!(
            matches!(error, ComputeError::Unreachable(_)),
            "{transport:?}: {error:?}"
        );
        cluster.let_go();
        cluster.up();
        let late = submit_until_heard(&backend, &late).await;
        assert_eq!(
            until_ended(&backend, &handle).await.state,
            ended(5, Cause::Exited),
            "{transport:?}"
        );
        assert_eq!(
            until_ended(&backend, &late).await.state,
            ended(6, Cause::Exited)
        );
        assert_eq!(cluster.starts(&running), 1);
        fs::remove_file(cluster.path("shared/go")).unwrap();
    }
}

#[tokio::test]
async fn a_job_that_slurm_lost_before_it_ran_is_unknown_and_is_submitted_again() {
    let mut cluster = Cluster::start();
    cluster.set_node("drain");
    for transport in transports() {
        let backend = cluster.backend(transport);
        let launch = cluster.waiting_launch();
        let handle = backend.submit(&launch).await.unwrap();
        cluster.forget();
        let report = until(&backend, &handle, |_| true).await;
        assert_eq!(report.state, State::Unknown, "{transport:?}");
        assert_eq!(backend.submit(&launch).await.unwrap(), handle);
        cluster.resume_node();
        cluster.let_go();
        assert_eq!(
            until_ended(&backend, &handle).await.state,
            ended(5, Cause::Exited)
        );
        assert_eq!(cluster.starts(&launch), 1);
        fs::remove_file(cluster.path("shared/go")).unwrap();
        cluster.set_node("drain");
    }
}

#[tokio::test]
async fn what_slurm_has_forgotten_is_known_by_its_folder() {
    let mut cluster = Cluster::start();
    let backend = cluster.backend(Transport::Cli);
    let launch = shell("echo told; exit 8");
    let handle = backend.submit(&launch).await.unwrap();
    let before = until_ended(&backend, &handle).await;
    cluster.forget();
    assert_eq!(
        cluster.slurm("squeue", &["-h", "-t", "all"]),
        "",
        "it has forgotten"
    );
    for transport in transports() {
        let backend = cluster.backend(transport);
        let after = backend.status(&handle).await.unwrap();
        assert_eq!(
            (after.state, &after.native_id),
            (before.state, &before.native_id),
            "{transport:?}"
        );
        assert!(
            after.ended_at >= after.started_at && after.used.seconds >= 1,
            "{after:?}"
        );
        backend.submit(&launch).await.unwrap();
        assert_eq!(
            cluster.slurm("squeue", &["-h", "-t", "all"]),
            "",
            "it is not submitted again"
        );
        assert_eq!(backend.log(&handle, 0).await.unwrap().text, "told\n");
    }
}

#[tokio::test]
async fn two_jobs_for_one_attempt_run_it_once() {
    let mut cluster = Cluster::start();
    cluster.set_node("drain");
    let backend = cluster.backend(Transport::Cli);
    let launch = cluster.waiting_launch();
    let handle = backend.submit(&launch).await.unwrap();
    // As another portal would have done that looked at the same moment: the same script, once more and once more.
    let first = backend.status(&handle).await.unwrap().native_id.unwrap();
    let script = cluster.path("script");
    let copy = script.to_str().unwrap();
    cluster.slurm("scontrol", &["write", "batch_script", &first, copy]);
    for _ in 0..2 {
        cluster.slurm("sbatch", &[copy]);
    }
    cluster.resume_node();
    let name = format!("vf-{handle}");
    let gave_way = || {
        let table = cluster.slurm("squeue", &["-h", "-t", "failed", "-n", &name, "-o", "%i"]);
        table.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    while gave_way().len() < 2 {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    cluster.let_go();
    let losers = gave_way();
    let report = until_ended(&backend, &handle).await;
    assert_eq!(report.state, ended(5, Cause::Exited));
    assert_eq!(cluster.starts(&launch), 1);
    let winner = report.native_id.unwrap();
    assert!(!losers.contains(&winner), "{winner} of {losers:?}");
    for loser in &losers {
        let job = cluster.slurm("scontrol", &["show", "job", "-o", loser]);
        assert!(job.contains("ExitCode=75:0"), "{job}");
    }
    // Without a look at the folders it is the one that did not give way.
    let mut settings = cluster.settings(Transport::Rest);
    settings.rest.as_mut().unwrap().state_dir_here = None;
    drop(cluster.backend(Transport::Rest));
    let blind = Slurm::open(settings, PORTAL).unwrap();
    let report = blind.status(&handle).await.unwrap();
    assert_eq!(
        (report.native_id, report.state),
        (Some(winner), ended(5, Cause::Exited))
    );
}

#[tokio::test]
async fn jobs_that_nobody_knows_are_cancelled_and_another_portals_are_not() {
    let mut cluster = Cluster::start();
    for transport in transports() {
        let ours = cluster.backend(transport);
        let theirs = Slurm::open(cluster.settings(transport), "http://another.test").unwrap();
        let launches = [0, 1, 2].map(|_| cluster.waiting_launch());
        let [known, stray, foreign] = &launches;
        let known = ours.submit(known).await.unwrap();
        let stray = ours.submit(stray).await.unwrap();
        let foreign = theirs.submit(foreign).await.unwrap();
        let is_known = |attempt: uuid::Uuid| attempt.to_string() == known.0;
        let soon = SystemTime::now() + Duration::from_secs(60);
        let cancelled = cancel_strays(&ours, is_known, SystemTime::UNIX_EPOCH.into())
            .await
            .unwrap();
        assert_eq!(cancelled, [], "too young to tell");
        let cancelled = cancel_strays(&ours, is_known, soon.into()).await.unwrap();
        let cancelled: Vec<String> = cancelled
            .iter()
            .map(|one| one.attempt.to_string())
            .collect();
        assert_eq!(cancelled, [stray.0.as_str()], "{transport:?}");
        for kept in [&known, &foreign] {
            let state = ours.status(kept).await.unwrap().state;
            assert!(
                !matches!(state, State::Ended { .. }),
                "{transport:?}: {state:?}"
            );
            ours.cancel(kept).await.unwrap();
        }
    }
}

#[tokio::test]
async fn slurms_own_time_limit_is_a_time_limit() {
    if !is_deep() {
        // It takes Slurm one to two minutes to notice; the limit that the script keeps is in the conformance suite.
        return;
    }
    let mut cluster = Cluster::start();
    let backend = cluster.backend(Transport::Cli);
    let launch = cluster.waiting_launch();
    let handle = backend.submit(&launch).await.unwrap();
    let running = until(&backend, &handle, |report| report.state == State::Running).await;
    let id = running.native_id.unwrap();
    cluster.slurm(
        "scontrol",
        &["update", &format!("jobid={id}"), "timelimit=1"],
    );
    let mut report = running_still(&backend, &handle).await;
    while report.state == State::Running {
        report = running_still(&backend, &handle).await;
    }
    assert_eq!(report.state, ended(124, Cause::TimeLimit));
}

async fn running_still(backend: &Slurm, handle: &compute::Handle) -> compute::Report {
    tokio::time::sleep(Duration::from_millis(500)).await;
    backend.status(handle).await.unwrap()
}
