//! The folder of an attempt on the cluster's file system.
//!
//! | file | holds |
//! |---|---|
//! | `claim` | a link whose target is `id.restarts` of the job that runs the attempt |
//! | `cancel` | is there once the attempt was called off, or cleaned up without having run |
//! | `exit` | how the program ended; written whole, by the job's script |
//! | `log` | the first 4 MiB of what it wrote, and at the end the last 64 KiB of what came after |
//! | `work/` | the folder it runs in |
//! | `tmp.…/` | its temporary files, where the machine's own disk takes none |

use std::{collections::HashMap, sync::Arc};

use uuid::Uuid;

use super::{fault, script::quoted, shell::Shell};
use crate::{ComputeError, LOG_PART_BYTES};

/// What of an attempt is in its folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Trace {
    pub(super) claimed_by: Option<u64>,
    pub(super) claimed_at: Option<i64>,
    pub(super) exit_code: Option<i32>,
    pub(super) ended_at: Option<i64>,
    pub(super) is_cancelled: bool,
}

/// A stretch of a log, and whether it ends where the log ends.
pub(super) struct Stretch {
    pub(super) raw: Vec<u8>,
    pub(super) is_to_end: bool,
}

/// The folders, through a shell that sees them.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) shell: Arc<Shell>,
    /// As that shell sees it.
    pub(super) state_dir: String,
}

impl Files {
    fn dir(&self, attempt: Uuid) -> String {
        quoted(&format!("{}/{}", self.state_dir, attempt.hyphenated()))
    }

    /// What is in the folders; nothing of those that have none.
    pub(super) async fn look(
        &self,
        attempts: &[Uuid],
    ) -> Result<HashMap<Uuid, Trace>, ComputeError> {
        let names: Vec<String> = attempts
            .iter()
            .map(|it| it.hyphenated().to_string())
            .collect();
        let body = format!(
            "cd {} 2>/dev/null || exit 0\n\
             for one in {}; do\n\
             [ -d \"$one\" ] || continue\n\
             claim= since= code= until= cancel=\n\
             [ -L \"$one/claim\" ] && claim=$(readlink \"$one/claim\") && since=$(stat -c %Y \"$one/claim\")\n\
             [ -e \"$one/exit\" ] && read -r code <\"$one/exit\" && until=$(stat -c %Y \"$one/exit\")\n\
             [ -e \"$one/cancel\" ] && cancel=yes\n\
             echo \"$one|$claim|$since|$code|$until|$cancel\"\n\
             done",
            quoted(&self.state_dir),
            names.join(" ")
        );
        let table = self.shell.ask(&body).await?;
        Ok(String::from_utf8_lossy(&table)
            .lines()
            .filter_map(trace)
            .collect())
    }

    /// Notes that the attempt is called off: one that waits will not run any more.
    pub(super) async fn call_off(&self, attempt: Uuid) -> Result<(), ComputeError> {
        let dir = self.dir(attempt);
        let body = format!("umask 077\nmkdir -p {dir} && : >{dir}/cancel");
        self.shell.ask(&body).await.map(drop)
    }

    /// What the log holds from byte `from` on; nothing where there is none.
    pub(super) async fn read(&self, attempt: Uuid, from: u64) -> Result<Stretch, ComputeError> {
        let log = format!("{}/log", self.dir(attempt));
        let body = format!(
            "[ -e {log} ] || exit 0\ntail -c +{} {log} | head -c {LOG_PART_BYTES}",
            from.saturating_add(1)
        );
        let raw = self.shell.ask(&body).await?;
        let is_to_end = raw.len() < LOG_PART_BYTES;
        Ok(Stretch { raw, is_to_end })
    }

    /// Removes all but what keeps the attempt from being started again.
    pub(super) async fn clean(&self, attempt: Uuid) -> Result<(), ComputeError> {
        let dir = self.dir(attempt);
        let body = format!(
            "cd {dir} 2>/dev/null || exit 0\n\
             [ -L claim ] || : >cancel\n\
             rm -rf ./work ./tmp.* ./log ./log.tail ./exit.new"
        );
        let said = self.shell.run(&body).await?;
        if said.code == 0 {
            Ok(())
        } else {
            Err(fault::unreachable(fault::told(&said.complaint)))
        }
    }
}

fn trace(line: &str) -> Option<(Uuid, Trace)> {
    let mut fields = line.split('|');
    let attempt = Uuid::try_parse(fields.next()?).ok()?;
    let trace = Trace {
        claimed_by: fields.next()?.split('.').next()?.parse().ok(),
        claimed_at: fields.next()?.parse().ok(),
        exit_code: fields.next()?.parse().ok(),
        ended_at: fields.next()?.parse().ok(),
        is_cancelled: fields.next()? == "yes",
    };
    Some((attempt, trace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn folders_are_read_as_they_are() {
        let room = tempfile::tempdir().unwrap();
        let files = Files {
            shell: Arc::new(Shell::Here { slurm_conf: None }),
            state_dir: room.path().join("it's here").display().to_string(),
        };
        let [ran, called_off, never] = [Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7()];
        assert!(
            files.look(&[ran]).await.unwrap().is_empty(),
            "no folder at all"
        );
        files.call_off(called_off).await.unwrap();
        let dir = room.path().join("it's here").join(ran.to_string());
        std::fs::create_dir_all(dir.join("work")).unwrap();
        std::os::unix::fs::symlink("4711.0", dir.join("claim")).unwrap();
        std::fs::write(dir.join("exit"), "137\n").unwrap();
        std::fs::write(dir.join("log"), "one\ntwo\n").unwrap();
        let traces = files.look(&[ran, called_off, never]).await.unwrap();
        assert_eq!(traces.len(), 2);
        let trace = traces.get(&ran).unwrap();
        assert_eq!((trace.claimed_by, trace.exit_code), (Some(4711), Some(137)));
        assert!(trace.claimed_at.is_some() && trace.ended_at.is_some() && !trace.is_cancelled);
        assert!(traces.get(&called_off).unwrap().is_cancelled);
        let stretch = files.read(ran, 4).await.unwrap();
        assert_eq!(
            (stretch.raw.as_slice(), stretch.is_to_end),
            (b"two\n".as_slice(), true)
        );
        assert!(files.read(never, 0).await.unwrap().raw.is_empty());
        for attempt in [ran, ran, never] {
            files.clean(attempt).await.unwrap();
        }
        assert!(!dir.join("log").exists() && !dir.join("work").exists());
        assert_eq!(files.look(&[ran]).await.unwrap().get(&ran), Some(trace));
    }
}
