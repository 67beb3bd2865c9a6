//! Scripts that use the stock SDK.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use super::{TestApp, Tuner};

/// Runs one of `tests/sdk` with a stock client, all of its checks unless some are named; fails with all that it said
/// where it does not end well.
pub(crate) async fn check_with(
    (program, script): (&Path, &str),
    checks: &[&str],
    settings: &[(&str, &str)],
) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sdk");
    let done = Command::new(program)
        .arg(folder.join(script))
        .args(checks)
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert!(
        done.status.success(),
        "{}: {}{}",
        program.display(),
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}

/// One of `tests/sdk`, with a Python that has the SDK; ends with the test.
pub(crate) struct Script {
    python: PathBuf,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    said: String,
}

impl Script {
    /// Starts it with the key of `tuner` and this training file.
    pub(crate) fn start(program: (&Path, &str), app: &TestApp, tuner: &Tuner, file: &Path) -> Self {
        Self::start_with(program, app, tuner, &[("TRAINING_FILE", file)])
    }

    /// As [`Script::start`], with files of the test's own or none.
    pub(crate) fn start_with(
        (python, name): (&Path, &str),
        app: &TestApp,
        tuner: &Tuner,
        files: &[(&str, &Path)],
    ) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sdk");
        let mut child = Command::new(python)
            .arg(folder.join(name))
            .env("OPENAI_BASE_URL", app.url.join("/v1").unwrap().as_str())
            .env("OPENAI_API_KEY", &tuner.key)
            .env("BASE_MODEL", "tiny")
            .envs(files.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            python: python.to_owned(),
            child,
            lines,
            said: String::new(),
        }
    }

    /// The next line that it says; none at its end.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let line = self.lines.next_line().await.unwrap()?;
        self.said.push_str(&line);
        self.said.push('\n');
        Some(line)
    }

    /// Fails with all that it said, unless it ended well; answers that.
    pub(crate) async fn succeeded(mut self) -> String {
        let mut wrong = String::new();
        let mut errors = self.child.stderr.take().unwrap();
        errors.read_to_string(&mut wrong).await.unwrap();
        let status = self.child.wait().await.unwrap();
        assert!(
            status.success(),
            "{}: {}{wrong}",
            self.python.display(),
            self.said
        );
        self.said
    }
}
