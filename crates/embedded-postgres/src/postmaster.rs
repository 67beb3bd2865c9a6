//! What a running server writes about itself into `postmaster.pid`.

use std::{fs, path::Path};

use crate::process::Process;

/// A running server of one cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Postmaster {
    pub(crate) process: Process,
    pub(crate) port: u16,
    pub(crate) is_ready: bool,
}

/// The server that runs in `cluster`; a file left by a killed one is not taken for it.
pub(crate) fn running(cluster: &Path) -> Option<Postmaster> {
    let text = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
    let (pid, port, is_ready) = parse(&text)?;
    let process = Process::find(pid).filter(|process| process.is_postgres_in(cluster))?;
    Some(Postmaster {
        process,
        port,
        is_ready,
    })
}

/// Whether `postmaster.pid` names a living process that is not a server of this cluster.
///
/// PostgreSQL then refuses to start: the pid of a killed server was given to somebody else.
pub(crate) fn is_stale(cluster: &Path) -> bool {
    let Ok(text) = fs::read_to_string(cluster.join("postmaster.pid")) else {
        return false;
    };
    let pid = text.lines().next().and_then(|line| line.parse().ok());
    pid.and_then(Process::find)
        .is_some_and(|process| !process.is_postgres_in(cluster))
}

/// Lines of the file: pid, data folder, start time, port, socket folder, address, shared memory, state.
fn parse(text: &str) -> Option<(u32, u16, bool)> {
    let mut lines = text.lines();
    let pid = lines.next()?.trim().parse().ok()?;
    let port = lines.nth(2)?.trim().parse().ok()?;
    let is_ready = lines.nth(3).is_some_and(|state| state.trim() == "ready");
    Some((pid, port, is_ready))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str =
        "4711\n/data/cluster\n1764000000\n5544\n/data/s\n127.0.0.1\n  1234   5\nready   \n";

    #[test]
    fn pid_port_and_state_are_read() {
        assert_eq!(parse(FILE), Some((4711, 5544, true)));
        let starting = FILE.replace("ready   ", "starting");
        assert_eq!(parse(&starting), Some((4711, 5544, false)));
    }

    #[test]
    fn a_file_that_is_being_written_is_no_server() {
        assert_eq!(parse(""), None);
        assert_eq!(parse("4711\n/data/cluster\n"), None);
    }

    #[test]
    fn the_file_of_a_killed_server_whose_pid_is_ours_is_stale() {
        let dir = tempfile::tempdir().unwrap();
        let text = FILE.replace("4711", &std::process::id().to_string());
        fs::write(dir.path().join("postmaster.pid"), text).unwrap();
        assert_eq!(running(dir.path()), None);
        assert!(is_stale(dir.path()));
    }
}
