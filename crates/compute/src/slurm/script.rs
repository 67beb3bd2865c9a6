//! The job script and what is asked of Slurm for it. Pure.

use std::time::Duration;

use data_encoding::BASE64;
use minijinja::{Environment, context};
use uuid::Uuid;

use super::{
    config::SlurmSettings,
    record::{NOT_THE_ONE, name_of},
};
use crate::{Launch, Refusal};

const TEMPLATE: &str = include_str!("job.sh.jinja");
/// In which the secrets travel: base64 of the shell's own `export` lines.
pub(super) const ENVIRONMENT: &str = "FACULTY_ENVIRONMENT";
/// Slurm's own limit is a net under ours, which is kept to the second.
const MARGIN: Duration = Duration::from_secs(120);
/// The kernel takes no longer variable (`MAX_ARG_STRLEN`, 128 KiB).
const ENVIRONMENT_LIMIT_BYTES: usize = 120 * 1024;

/// What is asked of Slurm; the transports write it in their ways.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) name: String,
    pub(super) comment: String,
    pub(super) partition: Option<String>,
    pub(super) account: Option<String>,
    pub(super) qos: Option<String>,
    pub(super) nodes: u32,
    pub(super) cores: u32,
    /// `a100:4`.
    pub(super) gpus: Option<String>,
    pub(super) memory_mib: Option<u64>,
    pub(super) minutes: Option<u64>,
    pub(super) script: String,
    /// The value of [`ENVIRONMENT`]. Secret.
    pub(super) environment: String,
}

impl Request {
    /// For `launch` at a place with `settings`; `owner` tells our jobs from those of another portal.
    ///
    /// # Errors
    /// Where the launch itself cannot be.
    pub(super) fn new(
        launch: &Launch,
        settings: &SlurmSettings,
        owner: &str,
    ) -> Result<Self, Refusal> {
        launch.check()?;
        let resources = &launch.resources;
        let gpus = (resources.gpus > 0).then(|| match &settings.gpu_kind {
            Some(kind) => format!("{kind}:{}", resources.gpus),
            None => resources.gpus.to_string(),
        });
        let mut request = Self {
            name: name_of(launch.attempt),
            comment: owner.to_owned(),
            partition: settings.partition.clone(),
            account: settings.account.clone(),
            qos: settings.qos.clone(),
            nodes: resources.nodes,
            cores: resources.cores,
            gpus,
            memory_mib: resources.memory_bytes.map(|bytes| bytes.div_ceil(1 << 20)),
            minutes: launch
                .time_limit
                .map(|limit| (limit + MARGIN).as_secs().div_ceil(60)),
            script: String::new(),
            environment: environment(&launch.env, settings.image.is_some()),
        };
        if request.environment.len() > ENVIRONMENT_LIMIT_BYTES {
            return Err(Refusal::Environment("all of it".to_owned()));
        }
        request.script = request.render(launch, settings)?;
        Ok(request)
    }

    /// The lines that `sbatch` reads; slurmrestd does not, and is told the same in its own words.
    fn options(&self) -> Vec<String> {
        let mut options = vec![
            format!("--job-name={}", self.name),
            format!("--comment={}", self.comment),
            format!("--nodes={}", self.nodes),
            "--ntasks-per-node=1".to_owned(),
            format!("--cpus-per-task={}", self.cores),
        ];
        let mut add = |name: &str, value: Option<String>| {
            options.extend(value.map(|value| format!("--{name}={value}")));
        };
        add("partition", self.partition.clone());
        add("account", self.account.clone());
        add("qos", self.qos.clone());
        add("gpus-per-node", self.gpus.clone());
        add("mem", self.memory_mib.map(|mib| format!("{mib}M")));
        add("time", self.minutes.map(|minutes| minutes.to_string()));
        options.extend(
            [
                "--no-requeue",
                "--chdir=/",
                "--output=/dev/null",
                "--export=ALL",
            ]
            .map(str::to_owned),
        );
        options
    }

    fn render(&self, launch: &Launch, settings: &SlurmSettings) -> Result<String, Refusal> {
        let program = launch.program.to_string_lossy();
        let words: Vec<String> = std::iter::once(program.as_ref())
            .chain(launch.args.iter().map(String::as_str))
            .map(quoted)
            .collect();
        let state_dir = settings.state_dir.to_string_lossy();
        let values = context! {
            options => self.options(),
            name => &self.name,
            dir => quoted(&dir(settings, launch.attempt)),
            bind => quoted(&state_dir),
            terminated => 143,
            not_the_one => NOT_THE_ONE,
            modules => &settings.modules,
            command => BASE64.encode(words.join(" ").as_bytes()),
            image => settings.image.as_ref().map(|image| quoted(&image.to_string_lossy())),
            gpus => launch.resources.gpus > 0,
            nodes => self.nodes,
            seconds => launch.time_limit.map(|limit| limit.as_secs()),
        };
        Environment::new()
            .render_str(TEMPLATE, values)
            .map_err(|error| Refusal::Script(error.to_string()))
    }
}

/// The folder of an attempt, as the cluster sees it.
pub(super) fn dir(settings: &SlurmSettings, attempt: Uuid) -> String {
    let dir = settings.state_dir.join(attempt.hyphenated().to_string());
    dir.to_string_lossy().into_owned()
}

/// A word that a shell reads back as it is.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The variables as lines that a shell takes in, in base64, so that nothing in between trips over their signs.
fn environment(variables: &[(String, String)], is_in_container: bool) -> String {
    let mut lines = String::new();
    for (name, value) in variables {
        let value = quoted(value);
        lines += &format!("export {name}={value}\n");
        if is_in_container {
            lines += &format!("export APPTAINERENV_{name}={value}\n");
        }
    }
    BASE64.encode(lines.as_bytes())
}
