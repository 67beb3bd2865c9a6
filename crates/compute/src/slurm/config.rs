//! Settings of a place on a Slurm cluster.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How jobs are asked for, and how Slurm is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlurmSettings {
    /// By what Slurm is reached.
    pub transport: Transport,
    /// Where attempts have their folders: on a file system that all machines of the cluster share. Set by the place.
    #[serde(skip)]
    pub state_dir: PathBuf,
    /// The partition; without it the cluster's own choice.
    #[serde(default)]
    pub partition: Option<String>,
    /// The account that pays.
    #[serde(default)]
    pub account: Option<String>,
    /// The quality of service.
    #[serde(default)]
    pub qos: Option<String>,
    /// The name of the kind of GPU (`a100`), where a cluster has several.
    #[serde(default)]
    pub gpu_kind: Option<String>,
    /// Modules that are loaded before the program.
    #[serde(default)]
    pub modules: Vec<String>,
    /// An Apptainer image in which the program runs. Without it it runs on the machine itself.
    #[serde(default)]
    pub image: Option<PathBuf>,
    /// The configuration that Slurm's commands read, where it is not where they look by themselves.
    #[serde(default)]
    pub slurm_conf: Option<PathBuf>,
    /// With `transport = "ssh"`.
    #[serde(default)]
    pub ssh: Option<SshSettings>,
    /// With `transport = "rest"`.
    #[serde(default)]
    pub rest: Option<RestSettings>,
}

/// By what Slurm is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Slurm's commands on this machine.
    Cli,
    /// Slurm's commands on a login machine.
    Ssh,
    /// slurmrestd.
    Rest,
}

/// How the login machine is reached, beyond what the user's own `ssh_config` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshSettings {
    /// Name, address or `Host` of the user's `ssh_config`.
    pub host: String,
    /// Who logs in.
    #[serde(default)]
    pub user: Option<String>,
    /// Port.
    #[serde(default)]
    pub port: Option<u16>,
    /// The private key; without it what `ssh` finds by itself. It must not ask for a password.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// The file with the host's key. A host that is not in it, or with another key, is not talked to.
    pub known_hosts: PathBuf,
    /// Another configuration than the user's own.
    #[serde(default)]
    pub config: Option<PathBuf>,
}

/// How slurmrestd is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestSettings {
    /// Its address, `https://slurm.example.org:6820`.
    pub url: String,
    /// In whose name jobs run; the token must be theirs.
    pub user: String,
    /// A file with the token, alone or as `SLURM_JWT=…`. Read again when it runs out.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// A command that prints a token, run again when it runs out: `["scontrol", "token", "lifespan=3600"]`.
    #[serde(default)]
    pub token_command: Vec<String>,
    /// Where this machine sees the place's `state_dir`, if it does. Without it there are no logs, and a job that
    /// Slurm has forgotten is unknown.
    #[serde(default)]
    pub state_dir_here: Option<PathBuf>,
}

impl SlurmSettings {
    /// What cannot be right, a sentence each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut must = |is_so: bool, problem: &str| {
            if !is_so {
                problems.push(problem.to_owned());
            }
        };
        must(
            self.state_dir.is_absolute() && self.state_dir.to_str().is_some(),
            "state_dir: needs an absolute path on the cluster's shared file system",
        );
        must(
            (self.transport == Transport::Ssh) == self.ssh.is_some(),
            "slurm.ssh: belongs to transport = \"ssh\", which needs it",
        );
        must(
            (self.transport == Transport::Rest) == self.rest.is_some(),
            "slurm.rest: belongs to transport = \"rest\", which needs it",
        );
        if let Some(ssh) = &self.ssh {
            must(
                !ssh.host.is_empty() && !ssh.host.starts_with('-'),
                "slurm.ssh.host: is not a host",
            );
        }
        if let Some(rest) = &self.rest {
            must(
                rest.token_file.is_some() == rest.token_command.is_empty(),
                "slurm.rest: needs token_file or token_command, and not both",
            );
        }
        let words = [&self.partition, &self.account, &self.qos, &self.gpu_kind];
        for word in words.into_iter().flatten().chain(&self.modules) {
            must(
                is_plain(word),
                "slurm: partition, account, qos, gpu_kind and modules are plain words",
            );
        }
        must(
            self.image.as_ref().is_none_or(|image| image.is_absolute()),
            "slurm.image: needs an absolute path",
        );
        problems
    }
}

/// Whether it can stand in a line of a script as it is.
pub(super) fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with('-')
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-+,:@/%=".contains(&b))
}
