//! Containers and modules. There is no Apptainer in Debian 12, so a program of that name stands in for it here: what
//! it is called with is checked, what it would do with that is not.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use compute::{ComputeBackend as _, Slurm, State, Transport, conformance::shell};

use crate::cluster::{Cluster, PORTAL, transports, until_ended};

const STAND_IN: &str = r#"#!/bin/bash
echo "apptainer $1" >&2
shift
while [ $# -gt 0 ]; do
    case $1 in
    --pwd | --bind) echo "$1 $2" >&2; shift 2 ;;
    --*) echo "$1" >&2; shift ;;
    *) break ;;
    esac
done
echo "image $1" >&2
shift
# Only what is meant for the container gets in.
variables=()
for variable in $(compgen -e APPTAINERENV_); do variables+=("${variable#APPTAINERENV_}=${!variable}"); done
exec env -i "${variables[@]}" "$@"
"#;

#[tokio::test]
async fn a_program_in_a_container_gets_its_variables_and_the_shared_folder() {
    let mut cluster = Cluster::start();
    let bin = cluster.path("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("apptainer"), STAND_IN).unwrap();
    fs::set_permissions(bin.join("apptainer"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut settings = cluster.settings(Transport::Cli);
    settings.image = Some(PathBuf::from("/images/it's ours.sif"));
    let backend = Slurm::open(settings, PORTAL).unwrap();
    let mut launch = shell(
        "printf '%s|' \"$SECRET\" \"${SLURM_JOB_ID:+a job}\" \"${HOSTNAME-no host}\"; exit 21",
    );
    launch.env = vec![
        ("SECRET".to_owned(), "a'b \"c\"\nd".to_owned()),
        (
            "PATH".to_owned(),
            format!("{}:/usr/bin:/bin", bin.display()),
        ),
    ];
    launch.resources.gpus = 1;
    let handle = backend.submit(&launch).await.unwrap();
    let report = until_ended(&backend, &handle).await;
    let log = backend.log(&handle, 0).await.unwrap().text;
    assert!(
        matches!(report.state, State::Ended { exit_code: 21, .. }),
        "{report:?}: {log}"
    );
    let shared = cluster.path("shared");
    let folder = shared.join(&handle.0).join("work");
    let expected = format!(
        "apptainer exec\n--cleanenv\n--nv\n--pwd {}\n--bind {}\n--bind ",
        folder.display(),
        shared.display()
    );
    assert!(log.starts_with(&expected), "{log}");
    assert!(log.contains("\nimage /images/it's ours.sif\n"), "{log}");
    assert!(log.ends_with("a'b \"c\"\nd|a job|no host|"), "{log}");
}

#[tokio::test]
async fn a_module_that_cannot_be_loaded_is_told_in_the_log() {
    let mut cluster = Cluster::start();
    let mut settings = cluster.settings(Transport::Cli);
    settings.modules = vec!["nothing/1.0".to_owned()];
    let backend = Slurm::open(settings, PORTAL).unwrap();
    let handle = backend.submit(&shell("true")).await.unwrap();
    let report = until_ended(&backend, &handle).await;
    assert!(
        matches!(report.state, State::Ended { exit_code: 78, .. }),
        "{report:?}"
    );
    let log = backend.log(&handle, 0).await.unwrap().text;
    assert!(
        log.contains("the module nothing/1.0 cannot be loaded"),
        "{log}"
    );
}

#[tokio::test]
async fn the_secrets_are_in_no_script_and_no_command_line() {
    let mut cluster = Cluster::start();
    for transport in transports() {
        let backend = cluster.backend(transport);
        let mut launch = cluster.waiting_launch();
        launch
            .env
            .push(("TOKEN".to_owned(), "very-secret".to_owned()));
        let handle = backend.submit(&launch).await.unwrap();
        let file = cluster
            .path("shared")
            .join(format!("starts-{}", launch.attempt));
        assert!(compute::conformance::appears(&file, crate::cluster::PATIENCE).await);
        let id = backend.status(&handle).await.unwrap().native_id.unwrap();
        let encoded = data_encoding::BASE64.encode(b"export TOKEN='very-secret'\n");
        let script = cluster.slurm("scontrol", &["write", "batch_script", &id, "-"]);
        let shown = cluster.slurm("scontrol", &["show", "job", "-d", &id]);
        for text in [script, shown] {
            assert!(
                !text.contains("very-secret") && !text.contains(&encoded),
                "{transport:?}: {text}"
            );
        }
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            assert!(
                !line.contains("very-secret") && !line.contains(&encoded),
                "{line}"
            );
        }
        backend.cancel(&handle).await.unwrap();
    }
}
