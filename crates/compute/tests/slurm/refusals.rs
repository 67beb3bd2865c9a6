//! What will never run is refused with Slurm's reason, and what is wrong with a place is told apart from that.

use std::fs;

use compute::{
    ComputeBackend as _, ComputeError, Refusal, Slurm, State, Transport, Trouble,
    conformance::shell,
};

use crate::cluster::{Cluster, LOOK_AGAIN, PORTAL, transports, until_ended};

#[tokio::test]
async fn an_unknown_partition_and_an_account_without_rights_are_refused() {
    let mut cluster = Cluster::start();
    for transport in transports() {
        drop(cluster.backend(transport));
        let mut settings = cluster.settings(transport);
        settings.partition = Some("nowhere".to_owned());
        let backend = Slurm::open(settings.clone(), PORTAL).unwrap();
        let error = backend.submit(&shell("true")).await.unwrap_err();
        let is_named = matches!(&error, ComputeError::Refused(Refusal::Scheduler(why)) if why.contains("partition"));
        assert!(is_named, "{transport:?}: {error:?}");
        settings.partition = Some("members".to_owned());
        settings.account = Some("stranger".to_owned());
        let backend = Slurm::open(settings, PORTAL).unwrap();
        let error = backend.submit(&shell("true")).await.unwrap_err();
        let is_refused = matches!(&error, ComputeError::Refused(Refusal::Scheduler(_)));
        assert!(is_refused, "{transport:?}: {error:?}");
    }
}

#[tokio::test]
async fn more_than_there_is_is_refused_or_never_started() {
    let mut cluster = Cluster::start();
    for transport in [Transport::Cli, Transport::Rest] {
        let backend = cluster.backend(transport);
        let mut launch = shell("true");
        launch.resources.gpus = 7;
        match backend.submit(&launch).await {
            Err(ComputeError::Refused(Refusal::Scheduler(_))) => {}
            Ok(handle) => {
                let report = until_ended(&backend, &handle).await;
                let is_so = matches!(
                    report.state,
                    State::Ended {
                        cause: compute::Cause::NeverStarted,
                        ..
                    }
                );
                assert!(is_so, "{transport:?}: {report:?}");
            }
            Err(other) => unreachable!("{transport:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_token_that_ran_out_locks_the_place_until_there_is_another() {
    let mut cluster = Cluster::start();
    let backend = cluster.backend(Transport::Rest);
    let launch = shell("exit 4");
    let handle = backend.submit(&launch).await.unwrap();
    until_ended(&backend, &handle).await;
    cluster.write_token(1);
    let fresh = cluster.backend(Transport::Rest);
    // Newer versions let a token live for some seconds more than it says.
    let error = loop {
        match fresh.status(&handle).await {
            Ok(_) => tokio::time::sleep(LOOK_AGAIN).await,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(&error, ComputeError::Locked(Trouble::Credentials(_))),
        "{error:?}"
    );
    let error = fresh.submit(&shell("true")).await.unwrap_err();
    assert!(
        matches!(&error, ComputeError::Locked(Trouble::Credentials(_))),
        "{error:?}"
    );
    // The first has a good token in memory still, and does not notice.
    backend.status(&handle).await.unwrap();
    cluster.write_token(600);
    let report = fresh.status(&handle).await.unwrap();
    assert!(
        matches!(report.state, State::Ended { exit_code: 4, .. }),
        "{report:?}"
    );
    // One that somebody has changed; Slurm 22.05 answers it as if it were away, newer versions say what it is.
    let token = fs::read_to_string(cluster.path("token")).unwrap();
    let forged = token.trim().trim_end_matches(|c: char| c != '.').to_owned() + "AAAA";
    fs::write(cluster.path("token"), forged).unwrap();
    let error = cluster
        .backend(Transport::Rest)
        .status(&handle)
        .await
        .unwrap_err();
    let is_no_answer = matches!(
        &error,
        ComputeError::Locked(Trouble::Credentials(_)) | ComputeError::Unreachable(_)
    );
    assert!(is_no_answer, "{error:?}");
}

#[tokio::test]
async fn a_login_machine_with_another_key_is_not_talked_to() {
    let mut cluster = Cluster::start();
    let backend = cluster.backend(Transport::Ssh);
    let launch = shell("true");
    let handle = backend.submit(&launch).await.unwrap();
    until_ended(&backend, &handle).await;
    cluster.write_known_hosts("other-key.pub");
    let error = cluster
        .backend(Transport::Ssh)
        .status(&handle)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ComputeError::Locked(Trouble::HostKey(_))),
        "{error:?}"
    );
    fs::write(cluster.path("known_hosts"), "").unwrap();
    let error = cluster
        .backend(Transport::Ssh)
        .submit(&shell("true"))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ComputeError::Locked(Trouble::HostKey(_))),
        "{error:?}"
    );
    cluster.write_known_hosts("host-key.pub");
    let mut settings = cluster.settings(Transport::Ssh);
    settings.ssh.as_mut().unwrap().key = Some(cluster.path("other-key"));
    let stranger = Slurm::open(settings, PORTAL).unwrap();
    let error = stranger.status(&handle).await.unwrap_err();
    assert!(
        matches!(&error, ComputeError::Locked(Trouble::Credentials(_))),
        "{error:?}"
    );
    let mut settings = cluster.settings(Transport::Ssh);
    settings.ssh.as_mut().unwrap().port = Some(1);
    let nobody = Slurm::open(settings, PORTAL).unwrap();
    let error = nobody.status(&handle).await.unwrap_err();
    assert!(matches!(&error, ComputeError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn a_partition_that_is_closed_says_why_a_job_waits_and_takes_no_other() {
    let mut cluster = Cluster::start();
    for transport in transports() {
        let backend = cluster.backend(transport);
        cluster.slurm(
            "scontrol",
            &["update", "partitionname=normal", "state=down"],
        );
        let handle = backend.submit(&shell("exit 4")).await.unwrap();
        let report = loop {
            let report = backend.status(&handle).await.unwrap();
            if report
                .reason
                .as_deref()
                .is_some_and(|it| it.starts_with("Partition"))
            {
                break report;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        };
        assert_eq!(report.state, State::Pending, "{transport:?}: {report:?}");
        assert_eq!(report.reason.as_deref(), Some("PartitionDown"));
        cluster.slurm(
            "scontrol",
            &["update", "partitionname=normal", "state=drain"],
        );
        let error = backend.submit(&shell("true")).await.unwrap_err();
        assert!(
            matches!(&error, ComputeError::Unreachable(why) if why.to_string().contains("drain")),
            "{transport:?}: {error:?}"
        );
        cluster.slurm("scontrol", &["update", "partitionname=normal", "state=up"]);
        let report = until_ended(&backend, &handle).await;
        assert!(
            matches!(report.state, State::Ended { exit_code: 4, .. }),
            "{transport:?}: {report:?}"
        );
    }
}
