//! The processes of one attempt, told apart from others that may get the same numbers later.

use std::{fs, io, os::unix::ffi::OsStrExt, path::Path};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

/// The wrapper, whose process id is also that of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leader {
    pid: i32,
    /// Clock ticks since the machine started.
    started: u64,
    boot_id: String,
}

/// The living processes of an attempt, at least one.
#[derive(Debug)]
pub(super) struct Group {
    /// `Some` while the leader lives: one signal then reaches all of the group, also those that are just forked.
    leader: Option<Pid>,
    members: Vec<Stat>,
}

/// What we need of proc(5) `stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    pid: i32,
    group: i32,
    started: u64,
    is_alive: bool,
}

impl Stat {
    /// Fields 1 (pid), 3 (state), 5 (group) and 22 (start); the name in field 2 may hold anything.
    fn parse(text: &str) -> Option<Self> {
        let pid = text.split(' ').next()?.parse().ok()?;
        let (_, fields) = text.rsplit_once(')')?;
        let mut fields = fields.split_whitespace();
        let state = fields.next()?;
        let group = fields.nth(1)?.parse().ok()?;
        let started = fields.nth(16)?.parse().ok()?;
        // A zombie has ended; only its parent has not asked yet.
        let is_alive = !matches!(state, "Z" | "X");
        Some(Self {
            pid,
            group,
            started,
            is_alive,
        })
    }

    fn of(pid: &str) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }
}

impl Leader {
    /// Reads what the wrapper noted: its line of `/proc/PID/stat`, then the boot id.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (stat, boot_id) = text.trim_end().rsplit_once('\n')?;
        let stat = Stat::parse(stat)?;
        Some(Self {
            pid: stat.pid,
            started: stat.started,
            boot_id: boot_id.to_owned(),
        })
    }
}

impl Group {
    /// The processes that belong to the attempt in `folder`, if any lives.
    ///
    /// These are the group of `leader` while it lives; after that its number may be given away, so then only those
    /// count that carry the attempt's mark in their environment. The mark also finds those that left the group.
    pub(super) fn find(leader: &Leader, folder: &Path) -> io::Result<Option<Self>> {
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        if boot_id.trim_end() != leader.boot_id || leader.pid <= 1 {
            return Ok(None);
        }
        let mark = mark(folder);
        let is_led = Stat::of(&leader.pid.to_string())
            .is_some_and(|stat| stat.is_alive && stat.started == leader.started);
        let mut members = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(stat) = name.to_str().and_then(Stat::of) else {
                continue;
            };
            let is_member = (is_led && stat.group == leader.pid) || carries(stat.pid, &mark);
            if stat.is_alive && is_member {
                members.push(stat);
            }
        }
        let leader = is_led.then(|| Pid::from_raw(leader.pid));
        Ok((!members.is_empty()).then_some(Self { leader, members }))
    }

    /// Signals all processes; those that are gone meanwhile are no error.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        if let Some(leader) = self.leader {
            ignore_gone(killpg(leader, signal))?;
        }
        for member in &self.members {
            let is_reached = self
                .leader
                .is_some_and(|leader| leader.as_raw() == member.group);
            let is_same = || {
                Stat::of(&member.pid.to_string()).is_some_and(|now| now.started == member.started)
            };
            if !is_reached && is_same() {
                ignore_gone(kill(Pid::from_raw(member.pid), signal))?;
            }
        }
        Ok(())
    }
}

fn ignore_gone(sent: nix::Result<()>) -> io::Result<()> {
    match sent {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Name of the environment variable that every process of an attempt inherits.
pub(super) const MARK: &str = "FACULTY_COMPUTE_FOLDER";

fn mark(folder: &Path) -> Vec<u8> {
    let mut mark = format!("{MARK}=").into_bytes();
    mark.extend_from_slice(folder.as_os_str().as_bytes());
    mark
}

/// Whether the process was started with this in its environment; only our own user's can be read.
fn carries(pid: i32, mark: &[u8]) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|one| one == mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str =
        "4711 (a (b) c) S 1 4700 4600 0 -1 4194560 123 0 0 0 1 2 3 4 20 0 1 0 987654 1 2 3";

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let expected = Stat {
            pid: 4711,
            group: 4700,
            started: 987_654,
            is_alive: true,
        };
        assert_eq!(Stat::parse(STAT), Some(expected));
        assert_eq!(Stat::parse("4711 (cut"), None);
    }

    #[test]
    fn another_boot_or_another_process_of_that_number_is_not_ours() {
        let us = Stat::of("self").unwrap();
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let leader = Leader {
            pid: us.group,
            started: 1,
            boot_id: boot_id.trim_end().to_owned(),
        };
        let folder = Path::new("/nonexistent");
        assert!(Group::find(&leader, folder).unwrap().is_none());
        let earlier = Leader {
            boot_id: "another".to_owned(),
            ..leader
        };
        assert!(Group::find(&earlier, folder).unwrap().is_none());
    }
}
