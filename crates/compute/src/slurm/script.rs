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
/// Of the beginning of a log; the last 64 KiB of what comes after are kept as well.
const LOG_BYTES: u64 = 4 << 20;
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
            log_bytes => LOG_BYTES,
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

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt as _, symlink},
        path::Path,
        process::Command,
    };

    use super::*;
    use crate::{Resources, conformance::shell};

    fn settings(state_dir: &Path) -> SlurmSettings {
        let values = serde_json::json!({
            "transport": "cli", "partition": "gpu", "account": "nl-faculty", "gpu_kind": "a100",
            "modules": ["2024", "CUDA/12.6.0"], "image": "/images/faculty.sif",
        });
        let mut settings: SlurmSettings = serde_json::from_value(values).unwrap();
        settings.state_dir = state_dir.to_owned();
        settings
    }

    fn request(launch: &Launch, settings: &SlurmSettings) -> Request {
        Request::new(launch, settings, "faculty:https://portal.example").unwrap()
    }

    #[test]
    fn what_is_asked_for_stands_at_the_top_of_the_script() {
        let mut launch = shell("true");
        launch.attempt = Uuid::from_u128(7);
        launch.time_limit = Some(Duration::from_secs(3601));
        launch.resources = Resources {
            gpus: 4,
            cores: 18,
            memory_bytes: Some((120 << 30) + 1),
            nodes: 1,
        };
        let request = request(&launch, &settings(Path::new("/shared")));
        let header: Vec<&str> = request
            .script
            .lines()
            .skip(1)
            .map_while(|line| line.strip_prefix("#SBATCH "))
            .collect();
        assert_eq!(
            header,
            [
                "--job-name=vf-00000000-0000-0000-0000-000000000007",
                "--comment=faculty:https://portal.example",
                "--nodes=1",
                "--ntasks-per-node=1",
                "--cpus-per-task=18",
                "--partition=gpu",
                "--account=nl-faculty",
                "--gpus-per-node=a100:4",
                "--mem=122881M",
                "--time=63",
                "--no-requeue",
                "--chdir=/",
                "--output=/dev/null",
                "--export=ALL",
            ]
        );
        for line in [
            "module load CUDA/12.6.0 || { echo \"the module CUDA/12.6.0 cannot be loaded\"; end 78; }",
            "set -- timeout --signal=TERM --kill-after=30 3601 \"$@\"",
        ] {
            assert!(
                request.script.lines().any(|it| it == line),
                "{}",
                request.script
            );
        }
        assert!(
            request
                .script
                .contains("apptainer exec --cleanenv --nv --pwd")
        );
        let is_read = Command::new("bash")
            .arg("-nc")
            .arg(&request.script)
            .status()
            .unwrap();
        assert!(is_read.success(), "{}", request.script);
    }

    /// The script as Slurm would start it, as job `id`.
    fn job(script: &str, id: u32) -> Command {
        let mut command = Command::new("bash");
        command
            .arg("-c")
            .arg(script)
            .env("SLURM_JOB_ID", id.to_string())
            .env(ENVIRONMENT, environment(&[], false));
        command
    }

    /// Runs the script as one that was put back `restarts` times.
    fn run(script: &str, id: u32, restarts: u32) -> i32 {
        let mut command = job(script, id);
        if restarts > 0 {
            command.env("SLURM_RESTART_COUNT", restarts.to_string());
        }
        command.status().unwrap().code().unwrap()
    }

    #[test]
    fn an_attempt_runs_once_whatever_starts_its_script() {
        let room = tempfile::tempdir().unwrap();
        let plain = SlurmSettings {
            modules: Vec::new(),
            image: None,
            ..settings(room.path())
        };
        let given = || {
            let launch = shell(&format!(
                "echo started >>'{}'; exit 5",
                room.path().join("starts").display()
            ));
            let folder = room.path().join(launch.attempt.to_string());
            (request(&launch, &plain).script, folder)
        };
        let starts = || {
            let text = fs::read_to_string(room.path().join("starts"));
            text.map_or(0, |text| text.lines().count())
        };
        let claim = |folder: &Path| fs::read_link(folder.join("claim")).unwrap();

        // Once it has ended, whatever comes later ends as it did.
        let (script, folder) = given();
        assert_eq!(run(&script, 11, 0), 5);
        for (id, restarts) in [(11, 0), (11, 1), (12, 0)] {
            assert_eq!(
                run(&script, id, restarts),
                5,
                "job {id} after {restarts} restarts"
            );
        }
        assert_eq!((starts(), claim(&folder)), (1, "11.0".into()));
        assert_eq!(fs::read_to_string(folder.join("exit")).unwrap(), "5\n");

        // While it runs, or where it ended without a word: only a job that was put back goes on.
        let (script, folder) = given();
        fs::create_dir_all(&folder).unwrap();
        symlink("11.0", folder.join("claim")).unwrap();
        for id in [10, 11, 12] {
            assert_eq!(run(&script, id, 0), NOT_THE_ONE, "job {id}");
        }
        assert_eq!(
            run(&script, 12, 3),
            NOT_THE_ONE,
            "another job that was put back"
        );
        assert_eq!(starts(), 1);
        assert_eq!(run(&script, 11, 1), 5);
        assert_eq!((starts(), claim(&folder)), (2, "11.1".into()));

        // One that was called off does not begin.
        let (script, folder) = given();
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("cancel"), "").unwrap();
        assert_eq!(run(&script, 13, 0), 143);
        assert_eq!(starts(), 2);
        assert!(!folder.join("claim").exists());
    }

    #[test]
    fn a_log_has_its_beginning_and_its_end_and_no_more() {
        let room = tempfile::tempdir().unwrap();
        let plain = SlurmSettings {
            modules: Vec::new(),
            image: None,
            ..settings(room.path())
        };
        let launch =
            shell("echo first; head -c 20000000 /dev/zero | tr '\\0' x; echo; echo last; exit 3");
        let folder = room.path().join(launch.attempt.to_string());
        assert_eq!(run(&request(&launch, &plain).script, 11, 0), 3);
        let log = fs::read_to_string(folder.join("log")).unwrap();
        assert!(log.starts_with("first\n") && log.ends_with("\nlast\n"));
        assert!(log.contains("[what came in between was not kept]"));
        let most = usize::try_from(LOG_BYTES).unwrap() + 70_000;
        assert!(log.len() < most, "{}", log.len());
        assert!(!folder.join("log.tail").exists());
        // One that says little is kept whole.
        let launch = shell("echo only; echo this");
        let folder = room.path().join(launch.attempt.to_string());
        assert_eq!(run(&request(&launch, &plain).script, 12, 0), 0);
        assert_eq!(
            fs::read_to_string(folder.join("log")).unwrap(),
            "only\nthis\n"
        );
    }

    #[test]
    fn an_attempt_says_how_it_ended_where_no_temporary_folder_can_be_made() {
        let room = tempfile::tempdir().unwrap();
        let plain = SlurmSettings {
            modules: Vec::new(),
            image: None,
            ..settings(room.path())
        };
        let launch = shell("echo \"at $TMPDIR\"; exit 5");
        let folder = room.path().join(launch.attempt.to_string());
        let script = request(&launch, &plain).script;
        // A file takes no folder in it, whoever asks.
        let status = job(&script, 11).env("TMPDIR", "/dev/null").status();
        assert_eq!(status.unwrap().code(), Some(5));
        assert_eq!(fs::read_to_string(folder.join("exit")).unwrap(), "5\n");
        let log = fs::read_to_string(folder.join("log")).unwrap();
        let beside = format!("at {}/tmp.", folder.display());
        assert!(log.contains(&beside), "{log}");
        let mut names = fs::read_dir(&folder).unwrap().map(|entry| {
            let name = entry.unwrap().file_name();
            name.to_string_lossy().into_owned()
        });
        assert!(!names.any(|name| name.starts_with("tmp.")), "it is removed");

        // Nowhere at all.
        let launch = shell("echo started");
        let folder = room.path().join(launch.attempt.to_string());
        let programs = room.path().join("programs");
        fs::create_dir(&programs).unwrap();
        let mktemp = programs.join("mktemp");
        fs::write(&mktemp, "#!/bin/sh\nexit 1\n").unwrap();
        fs::set_permissions(&mktemp, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display());
        let mut without = job(&request(&launch, &plain).script, 12);
        assert_eq!(without.env("PATH", path).status().unwrap().code(), Some(73));
        assert_eq!(fs::read_to_string(folder.join("exit")).unwrap(), "73\n");
        let log = fs::read_to_string(folder.join("log")).unwrap();
        assert_eq!(log, "no folder for temporary files can be made\n");
    }

    #[test]
    fn what_is_too_much_for_an_environment_is_refused() {
        let mut launch = shell("true");
        launch.env.push(("BIG".to_owned(), "x".repeat(100_000)));
        let refused = Request::new(&launch, &settings(Path::new("/shared")), "faculty:x");
        assert!(matches!(refused, Err(Refusal::Environment(_))));
    }
}
