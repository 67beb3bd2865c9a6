//! Processes that are not our children, told apart by pid and start time.

use std::{fs, io, path::Path};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// One process; another one that gets the same pid later is not taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pid: u32,
    /// Clock ticks since the machine started, field 22 of proc(5) `stat`.
    started: u64,
}

impl Process {
    /// The living process with this pid.
    pub(crate) fn find(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may itself hold blanks and parentheses.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace();
        let state = fields.next()?;
        let started = fields.nth(18)?.parse().ok()?;
        // A zombie has ended; only its parent has not asked yet.
        (state != "Z" && state != "X").then_some(Self { pid, started })
    }

    pub(crate) fn pid(self) -> u32 {
        self.pid
    }

    pub(crate) fn is_alive(self) -> bool {
        Self::find(self.pid) == Some(self)
    }

    /// Sends a signal; a process that is gone is no error.
    pub(crate) fn signal(self, signal: Signal) -> io::Result<()> {
        let Ok(pid) = i32::try_from(self.pid) else {
            return Ok(());
        };
        if !self.is_alive() {
            return Ok(());
        }
        match kill(Pid::from_raw(pid), signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether this is a PostgreSQL process that works in `cluster`: each one makes it its working folder.
    pub(crate) fn is_postgres_in(self, cluster: &Path) -> bool {
        let pid = self.pid;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let works_there = fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|dir| dir == cluster);
        name.trim_end() == "postgres" && works_there
    }
}

/// All PostgreSQL processes that work in `cluster`.
pub(crate) fn postgres_in(cluster: &Path) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(Process::find)
        .filter(|process| process.is_postgres_in(cluster))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_alive_and_another_start_time_is_another_process() {
        let us = Process::find(std::process::id()).unwrap();
        assert!(us.is_alive());
        let earlier = Process {
            started: us.started - 1,
            ..us
        };
        assert!(!earlier.is_alive());
    }

    #[test]
    fn a_child_that_ended_is_not_alive_though_nobody_asked() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        // Waits for the end without taking the zombie away.
        nix::sys::wait::waitid(
            nix::sys::wait::Id::Pid(Pid::from_raw(i32::try_from(pid).unwrap())),
            nix::sys::wait::WaitPidFlag::WEXITED | nix::sys::wait::WaitPidFlag::WNOWAIT,
        )
        .unwrap();
        assert_eq!(Process::find(pid), None);
        child.wait().unwrap();
    }
}
