//! The other programs of the workspace, started beside the portal.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::TestApp;

/// A program that ends with the test.
pub(crate) struct Program(Child);

impl Program {
    /// Starts `faculty-serving`, which takes its assignments from the portal.
    pub(crate) fn serving(app: &TestApp) -> Self {
        Self::start(
            app,
            "faculty-serving",
            &[
                "serve",
                "--portal",
                app.url.as_str().trim_end_matches('/'),
                "--bind",
                "127.0.0.1:0",
            ],
        )
    }

    /// As [`Program::serving`], with a name and settings of the test's own; answers the address at which it listens.
    pub(crate) fn serving_named(app: &TestApp, name: &str, more: &[&str]) -> (Self, String) {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let bind = free.local_addr().unwrap().to_string();
        drop(free);
        let portal = app.url.as_str().trim_end_matches('/');
        let mut arguments = vec![
            "serve",
            "--portal",
            portal,
            "--bind",
            &bind,
            "--name",
            name,
            "--threads",
            "1",
        ];
        arguments.extend(more);
        let program = Self::start(app, "faculty-serving", &arguments);
        (program, format!("http://{bind}"))
    }

    /// SIGTERM, and goes on.
    pub(crate) fn ask_to_end(&self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    }

    /// Waits until it has ended by itself; whether it says that all went well.
    pub(crate) async fn ended(&mut self) -> bool {
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.success();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Starts `faculty serve` beside the test's own portal, on a port of its own; answers its address too.
    pub(crate) fn replica(app: &TestApp) -> (Self, url::Url) {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let bind = free.local_addr().unwrap().to_string();
        drop(free);
        let program = Self::start_with(app, "faculty", &["serve"], &[("FACULTY_BIND", &bind)]);
        (program, url::Url::parse(&format!("http://{bind}")).unwrap())
    }

    /// Starts a program of the workspace with the portal's environment.
    pub(crate) fn start(app: &TestApp, name: &str, arguments: &[&str]) -> Self {
        Self::start_with(app, name, arguments, &[])
    }

    fn start_with(
        app: &TestApp,
        name: &str,
        arguments: &[&str],
        settings: &[(&str, &str)],
    ) -> Self {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(app.folder.path().join(format!("{name}.log")))
            .unwrap();
        let child = Command::new(TestApp::programs().join(name))
            .args(arguments)
            .envs(app.environment.iter().cloned())
            .envs(settings.iter().copied())
            .env("FACULTY_SERVING_TOKEN", "serving-token-of-the-tests")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Of its process.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// SIGTERM, and waits until it has ended.
    pub(crate) async fn terminate(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        while self.0.try_wait().unwrap().is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until a portal started as a program answers; its log where it never does.
pub(crate) async fn portal_is_up(app: &TestApp) {
    is_up(app, &app.url).await;
}

/// As [`portal_is_up`], at an address of its own.
pub(crate) async fn is_up(app: &TestApp, url: &url::Url) {
    let client = reqwest::Client::builder()
        .timeout(std::time::Duration::from_secs(2))
        .build()
        .unwrap();
    for _ in 0..300 {
        if let Ok(answer) = client.get(url.join("/readyz").unwrap()).send().await
            && answer.status().is_success()
        {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let log = std::fs::read_to_string(app.folder.path().join("faculty.log")).unwrap_or_default();
    panic!("the portal did not come up within half a minute: {log}");
}

/// The real base model; `scripts/test` fetches it.
pub(crate) fn base_model() -> PathBuf {
    let path = std::env::var("FACULTY_TEST_BASE_MODEL")
        .expect("FACULTY_TEST_BASE_MODEL names the base model: run tests through scripts/test");
    PathBuf::from(path)
}

/// A Python with PyTorch and PEFT; `scripts/test` makes it.
pub(crate) fn pytorch() -> PathBuf {
    let given = std::env::var_os("FACULTY_TEST_PYTORCH").unwrap_or_default();
    let path = PathBuf::from(given);
    assert!(
        path.is_file(),
        "FACULTY_TEST_PYTORCH must name a Python with PyTorch, and is {path:?}: run tests through scripts/test, or set it to what scripts/peers/setup prints",
    );
    path
}

/// A Python for each major version of the stock `openai` SDK; `scripts/test` makes them.
pub(crate) fn sdk_pythons() -> Vec<PathBuf> {
    clients("openai-")
}

/// Every stock client, with the script of `tests/sdk` that checks an endpoint with it; `scripts/test` makes them.
pub(crate) fn sdk_checks() -> Vec<(PathBuf, &'static str)> {
    let mut checks = Vec::new();
    for (kind, script) in [
        ("openai-", "check.py"),
        ("npm-openai-", "check.mjs"),
        ("tools", "check_tools.py"),
    ] {
        let programs = clients(kind);
        assert!(
            !programs.is_empty(),
            "FACULTY_TEST_SDK must name all that tests/sdk/setup prints, and has none of {kind}: run tests through scripts/test",
        );
        checks.extend(programs.into_iter().map(|program| (program, script)));
    }
    checks
}

/// Those of one kind: it is what the name of a client's folder begins with, `KIND*/bin/PROGRAM`.
fn clients(kind: &str) -> Vec<PathBuf> {
    let paths = std::env::var("FACULTY_TEST_SDK")
        .expect("FACULTY_TEST_SDK names the stock clients: run tests through scripts/test");
    let is_of_kind = |path: &PathBuf| {
        let folder = path.ancestors().nth(2).and_then(Path::file_name);
        folder.is_some_and(|name| name.to_string_lossy().starts_with(kind))
    };
    paths
        .split(':')
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .filter(is_of_kind)
        .collect()
}
