//! A Postgres server of one test, which may be killed.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, Uid},
};
use tempfile::TempDir;

/// One that was killed is not gone until its last process is.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct OwnPostgres {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
}

impl OwnPostgres {
    /// Makes a cluster and starts it.
    pub(crate) fn start() -> Self {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            folder: tempfile::tempdir().unwrap(),
            programs: programs(),
            port: taken.local_addr().unwrap().port(),
        };
        drop(taken);
        if Uid::effective().is_root() {
            // Postgres does not run as root.
            let mut chown = Command::new("chown");
            assert!(
                chown
                    .arg("postgres")
                    .arg(server.folder.path())
                    .status()
                    .unwrap()
                    .success()
            );
        }
        let made = server.run(
            "initdb",
            &[
                "-U",
                "faculty",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
        );
        assert!(made, "initdb");
        server.start_again();
        server
    }

    /// Where it is, for its owner.
    pub(crate) fn url(&self) -> String {
        format!("postgres://faculty@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends it as a crash of the program would. What it had told as written is written: the machine goes on.
    pub(crate) fn kill(&self) {
        let note = fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let pid = note.lines().next().unwrap().trim().parse().unwrap();
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }

    /// Starts it again, once nothing is left of the one before.
    pub(crate) fn start_again(&self) {
        let settings = format!(
            "-p {} -k {} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200",
            self.port,
            self.folder.path().display()
        );
        let log = self.folder.path().join("log");
        let begun = Instant::now();
        while !self.run(
            "pg_ctl",
            &[
                "-w",
                "-l",
                &log.display().to_string(),
                "-o",
                &settings,
                "start",
            ],
        ) {
            assert!(
                begun.elapsed() < PATIENCE,
                "{}",
                fs::read_to_string(&log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Whether it did what it should.
    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let program = self.programs.join(program);
        let mut command = if Uid::effective().is_root() {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        let status = command
            .arg("-D")
            .arg(self.data())
            .args(arguments)
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.unwrap().success()
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-m", "immediate", "stop"]);
    }
}

/// The folder of the newest Postgres of this machine.
fn programs() -> PathBuf {
    let all = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let newest = all
        .map(|version| version.path().join("bin"))
        .filter(|folder| folder.join("initdb").exists())
        .max_by_key(|folder| version_of(folder));
    newest.unwrap_or_default()
}

fn version_of(programs: &Path) -> u32 {
    let name = programs.parent().and_then(Path::file_name);
    name.and_then(|name| name.to_str()?.parse().ok())
        .unwrap_or(0)
}
