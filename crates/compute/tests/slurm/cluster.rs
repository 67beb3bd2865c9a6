//! A Slurm of one machine, and a login machine in front of it. The portal's own tests use it too.

use std::{
    ffi::OsString,
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use compute::{
    ComputeBackend, ComputeError, Handle, Launch, Report, RestSettings, Slurm, SlurmSettings,
    SshSettings, State, Transport, conformance,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(50);
pub(crate) const PORTAL: &str = "http://portal.test";

pub(crate) fn is_deep() -> bool {
    std::env::var_os("FACULTY_TEST_DEEP").is_some()
}

/// Another Slurm than this machine's, through `scripts/slurm-chroot`; it is reached by slurmrestd only.
fn other_slurm() -> Option<OsString> {
    std::env::var_os("FACULTY_TEST_SLURM_ROOT")
}

pub(crate) fn transports() -> Vec<Transport> {
    if other_slurm().is_some() {
        vec![Transport::Rest]
    } else {
        vec![Transport::Cli, Transport::Ssh, Transport::Rest]
    }
}

/// A program of the Slurm that is tested.
fn of_slurm(program: &str) -> Command {
    let Some(root) = other_slurm() else {
        return Command::new(program);
    };
    let mut command = Command::new(script("slurm-chroot"));
    command.arg(root).arg(program);
    command
}

/// Stopped when dropped.
pub(crate) struct Cluster {
    room: TempDir,
    port: u16,
    sshd: Option<Child>,
    has_accounts: bool,
}

/// A port such that it and the next 40 are free, below those that the kernel gives away.
///
/// Tests that run beside each other, in one process or in many, begin to look at different ones.
fn free_ports() -> u16 {
    static TESTS: AtomicU32 = AtomicU32::new(0);
    let seed =
        std::process::id().wrapping_mul(97) % 400 + TESTS.fetch_add(1, Ordering::Relaxed) * 29;
    (0..400_u32)
        .map(|try_no| u16::try_from(10_000 + (seed % 400 + try_no * 53) % 400 * 50).unwrap())
        .find(|port| (*port..port + 40).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()))
        .unwrap()
}

/// One of the workspace's scripts, from whichever of its packages.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("scripts").join(name))
        .find(|path| path.exists())
        .unwrap()
}

fn must(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

impl Cluster {
    pub(crate) fn start() -> Self {
        Self::with(false)
    }

    /// One whose jobs are accounted in a database, so that ended ones are known after slurmctld forgot them.
    pub(crate) fn with_accounts() -> Self {
        Self::with(true)
    }

    fn with(has_accounts: bool) -> Self {
        let room = tempfile::Builder::new()
            .prefix("vf-slurm")
            .tempdir_in("/tmp")
            .unwrap();
        // slurmrestd runs as another user.
        fs::set_permissions(room.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let cluster = Self {
            room,
            port: free_ports(),
            sshd: None,
            has_accounts,
        };
        cluster.up();
        fs::create_dir(cluster.path("shared")).unwrap();
        cluster.write_token(600);
        cluster
    }

    /// Starts what does not run.
    pub(crate) fn up(&self) {
        // The daemons would hold its pipes open.
        let log = fs::File::create(self.path("up.log")).unwrap();
        let mut up = match other_slurm() {
            Some(_) => of_slurm("slurm-up"),
            None => Command::new(script("slurm-up")),
        };
        if self.has_accounts {
            up.env("SLURM_ACCOUNTS", "1");
        }
        let status = up
            .arg(self.path("slurm"))
            .arg(self.port.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .status()
            .unwrap();
        let told = fs::read_to_string(self.path("up.log")).unwrap();
        assert!(
            status.success(),
            "Slurm does not start (scripts/install-missing test installs it): {told}"
        );
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.room.path().join(name)
    }

    /// SIGKILL to one of the daemons.
    pub(crate) fn kill(&self, daemon: &str) {
        let pids = fs::read_to_string(self.path("slurm/pids")).unwrap();
        let pid = pids
            .lines()
            .find_map(|line| line.strip_prefix(daemon)?.trim().parse().ok())
            .unwrap();
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        let stat = format!("/proc/{pid}/stat");
        while fs::read_to_string(&stat)
            .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.starts_with(" Z"))
        {
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Makes Slurm forget all jobs.
    pub(crate) fn forget(&self) {
        self.kill("slurmctld");
        for file in ["job_state", "job_state.old"] {
            let _ = fs::remove_file(self.path("slurm/state").join(file));
        }
        self.up();
    }

    /// Waits until the controller has written down all that it knows now; what it has not, a kill makes it forget.
    pub(crate) fn until_saved(&self) {
        let saved_at = || {
            fs::metadata(self.path("slurm/state/job_state"))
                .and_then(|it| it.modified())
                .ok()
        };
        let before = saved_at();
        // Something that is worth saving.
        let wrap = [
            "--parsable",
            "--begin=now+1hour",
            "--output=/dev/null",
            "--wrap=true",
        ];
        let id = self.slurm("sbatch", &wrap);
        self.slurm("scancel", &[&id]);
        while saved_at() == before {
            std::thread::sleep(LOOK_AGAIN);
        }
        let after = saved_at();
        let id = self.slurm("sbatch", &wrap);
        self.slurm("scancel", &[&id]);
        // The first of the two may have begun before we asked.
        while saved_at() == after {
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// One of Slurm's own commands, as its administrator.
    pub(crate) fn slurm(&self, program: &str, args: &[&str]) -> String {
        let conf = self.path("slurm/slurm.conf");
        let output = must(of_slurm(program).args(args).env("SLURM_CONF", conf));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(crate) fn set_node(&self, state: &str) {
        let node = self.slurm("sinfo", &["-h", "-N", "-p", "normal", "-o", "%N"]);
        let (node, state) = (format!("nodename={node}"), format!("state={state}"));
        self.slurm("scontrol", &["update", &node, &state, "reason=test"]);
    }

    /// Takes a drain back. A controller that was killed may have forgotten it, and remembers it a moment later.
    pub(crate) fn resume_node(&self) {
        let node = self.slurm("sinfo", &["-h", "-N", "-p", "normal", "-o", "%N"]);
        let is_drained = || {
            self.slurm("sinfo", &["-h", "-p", "normal", "-o", "%T"])
                .starts_with("drain")
        };
        while is_drained() {
            let _ = of_slurm("scontrol")
                .args(["update", &format!("nodename={node}"), "state=resume"])
                .env("SLURM_CONF", self.path("slurm/slurm.conf"))
                .output();
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    pub(crate) fn write_token(&self, seconds: u32) {
        let token = self.slurm("scontrol", &["token", &format!("lifespan={seconds}")]);
        fs::write(self.path("token"), token).unwrap();
    }

    pub(crate) fn settings(&mut self, transport: Transport) -> SlurmSettings {
        let shared = self.path("shared");
        let values = serde_json::json!({
            "transport": match transport {
                Transport::Cli => "cli",
                Transport::Ssh => "ssh",
                Transport::Rest => "rest",
            },
            "partition": "normal",
            "slurm_conf": self.path("slurm/slurm.conf"),
        });
        let mut settings: SlurmSettings = serde_json::from_value(values).unwrap();
        settings.state_dir.clone_from(&shared);
        match transport {
            Transport::Cli => {}
            Transport::Ssh => settings.ssh = Some(self.login_machine()),
            Transport::Rest => {
                settings.rest = Some(RestSettings {
                    url: format!("http://127.0.0.1:{}", self.port + 2),
                    user: "root".to_owned(),
                    token_file: Some(self.path("token")),
                    token_command: Vec::new(),
                    state_dir_here: Some(shared),
                });
            }
        }
        settings
    }

    pub(crate) fn backend(&mut self, transport: Transport) -> Slurm {
        // The portal does so at its start.
        drop(rustls::crypto::ring::default_provider().install_default());
        Slurm::open(self.settings(transport), PORTAL).unwrap()
    }

    /// An OpenSSH server of our own, with keys of our own.
    pub(crate) fn login_machine(&mut self) -> SshSettings {
        let port = self.port + 3;
        if self.sshd.is_none() {
            for key in ["host-key", "user-key", "other-key"] {
                let mut keygen = Command::new("ssh-keygen");
                keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f"]);
                must(keygen.arg(self.path(key)));
            }
            fs::copy(self.path("user-key.pub"), self.path("authorized")).unwrap();
            self.write_known_hosts("host-key.pub");
            fs::create_dir_all("/run/sshd").unwrap();
            let at = |name| self.path(name).display().to_string();
            let config = format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
                 UsePAM no\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\nMaxStartups 100\n",
                at("host-key"),
                at("authorized")
            );
            fs::write(self.path("sshd_config"), config).unwrap();
            let sshd = Command::new("/usr/sbin/sshd")
                .arg("-D")
                .arg("-f")
                .arg(self.path("sshd_config"))
                .stdin(Stdio::null())
                .stderr(fs::File::create(self.path("sshd.log")).unwrap())
                .spawn()
                .unwrap();
            self.sshd = Some(sshd);
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                std::thread::sleep(LOOK_AGAIN);
            }
            fs::write(self.path("ssh_config"), "").unwrap();
        }
        SshSettings {
            host: "127.0.0.1".to_owned(),
            user: Some("root".to_owned()),
            port: Some(port),
            key: Some(self.path("user-key")),
            known_hosts: self.path("known_hosts"),
            config: Some(self.path("ssh_config")),
        }
    }

    /// Writes the key down under which the login machine is known.
    pub(crate) fn write_known_hosts(&self, key: &str) {
        let key = fs::read_to_string(self.path(key)).unwrap();
        let line = format!("[127.0.0.1]:{} {key}", self.port + 3);
        fs::write(self.path("known_hosts"), line).unwrap();
    }

    /// A program that notes each of its starts and waits for [`let_go`](Self::let_go).
    pub(crate) fn waiting_launch(&self) -> Launch {
        let mut launch = conformance::shell("");
        let body = format!(
            "echo started >>'{0}/starts-{1}'; while [ ! -e '{0}/go' ]; do sleep 0.1; done; exit 5",
            self.path("shared").display(),
            launch.attempt
        );
        launch.args = vec!["-c".to_owned(), body];
        launch
    }

    pub(crate) fn let_go(&self) {
        fs::write(self.path("shared/go"), "").unwrap();
    }

    pub(crate) fn starts(&self, launch: &Launch) -> usize {
        let file = self
            .path("shared")
            .join(format!("starts-{}", launch.attempt));
        fs::read_to_string(file).map_or(0, |text| text.lines().count())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut sshd) = self.sshd.take() {
            let _ = sshd.kill();
            let _ = sshd.wait();
        }
        let _ = Command::new(script("slurm-down"))
            .arg(self.path("slurm"))
            .status();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.path("slurm/log/slurmctld.log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().rev().take(30).collect();
            eprintln!(
                "slurmctld's last words, the last first:\n{}",
                lines.join("\n")
            );
        }
    }
}

/// Asks until what is told is as wanted.
pub(crate) async fn until(
    backend: &dyn ComputeBackend,
    handle: &Handle,
    is_so: impl Fn(&Report) -> bool,
) -> Report {
    let mut last = None;
    let wait = async {
        loop {
            match backend.status(handle).await {
                Ok(report) if is_so(&report) => return report,
                told => last = Some(told),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(report) => report,
        Err(_) => unreachable!("it never came to that; the last that was told: {last:?}"),
    }
}

pub(crate) async fn until_ended(backend: &dyn ComputeBackend, handle: &Handle) -> Report {
    until(backend, handle, |report| {
        matches!(report.state, State::Ended { .. })
    })
    .await
}

/// Submits until the place can be reached.
pub(crate) async fn submit_until_heard(backend: &dyn ComputeBackend, launch: &Launch) -> Handle {
    loop {
        match backend.submit(launch).await {
            Ok(handle) => return handle,
            Err(ComputeError::Unreachable(_)) => tokio::time::sleep(LOOK_AGAIN).await,
            Err(other) => unreachable!("{other:?}"),
        }
    }
}
