//! Many jobs at once, two portals, and a controller that is killed in between: none is lost, none runs twice.

use std::{fs, sync::Arc};

use compute::{ComputeBackend as _, Handle, Launch, State, Transport, conformance::shell};

use crate::cluster::{Cluster, LOOK_AGAIN, is_deep, submit_until_heard};

async fn many(transport: Transport) {
    let jobs = if is_deep() { 50 } else { 8 };
    let mut cluster = Cluster::start();
    let portals = [Arc::new(cluster.backend(transport)), Arc::new(cluster.backend(transport))];
    let launches: Vec<Launch> = (0..jobs)
        .map(|number| {
            let mut launch = shell("");
            let body = format!(
                "echo started >>'{}/starts-{}'; exit {}",
                cluster.path("shared").display(),
                launch.attempt,
                number % 50
            );
            launch.args = vec!["-c".to_owned(), body];
            launch
        })
        .collect();
    let mut submitting = tokio::task::JoinSet::new();
    for launch in &launches {
        for portal in &portals {
            let (portal, launch) = (Arc::clone(portal), launch.clone());
            submitting.spawn(async move { submit_until_heard(portal.as_ref(), &launch).await });
        }
    }
    // Once a third of them is in, and once more when some have run.
    let is_submitted = |count: usize| {
        cluster.slurm("squeue", &["-h", "-t", "all"]).lines().count() >= count
    };
    while !is_submitted(jobs / 3) {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    cluster.kill("slurmctld");
    cluster.up();
    submitting.join_all().await;
    let handles: Vec<Handle> = launches.iter().map(|it| Handle(it.attempt.to_string())).collect();
    cluster.kill("slurmctld");
    cluster.up();
    // A third portal, which was not there before, finds them all.
    let next = cluster.backend(transport);
    let reports = loop {
        match next.statuses(&handles).await {
            Ok(reports) if reports.iter().all(|it| matches!(it.state, State::Ended { .. })) => break reports,
            Ok(reports) => {
                let lost = reports.iter().filter(|it| it.state == State::Unknown).count();
                assert_eq!(lost, 0, "none is lost");
            }
            Err(compute::ComputeError::Unreachable(_)) => {}
            Err(other) => unreachable!("{other:?}"),
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    };
    for (number, (launch, report)) in launches.iter().zip(&reports).enumerate() {
        let exit_code = i32::try_from(number % 50).unwrap();
        let is_so = matches!(report.state, State::Ended { exit_code: found, .. } if found == exit_code);
        assert!(is_so, "job {number}: {report:?}");
        assert_eq!(cluster.starts(launch), 1, "job {number} ran once");
    }
    for handle in &handles {
        next.clean(handle).await.unwrap();
    }
    let left = fs::read_dir(cluster.path("shared")).unwrap().filter(|entry| {
        entry.as_ref().is_ok_and(|entry| entry.path().join("log").exists() || entry.path().join("work").exists())
    });
    assert_eq!(left.count(), 0, "it cleans up after itself");
}

#[tokio::test]
async fn many_jobs_through_the_commands_run_once_each() {
    many(Transport::Cli).await;
}

#[tokio::test]
async fn many_jobs_over_ssh_run_once_each() {
    many(Transport::Ssh).await;
}

#[tokio::test]
async fn many_jobs_through_the_rest_interface_run_once_each() {
    many(Transport::Rest).await;
}
