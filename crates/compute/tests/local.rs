#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]
//! The local backend with real processes.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use compute::{
    ComputeBackend, ComputeError, Handle, Local, Refusal, State,
    conformance::{self, Ground, appears, shell},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(60);
/// Set for the copy of this test program that plays a portal about to be killed.
const PORTAL_OF: &str = "TEST_PORTAL_OF_COMPUTE";

struct Given {
    room: TempDir,
    local: Local,
}

fn given() -> Given {
    let room = tempfile::tempdir().unwrap();
    let local = Local::new(room.path().join("state")).with_grace(Duration::from_secs(1));
    Given { room, local }
}

impl Given {
    fn file(&self, name: &str) -> PathBuf {
        self.room.path().join(name)
    }

    /// As after a restart: nothing known but the files.
    fn again(&self) -> Local {
        Local::new(self.room.path().join("state"))
    }

    async fn end(&self, handle: &Handle) -> i32 {
        conformance::end(&self.local, handle, PATIENCE)
            .await
            .unwrap()
            .unwrap()
    }
}

/// Waits for a file that a program writes whole, and reads a process id from it.
async fn pid_in(file: &Path) -> i32 {
    assert!(appears(file, PATIENCE).await, "{} came", file.display());
    fs::read_to_string(file).unwrap().trim().parse().unwrap()
}

fn is_alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.starts_with(" Z"))
}

#[tokio::test]
async fn the_local_backend_conforms() {
    let given = given();
    let ground = Ground {
        room: given.room.path().to_owned(),
        patience: PATIENCE,
    };
    conformance::check(&given.local, &ground).await.unwrap();
}

#[tokio::test]
async fn what_a_program_writes_is_kept_and_capped() {
    let given = given();
    let local = given.local.clone().with_log_limit(1000);
    let script = "echo out; echo err >&2; i=0; while [ $i -lt 30000 ]; do echo line $i; i=$((i+1)); done; exit 3";
    let launch = shell(script);
    let handle = local.submit(&launch).await.unwrap();
    assert_eq!(
        given.end(&handle).await,
        3,
        "a full log does not stop the program"
    );
    let folder = local.folder(launch.attempt);
    assert!(settles(&folder.join("output.tail.log"), "line 29999\n").await);
    let head = fs::read_to_string(folder.join("output.log")).unwrap();
    assert_eq!(head.len(), 1000);
    assert!(head.starts_with("out\nerr\nline 0\n"));
    let tail = fs::metadata(folder.join("output.tail.log")).unwrap().len();
    assert_eq!(tail, 65536);
    let mut first = local.log(&handle, 0).await.unwrap();
    while !first.is_complete {
        tokio::time::sleep(Duration::from_millis(20)).await;
        first = local.log(&handle, 0).await.unwrap();
    }
    assert!(first.text.starts_with(&head));
    let (_, rest) = first.text.split_at(head.len());
    let rest = rest
        .strip_prefix("\n[what came in between was not kept]\nline ")
        .unwrap();
    assert!(rest.ends_with("\nline 29999\n"));
    let again = local.log(&handle, 990).await.unwrap();
    assert_eq!(again.text, first.text[990..], "read from anywhere");
    let nothing = local.log(&handle, first.next).await.unwrap();
    assert!(nothing.text.is_empty() && nothing.is_complete);
    local.clean(&handle).await.unwrap();
    let left: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    assert_eq!(
        left.len(),
        3,
        "lock, started and exit_code are left: {left:?}"
    );
}

/// Waits until a log that is written at the end of its program ends with `end`.
async fn settles(file: &Path, end: &str) -> bool {
    for _ in 0..3000 {
        if fs::read_to_string(file).is_ok_and(|text| text.ends_with(end)) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

#[tokio::test]
async fn secrets_are_in_no_command_line_and_the_portals_own_are_not_passed_on() {
    let given = given();
    let seen = given.file("seen");
    let mut launch = shell(&format!(
        "env >'{0}.new'; mv '{0}.new' '{0}'; exec sleep 600",
        seen.display()
    ));
    launch
        .env
        .push(("TOKEN".to_owned(), "very-secret".to_owned()));
    let handle = given.local.submit(&launch).await.unwrap();
    assert!(appears(&seen, PATIENCE).await);
    let environment = fs::read_to_string(&seen).unwrap();
    assert!(environment.contains("TOKEN=very-secret\n"));
    // The test runner sets many of its own, as the portal has its own.
    assert!(std::env::vars_os().any(|(name, _)| name == "CARGO_MANIFEST_DIR"));
    assert!(!environment.contains("CARGO_MANIFEST_DIR"));
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&line).contains("very-secret"));
    }
    given.local.cancel(&handle).await.unwrap();
}

#[tokio::test]
async fn a_program_that_is_killed_from_outside_has_ended_with_137() {
    let given = given();
    let file = given.file("pid");
    let launch = shell(&format!(
        "echo $$ >'{0}.new'; mv '{0}.new' '{0}'; while :; do sleep 1; done",
        file.display()
    ));
    let handle = given.local.submit(&launch).await.unwrap();
    let pid = pid_in(&file).await;
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    assert_eq!(given.end(&handle).await, 137);
}

#[tokio::test]
async fn a_program_whose_wrapper_is_killed_still_runs_and_is_still_stopped() {
    let given = given();
    let file = given.file("pid");
    let launch = shell(&format!(
        "echo $$ >'{0}.new'; mv '{0}.new' '{0}'; while :; do sleep 1; done",
        file.display()
    ));
    let handle = given.local.submit(&launch).await.unwrap();
    let program = pid_in(&file).await;
    let started = given.local.folder(launch.attempt).join("started");
    let wrapper: i32 = fs::read_to_string(started)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    kill(Pid::from_raw(wrapper), Signal::SIGKILL).unwrap();
    let again = given.again();
    assert_eq!(again.status(&handle).await.unwrap().state, State::Running);
    assert_eq!(again.submit(&launch).await.unwrap(), handle);
    again.cancel(&handle).await.unwrap();
    assert!(!is_alive(program));
    assert!(matches!(
        again.status(&handle).await.unwrap().state,
        State::Ended { .. }
    ));
}

#[tokio::test]
async fn a_forked_child_that_outlives_its_program_is_stopped_too() {
    let given = given();
    let file = given.file("pid");
    // The child ignores SIGTERM and leaves the group; the program ends at SIGTERM.
    let launch = shell(&format!(
        "setsid sh -c 'trap \"\" TERM; echo $$ >\"{0}.new\"; mv \"{0}.new\" \"{0}\"; while :; do sleep 1; done' \
         >/dev/null 2>&1 </dev/null & while :; do sleep 1; done",
        file.display()
    ));
    let handle = given.local.submit(&launch).await.unwrap();
    let child = pid_in(&file).await;
    given.local.cancel(&handle).await.unwrap();
    assert!(!is_alive(child), "no process of the attempt is left");
    assert_eq!(given.end(&handle).await, 143);
}

#[tokio::test]
async fn a_claim_that_was_never_used_can_be_used_once() {
    let given = given();
    let starts = given.file("starts");
    let launch = shell(&format!("echo started >>'{}'", starts.display()));
    // What a portal leaves that is killed between its claim and the start.
    let folder = given.local.folder(launch.attempt);
    fs::create_dir_all(folder.join("work")).unwrap();
    fs::write(folder.join("lock"), "").unwrap();
    let handle = Handle(launch.attempt.to_string());
    assert_eq!(
        given.local.status(&handle).await.unwrap().state,
        State::Unknown
    );
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (local, launch) = (given.again(), launch.clone());
        tasks.spawn(async move { local.submit(&launch).await });
    }
    for submitted in tasks.join_all().await {
        assert_eq!(submitted.unwrap(), handle);
    }
    assert_eq!(given.end(&handle).await, 0);
    assert_eq!(fs::read_to_string(starts).unwrap(), "started\n");
}

#[tokio::test]
async fn a_machine_that_restarted_has_ended_its_programs_and_runs_none_twice() {
    let given = given();
    let starts = given.file("starts");
    let launch = shell(&format!("echo started >>'{}'", starts.display()));
    // What a power cut leaves: a start of another boot, no end.
    let folder = given.local.folder(launch.attempt);
    fs::create_dir_all(folder.join("work")).unwrap();
    fs::write(folder.join("lock"), "").unwrap();
    let own = fs::read_to_string("/proc/self/stat").unwrap();
    fs::write(folder.join("started"), format!("{own}another-boot\n")).unwrap();
    let handle = given.local.submit(&launch).await.unwrap();
    assert_eq!(given.end(&handle).await, 137);
    given.local.cancel(&handle).await.unwrap();
    assert!(!starts.exists());
}

#[tokio::test]
async fn handles_of_others_and_bad_launches_are_refused_without_a_trace() {
    let given = given();
    for foreign in ["", "4711", "../../etc", "a/b"] {
        let error = given
            .local
            .status(&Handle(foreign.to_owned()))
            .await
            .unwrap_err();
        assert!(matches!(error, ComputeError::Refused(_)), "{foreign}");
    }
    let mut launch = shell("true");
    launch.env.push(("A=B".to_owned(), String::new()));
    let error = given.local.submit(&launch).await.unwrap_err();
    assert!(matches!(error, ComputeError::Refused(_)), "{error}");
    assert!(!given.local.folder(launch.attempt).exists());
    for program in ["/bin", "/etc/passwd", "/nonexistent"] {
        let mut launch = shell("true");
        launch.program = PathBuf::from(program);
        let error = given.local.submit(&launch).await.unwrap_err();
        let is_named =
            matches!(&error, ComputeError::Refused(Refusal::Program(it)) if it == program);
        assert!(is_named, "{error}");
    }
}

/// Not a claim of its own: the portal that the next test kills. Does nothing in an ordinary run.
#[tokio::test]
async fn a_portal_that_waits_to_be_killed() {
    let Some(room) = std::env::var_os(PORTAL_OF) else {
        return;
    };
    let room = PathBuf::from(room);
    let mut launch = shell(&format!(
        "while [ ! -e '{}' ]; do sleep 0.1; done; exit 5",
        room.join("go").display()
    ));
    launch.attempt = Uuid::nil();
    let local = Local::new(room.join("state"));
    let handle = local.submit(&launch).await.unwrap();
    let started = local.folder(launch.attempt).join("started");
    assert!(appears(&started, PATIENCE).await);
    eprintln!("submitted {handle}");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_program_goes_on_when_the_portal_is_killed_and_the_next_one_finds_it() {
    let given = given();
    let mut portal = Command::new(std::env::current_exe().unwrap())
        .args(["a_portal_that_waits_to_be_killed", "--exact", "--nocapture"])
        .env(PORTAL_OF, given.room.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let handle = BufReader::new(portal.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .find_map(|line| Some(Handle(line.strip_prefix("submitted ")?.to_owned())))
        .unwrap();
    portal.kill().unwrap();
    portal.wait().unwrap();
    let next = given.again();
    assert_eq!(next.status(&handle).await.unwrap().state, State::Running);
    fs::write(given.file("go"), "").unwrap();
    assert_eq!(given.end(&handle).await, 5);
}
