//! Many jobs at once, two portals, and a controller that is killed in between: none is lost, none runs twice.

use std::sync::Arc;

use compute::{
    Cause, ComputeBackend as _, ComputeError, Handle, Launch, Slurm, State, Transport,
    conformance::shell,
};
use tokio::task::JoinSet;

use crate::cluster::{Cluster, LOOK_AGAIN, is_deep, submit_until_heard};

/// A job as a portal has it: one attempt, and another where that one was lost.
struct Job {
    exit_code: i32,
    attempts: Vec<Launch>,
    is_done: bool,
}

impl Job {
    fn latest(&self) -> &Launch {
        self.attempts.last().unwrap()
    }

    fn handle(&self) -> Handle {
        Handle(self.latest().attempt.to_string())
    }
}

fn attempt(cluster: &Cluster, exit_code: i32) -> Launch {
    let mut launch = shell("");
    let body = format!(
        "echo started >>'{}/starts-{}'; exit {exit_code}",
        cluster.path("shared").display(),
        launch.attempt
    );
    launch.args = vec!["-c".to_owned(), body];
    launch
}

/// Whether a job has begun with it.
fn is_claimed(cluster: &Cluster, launch: &Launch) -> bool {
    let folder = cluster.path("shared").join(launch.attempt.to_string());
    folder.join("claim").symlink_metadata().is_ok()
}

/// Each of `portals` submits each attempt at about the same time.
fn submit_all(portals: &[Arc<Slurm>], launches: &[Launch]) -> JoinSet<Handle> {
    let mut submitting = JoinSet::new();
    for launch in launches {
        for portal in portals {
            let (portal, launch) = (Arc::clone(portal), launch.clone());
            submitting.spawn(async move { submit_until_heard(portal.as_ref(), &launch).await });
        }
    }
    submitting
}

async fn many(transport: Transport) {
    let count = if is_deep() { 50 } else { 8 };
    let mut cluster = Cluster::start();
    let portals = [(); 2].map(|()| Arc::new(cluster.backend(transport)));
    let mut jobs: Vec<Job> = (0..count)
        .map(|exit_code| Job {
            exit_code,
            attempts: vec![attempt(&cluster, exit_code)],
            is_done: false,
        })
        .collect();
    let first: Vec<Launch> = jobs.iter().map(|job| job.latest().clone()).collect();
    let submitting = submit_all(&portals, &first);
    // In the midst of it, and once more when all are in.
    let in_queue = || {
        cluster
            .slurm("squeue", &["-h", "-t", "all"])
            .lines()
            .count()
    };
    while in_queue() < jobs.len() / 3 {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    cluster.kill("slurmctld");
    cluster.up();
    submitting.join_all().await;
    cluster.kill("slurmctld");
    cluster.up();
    // A third portal, which was not there before, looks after them all.
    let next = Arc::new(cluster.backend(transport));
    while jobs.iter().any(|job| !job.is_done) {
        tokio::time::sleep(LOOK_AGAIN).await;
        // A controller that was set back and starts a job twice takes the machine out of use; an administrator's work.
        cluster.resume_node();
        let open: Vec<&mut Job> = jobs.iter_mut().filter(|job| !job.is_done).collect();
        let handles: Vec<Handle> = open.iter().map(|job| job.handle()).collect();
        let reports = match next.statuses(&handles).await {
            Ok(reports) => reports,
            Err(ComputeError::Unreachable(_)) => continue,
            Err(other) => unreachable!("{other:?}"),
        };
        for (job, report) in open.into_iter().zip(reports) {
            match report.state {
                State::Pending | State::Running => continue,
                State::Ended {
                    exit_code,
                    cause: Cause::Exited,
                } => {
                    assert_eq!(exit_code, job.exit_code, "{report:?}");
                    job.is_done = true;
                    continue;
                }
                // A controller that is killed forgets what it took in the last seconds: what had not begun is
                // submitted again, and for what had begun without an end there is another attempt.
                State::Unknown if !is_claimed(&cluster, job.latest()) => {}
                State::Unknown | State::Ended { .. } => {
                    job.attempts.push(attempt(&cluster, job.exit_code));
                }
            }
            let again = [job.latest().clone()];
            submit_all(&portals, &again).join_all().await;
        }
    }
    for job in &jobs {
        for launch in &job.attempts {
            assert!(cluster.starts(launch) <= 1, "no attempt ran twice");
        }
        assert_eq!(cluster.starts(job.latest()), 1, "the last attempt ran");
        next.clean(&job.handle()).await.unwrap();
        let folder = cluster.path("shared").join(job.handle().0);
        let is_clean = !folder.join("log").exists() && !folder.join("work").exists();
        assert!(is_clean, "it cleans up after itself");
    }
    let attempts: usize = jobs.iter().map(|job| job.attempts.len()).sum();
    eprintln!("{count} jobs in {attempts} attempts through {transport:?}");
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
