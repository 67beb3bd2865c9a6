//! What holds of every backend, through each transport.

use compute::{
    ComputeBackend as _, Resources, State, Transport,
    conformance::{self, Ground, shell},
};

use crate::cluster::{Cluster, PATIENCE, until_ended};

async fn conforms(transport: Transport) {
    let mut cluster = Cluster::start();
    let backend = cluster.backend(transport);
    let ground = Ground {
        room: cluster.path("shared"),
        patience: PATIENCE,
    };
    conformance::check(&backend, &ground).await.unwrap();
}

#[tokio::test]
async fn the_commands_conform() {
    conforms(Transport::Cli).await;
}

#[tokio::test]
async fn the_commands_over_ssh_conform() {
    conforms(Transport::Ssh).await;
}

#[tokio::test]
async fn the_rest_interface_conforms() {
    conforms(Transport::Rest).await;
}

#[tokio::test]
async fn a_job_gets_what_it_asked_for_and_what_it_used_is_told() {
    let mut cluster = Cluster::start();
    for transport in [Transport::Cli, Transport::Rest] {
        let backend = cluster.backend(transport);
        let mut launch = shell(
            "[ \"$SLURM_CPUS_ON_NODE\" = 3 ] && [ -n \"$CUDA_VISIBLE_DEVICES\" ] && exit 11; env",
        );
        launch.resources = Resources {
            gpus: 1,
            cores: 3,
            memory_bytes: Some(300 << 20),
            nodes: 1,
        };
        let handle = backend.submit(&launch).await.unwrap();
        let report = until_ended(&backend, &handle).await;
        let log = backend.log(&handle, 0).await.unwrap().text;
        assert!(
            matches!(report.state, State::Ended { exit_code: 11, .. }),
            "{report:?} {log}"
        );
        let used = (report.used.cores, report.used.gpus, report.used.nodes);
        assert_eq!(used, (Some(3), Some(1), Some(1)), "{transport:?}");
        let id = report.native_id.unwrap();
        let job = cluster.slurm("scontrol", &["show", "job", "-o", &id]);
        assert!(job.contains("mem=300M"), "{job}");
        assert!(
            job.contains(" Partition=normal ")
                && job.contains("Comment=faculty:http://portal.test"),
            "{job}"
        );
    }
}
