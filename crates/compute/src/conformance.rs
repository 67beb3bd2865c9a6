//! What every backend must keep to, as one suite that is run against each.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use uuid::Uuid;

use crate::{
    Cause, ComputeBackend, ComputeError, Handle, Launch, LogPart, Refusal, Report, Resources, State,
};

const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Where and how long to try.
#[derive(Debug, Clone)]
pub struct Ground {
    /// An empty folder that the programs see under the same path.
    pub room: PathBuf,
    /// How long a program may take to be started or to be gone.
    pub patience: Duration,
}

/// What a backend did not keep to.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// A call failed that should not.
    #[error("{claim}: the call failed")]
    Failed {
        /// What should hold.
        claim: &'static str,
        /// What the backend said.
        #[source]
        source: ComputeError,
    },
    /// Something else came out.
    #[error("{claim}: found {found}")]
    Broken {
        /// What should hold.
        claim: &'static str,
        /// What was found.
        found: String,
    },
    /// The suite's own files.
    #[error("the suite could not use its room")]
    Room(#[from] io::Error),
}

/// Runs the suite with real programs (`/bin/sh`); stops at the first thing that does not hold.
///
/// # Errors
/// The [`Violation`] found.
pub async fn check(backend: &dyn ComputeBackend, ground: &Ground) -> Result<(), Violation> {
    let suite = Suite { backend, ground };
    suite.exit_codes_come_back().await?;
    suite.arguments_and_environment_arrive_as_given().await?;
    suite.an_attempt_is_started_once().await?;
    suite.a_cancelled_program_is_gone().await?;
    suite.a_time_limit_ends_the_program().await?;
    suite.many_are_asked_after_at_once().await?;
    suite.what_it_wrote_is_read_without_its_secrets().await?;
    suite.what_is_cleaned_is_not_started_again().await?;
    suite.what_never_was_is_unknown().await?;
    suite.what_cannot_run_is_refused().await
}

/// A new attempt that runs `script` with `/bin/sh`.
pub fn shell(script: &str) -> Launch {
    Launch {
        attempt: Uuid::now_v7(),
        program: PathBuf::from("/bin/sh"),
        args: vec!["-c".to_owned(), script.to_owned()],
        env: Vec::new(),
        time_limit: None,
        resources: Resources::default(),
    }
}

/// As [`shell`], of a script that a suite which stops half-way leaves behind.
fn bounded(script: &str) -> Launch {
    Launch {
        time_limit: Some(Duration::from_secs(600)),
        ..shell(script)
    }
}

/// Waits until the program has ended and answers its exit code; `None` where it does not within `patience`.
///
/// # Errors
/// What the backend answers.
pub async fn end(
    backend: &dyn ComputeBackend,
    handle: &Handle,
    patience: Duration,
) -> Result<Option<i32>, ComputeError> {
    let began = Instant::now();
    while began.elapsed() < patience {
        if let State::Ended { exit_code, .. } = backend.status(handle).await?.state {
            return Ok(Some(exit_code));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(None)
}

/// Waits until a file is there; `false` where it does not come within `patience`.
pub async fn appears(file: &Path, patience: Duration) -> bool {
    let began = Instant::now();
    while !file.exists() {
        if began.elapsed() > patience {
            return false;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    true
}

struct Suite<'a> {
    backend: &'a dyn ComputeBackend,
    ground: &'a Ground,
}

fn failed(claim: &'static str) -> impl FnOnce(ComputeError) -> Violation {
    move |source| Violation::Failed { claim, source }
}

fn holds(is_so: bool, claim: &'static str, found: impl ToString) -> Result<(), Violation> {
    let found = found.to_string();
    is_so
        .then_some(())
        .ok_or(Violation::Broken { claim, found })
}

/// What every backend calls this attempt.
fn handle_of(launch: &Launch) -> Handle {
    Handle(launch.attempt.to_string())
}

impl Suite<'_> {
    async fn status(&self, handle: &Handle, claim: &'static str) -> Result<Report, Violation> {
        self.backend.status(handle).await.map_err(failed(claim))
    }

    async fn log(
        &self,
        handle: &Handle,
        from: u64,
        claim: &'static str,
    ) -> Result<LogPart, Violation> {
        self.backend.log(handle, from).await.map_err(failed(claim))
    }

    async fn run(&self, launch: &Launch, claim: &'static str) -> Result<Option<i32>, Violation> {
        let handle = self.backend.submit(launch).await.map_err(failed(claim))?;
        end(self.backend, &handle, self.ground.patience)
            .await
            .map_err(failed(claim))
    }

    async fn exit_codes_come_back(&self) -> Result<(), Violation> {
        let claim = "the exit code comes back; 128 + n where signal n ended the program";
        for (script, expected) in [
            ("exit 0", 0),
            ("exit 7", 7),
            ("kill -9 $$", 137),
            ("kill -15 $$", 143),
        ] {
            let found = self.run(&shell(script), claim).await?;
            let told = format!("{found:?} for {script:?}");
            holds(found == Some(expected), claim, told)?;
        }
        Ok(())
    }

    async fn arguments_and_environment_arrive_as_given(&self) -> Result<(), Violation> {
        let claim = "arguments and environment arrive as given, whatever signs they hold";
        let file = self.ground.room.join("arrived");
        let odd = "a b\"c'd$HOME`id`\n;&|*\\ é";
        let mut launch = shell("printf '%s|%s' \"$1\" \"$ODD\" >\"$2\"");
        let path = file.display().to_string();
        launch
            .args
            .extend(["name", odd, path.as_str()].map(str::to_owned));
        launch.env.push(("ODD".to_owned(), odd.to_owned()));
        let exit_code = self.run(&launch, claim).await?;
        holds(exit_code == Some(0), claim, format!("{exit_code:?}"))?;
        let found = fs::read_to_string(file)?;
        holds(found == format!("{odd}|{odd}"), claim, found)
    }

    async fn an_attempt_is_started_once(&self) -> Result<(), Violation> {
        let claim = "an attempt is started once, however often and by how many it is submitted";
        let file = self.ground.room.join("starts");
        let launch = shell(&format!("echo started >>'{}'", file.display()));
        let (one, two, three) = tokio::join!(
            self.backend.submit(&launch),
            self.backend.submit(&launch),
            self.backend.submit(&launch)
        );
        let handle = one.map_err(failed(claim))?;
        for other in [two, three] {
            let other = other.map_err(failed(claim))?;
            holds(other == handle, claim, format!("{other} beside {handle}"))?;
        }
        let first = self.run(&launch, claim).await?;
        let after_its_end = self.run(&launch, claim).await?;
        let told = format!("{first:?} and {after_its_end:?}");
        holds(first == Some(0) && after_its_end == first, claim, told)?;
        let starts = fs::read_to_string(file)?;
        holds(starts == "started\n", claim, starts)
    }

    async fn a_cancelled_program_is_gone(&self) -> Result<(), Violation> {
        let claim =
            "a cancelled program is gone with all it started, also where it ignores SIGTERM";
        let file = self.ground.room.join("deaf");
        let launch = bounded(&format!(
            "trap '' TERM; (while :; do sleep 1; done) & echo $! >'{0}.new' && mv '{0}.new' '{0}'; while :; do sleep 1; done",
            file.display()
        ));
        let handle = self.backend.submit(&launch).await.map_err(failed(claim))?;
        holds(
            appears(&file, self.ground.patience).await,
            claim,
            "no start",
        )?;
        let before = self.status(&handle, claim).await?;
        let is_running = before.state == State::Running && before.started_at.is_some();
        holds(is_running, claim, format!("{before:?} before"))?;
        self.backend.cancel(&handle).await.map_err(failed(claim))?;
        let after = self.status(&handle, claim).await?;
        // By SIGKILL; a scheduler may keep in mind that it asked with SIGTERM first.
        let is_killed = [137, 143].map(|exit_code| State::Ended {
            exit_code,
            cause: Cause::Exited,
        });
        let told = format!("{after:?} after");
        holds(is_killed.contains(&after.state), claim, told)?;
        // Again, of one that is gone.
        self.backend.cancel(&handle).await.map_err(failed(claim))
    }

    async fn a_time_limit_ends_the_program(&self) -> Result<(), Violation> {
        let claim = "a program over its time limit ends with 124";
        let mut launch = shell("while :; do sleep 1; done");
        launch.time_limit = Some(Duration::from_secs(1));
        let found = self.run(&launch, claim).await?;
        holds(found == Some(124), claim, format!("{found:?}"))?;
        let report = self.status(&handle_of(&launch), claim).await?;
        let is_late = State::Ended {
            exit_code: 124,
            cause: Cause::TimeLimit,
        };
        let is_dated = report.started_at.is_some() && report.ended_at >= report.started_at;
        let told = format!("{report:?}");
        holds(
            report.state == is_late && is_dated && report.used.seconds >= 1,
            claim,
            told,
        )
    }

    async fn many_are_asked_after_at_once(&self) -> Result<(), Violation> {
        let claim = "many are asked after at once, and the answers come in their order";
        let (five, six) = (shell("exit 5"), shell("exit 6"));
        self.run(&five, claim).await?;
        self.run(&six, claim).await?;
        let never = Handle(Uuid::now_v7().to_string());
        let handles = [handle_of(&six), never, handle_of(&five)];
        let reports = self
            .backend
            .statuses(&handles)
            .await
            .map_err(failed(claim))?;
        let states: Vec<State> = reports.iter().map(|report| report.state).collect();
        let ended = |exit_code| State::Ended {
            exit_code,
            cause: Cause::Exited,
        };
        let is_so = states == [ended(6), State::Unknown, ended(5)];
        holds(is_so, claim, format!("{states:?}"))
    }

    async fn what_it_wrote_is_read_without_its_secrets(&self) -> Result<(), Violation> {
        let claim =
            "what a program wrote is read in parts, whole lines while it runs, without its secrets";
        let (go, told) = (
            self.ground.room.join("go-on"),
            self.ground.room.join("told"),
        );
        let script = format!(
            "echo first; echo 'token vfa_0123456789abcdef' >&2; printf half; : >'{}'; \
             while [ ! -e '{}' ]; do sleep 0.1; done; echo ' a line'; exit 3",
            told.display(),
            go.display()
        );
        let launch = bounded(&script);
        let handle = self.backend.submit(&launch).await.map_err(failed(claim))?;
        holds(
            appears(&told, self.ground.patience).await,
            claim,
            "no start",
        )?;
        let began = Instant::now();
        let mut text = String::new();
        let mut from = 0;
        while text.lines().count() < 2 && began.elapsed() < self.ground.patience {
            let part = self.log(&handle, from, claim).await?;
            holds(!part.is_complete, claim, "complete while it runs")?;
            text += &part.text;
            from = part.next;
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let so_far = "first\ntoken vfa_[redacted]\n";
        holds(text == so_far, claim, &text)?;
        fs::write(go, "")?;
        let exit_code = end(self.backend, &handle, self.ground.patience).await;
        let exit_code = exit_code.map_err(failed(claim))?;
        holds(exit_code == Some(3), claim, format!("{exit_code:?}"))?;
        // The last lines may be a moment later than the end.
        while began.elapsed() < self.ground.patience {
            let part = self.log(&handle, from, claim).await?;
            text += &part.text;
            from = part.next;
            if part.is_complete {
                break;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        holds(text == format!("{so_far}half a line\n"), claim, &text)?;
        let part = self.log(&handle, from, claim).await?;
        holds(part.text.is_empty() && part.next == from, claim, part.text)
    }

    async fn what_is_cleaned_is_not_started_again(&self) -> Result<(), Violation> {
        let claim =
            "what is cleaned has no log any more, keeps its exit code, and is not started again";
        let file = self.ground.room.join("cleaned");
        let launch = shell(&format!(
            "echo started; echo started >>'{}'; exit 9",
            file.display()
        ));
        let handle = handle_of(&launch);
        let before = self.run(&launch, claim).await?;
        self.backend.clean(&handle).await.map_err(failed(claim))?;
        let part = self.log(&handle, 0, claim).await?;
        holds(part.text.is_empty(), claim, part.text)?;
        let after = self.run(&launch, claim).await?;
        let told = format!("{before:?} before and {after:?} after");
        holds(before == Some(9) && after == before, claim, told)?;
        let starts = fs::read_to_string(file)?;
        holds(starts == "started\n", claim, starts)?;
        // Again, and of one that never was.
        self.backend.clean(&handle).await.map_err(failed(claim))?;
        let never = Handle(Uuid::now_v7().to_string());
        self.backend.clean(&never).await.map_err(failed(claim))?;
        let claim = "what runs is not cleaned";
        let launch = bounded("while :; do sleep 1; done");
        let handle = self.backend.submit(&launch).await.map_err(failed(claim))?;
        let cleaned = self.backend.clean(&handle).await;
        let is_refused = matches!(cleaned, Err(ComputeError::Refused(Refusal::Running(_))));
        holds(is_refused, claim, format!("{cleaned:?}"))?;
        self.backend.cancel(&handle).await.map_err(failed(claim))
    }

    async fn what_never_was_is_unknown(&self) -> Result<(), Violation> {
        let claim = "an attempt that was never submitted is unknown, and cancelling it is no error";
        let handle = Handle(Uuid::now_v7().to_string());
        let report = self.status(&handle, claim).await?;
        holds(report == Report::unknown(), claim, format!("{report:?}"))?;
        let part = self.log(&handle, 0, claim).await?;
        holds(part.text.is_empty(), claim, part.text)?;
        self.backend.cancel(&handle).await.map_err(failed(claim))
    }

    async fn what_cannot_run_is_refused(&self) -> Result<(), Violation> {
        let claim =
            "a program that is not there is refused, or ends with 127 where nobody could look";
        let mut launch = shell("true");
        launch.program = self.ground.room.join("nothing-here");
        match self.backend.submit(&launch).await {
            Err(ComputeError::Refused(_)) => Ok(()),
            Ok(handle) => {
                let found = end(self.backend, &handle, self.ground.patience).await;
                let found = found.map_err(failed(claim))?;
                holds(found == Some(127), claim, format!("{found:?}"))
            }
            other => holds(false, claim, format!("{other:?}")),
        }
    }
}
