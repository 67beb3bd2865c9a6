//! Slurm through its own commands.
//!
//! Tables are asked for in fixed columns, which every version since 2015 writes alike; `--json` changes its shape with
//! each version, and in older ones leaves the filters out.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    fault,
    record::{Record, instant},
    script::{ENVIRONMENT, Request, quoted},
    shell::Shell,
    state::Exit,
    transport::Queue,
};
use crate::ComputeError;

/// Field of `squeue -O`, and how wide.
const COLUMNS: [(&str, usize); 15] = [
    ("JobID", 20),
    ("Name", 64),
    ("State", 24),
    ("exit_code", 12),
    ("SubmitTime", 20),
    ("StartTime", 20),
    ("EndTime", 20),
    ("NumNodes", 12),
    ("NumCPUs", 12),
    ("tres-alloc", 160),
    ("tres-per-node", 80),
    ("PriorityLong", 24),
    ("Partition", 64),
    ("Comment", 200),
    ("Reason", 160),
];
const ACCOUNTED: &str =
    "JobIDRaw,JobName,State,ExitCode,Submit,Start,End,NNodes,NCPUS,AllocTRES,Partition";
/// What one question asks after; the line stays far under what a command may be given.
const NAMES_AT_ONCE: usize = 500;

/// Slurm's commands, in a shell.
#[derive(Debug)]
pub(super) struct Commands(pub(super) Arc<Shell>);

fn columns() -> String {
    let columns: Vec<String> = COLUMNS
        .iter()
        .map(|(name, width)| format!("{name}:{width}"))
        .collect();
    columns.join(",")
}

fn squeue(filter: &str) -> String {
    format!(
        "squeue -h -a -r -u \"$(id -un)\" {filter} -O '{}'",
        columns()
    )
}

/// One line of `squeue` in [`COLUMNS`].
fn in_columns(line: &str) -> Option<Record> {
    let mut at = 0;
    let mut fields = COLUMNS.iter().map(|(_, width)| {
        let field = line
            .get(at..)
            .map(|rest| rest.get(..*width).unwrap_or(rest));
        at += width;
        field.unwrap_or_default().trim().to_owned()
    });
    let mut next = || fields.next().unwrap_or_default();
    Some(Record {
        is_accounted: false,
        id: next().parse().ok()?,
        name: next(),
        states: next().split(',').map(str::to_owned).collect(),
        exit: next().parse().ok().map(Exit::from_wait_status),
        submitted_at: instant(&next()),
        started_at: instant(&next()),
        ended_at: instant(&next()),
        nodes: next().parse().ok(),
        cores: next().parse().ok(),
        allocated: next(),
        per_node: next(),
        priority: next().parse().unwrap_or(0),
        partition: next(),
        comment: next(),
        reason: next(),
    })
}

/// One line of `sacct -P` in [`ACCOUNTED`].
fn accounted(line: &str) -> Option<Record> {
    let mut fields = line.split('|').map(str::to_owned);
    let mut next = || fields.next().unwrap_or_default();
    Some(Record {
        id: next().parse().ok()?,
        name: next(),
        states: vec![next()],
        exit: Exit::parse(&next()),
        submitted_at: instant(&next()),
        started_at: instant(&next()),
        ended_at: instant(&next()),
        nodes: next().parse().ok(),
        cores: next().parse().ok(),
        allocated: next(),
        partition: next(),
        is_accounted: true,
        ..Record::default()
    })
}

#[async_trait]
impl Queue for Commands {
    async fn named(&self, names: &[String]) -> Result<Vec<Record>, ComputeError> {
        let mut records = Vec::new();
        for names in names.chunks(NAMES_AT_ONCE) {
            let filter = format!("-t all -n {}", names.join(","));
            let table = self.0.ask(&squeue(&filter)).await?;
            records.extend(
                String::from_utf8_lossy(&table)
                    .lines()
                    .filter_map(in_columns),
            );
        }
        Ok(records)
    }

    async fn active(&self) -> Result<Vec<Record>, ComputeError> {
        let table = self.0.ask(&squeue("")).await?;
        Ok(String::from_utf8_lossy(&table)
            .lines()
            .filter_map(in_columns)
            .collect())
    }

    async fn history(&self, names: &[String]) -> Result<Vec<Record>, ComputeError> {
        let mut records = Vec::new();
        for names in names.chunks(NAMES_AT_ONCE) {
            let names = names.join(",");
            let said = self
                .0
                .run(&format!(
                    "sacct -n -X -P -S now-30days -u \"$(id -un)\" --name={names} -o {ACCOUNTED}"
                ))
                .await?;
            if said.code != 0 && said.complaint.contains("accounting storage is disabled") {
                return Ok(Vec::new());
            }
            if said.code != 0 {
                return Err(fault::of_question(said.code, &said.complaint));
            }
            records.extend(said.text().lines().filter_map(accounted));
        }
        Ok(records)
    }

    async fn waiting(&self, partition: &str) -> Result<Vec<u64>, ComputeError> {
        let question = format!("squeue -h -a -t PD -p {} -S -p,i -o %i", quoted(partition));
        let ids = self.0.ask(&question).await?;
        // Tasks of an array wait as `4711_[1-9]`.
        let number = |line: &str| line.trim().split('_').next()?.parse().ok();
        Ok(String::from_utf8_lossy(&ids)
            .lines()
            .filter_map(number)
            .collect())
    }

    async fn submit(&self, request: &Request) -> Result<u64, ComputeError> {
        // What the user has set for sbatch in general would win over what the script says.
        let body = format!(
            "for set in $(env | sed -n 's/^\\(SBATCH_[A-Z_]*\\)=.*/\\1/p'); do unset \"$set\"; done\n\
             export {ENVIRONMENT}='{}'\n\
             sbatch --parsable <<'END OF THE JOB SCRIPT'\n{}\nEND OF THE JOB SCRIPT",
            request.environment, request.script
        );
        let said = self.0.run(&body).await?;
        if said.code != 0 {
            return Err(fault::of_submission(said.code, &said.complaint));
        }
        // `4711` or `4711;cluster`, perhaps after what a site's plugin has to say.
        let text = said.text();
        let id = text
            .lines()
            .rev()
            .find_map(|line| line.split(';').next()?.trim().parse().ok());
        id.ok_or_else(|| fault::unreachable(format!("sbatch answered {}", fault::told(&text))))
    }

    async fn cancel(&self, ids: &[u64]) -> Result<(), ComputeError> {
        let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
        let said = self.0.run(&format!("scancel {}", ids.join(" "))).await?;
        // Of one that is over it says so, and that is well.
        let is_well = said.code == 0
            || said.complaint.lines().all(|line| {
                line.contains("Invalid job id") || line.contains("already completing or completed")
            });
        if is_well {
            Ok(())
        } else {
            Err(fault::of_question(said.code, &said.complaint))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_squeue_is_read_by_its_columns() {
        let values = [
            "14",
            "vf-00000000-0000-0000-0000-000000000007",
            "FAILED",
            "768",
            "1795630260",
            "1795630264",
            "1795630265",
            "1",
            "2",
            "cpu=2,mem=128M,node=1,billing=2",
            "gres:gpu:tiny:1",
            "4294901748",
            "normal",
            "faculty:http://127.0.0.1:8080",
            "Job's account not known, so it can't use this partition",
        ];
        let line: String = COLUMNS
            .iter()
            .zip(values)
            .map(|((_, width), value)| format!("{value:width$}"))
            .collect();
        let record = in_columns(&line).unwrap();
        assert_eq!(record.id, 14);
        assert_eq!(record.attempt(), Some(uuid::Uuid::from_u128(7)));
        assert_eq!(record.exit.map(Exit::as_shell), Some(3));
        assert_eq!(
            (record.nodes, record.cores, record.gpus()),
            (Some(1), Some(2), Some(1))
        );
        assert_eq!(record.comment, "faculty:http://127.0.0.1:8080");
        assert!(record.reason.starts_with("Job's account not known, so"));
        assert_eq!(in_columns("JOBID  NAME"), None);
        assert_eq!(in_columns("slurm_load_jobs error: é"), None);
    }

    #[test]
    fn a_line_of_sacct_is_read_by_its_bars() {
        let line = "21|vf-00000000-0000-0000-0000-000000000007|CANCELLED by 1000|0:15|1795630260|1795630264|\
                    1795630299|1|2|billing=2,cpu=2,gres/gpu=4,mem=1G,node=1|gpu";
        let record = accounted(line).unwrap();
        assert_eq!(record.states, ["CANCELLED by 1000"]);
        assert_eq!(record.exit.map(Exit::as_shell), Some(143));
        assert_eq!(record.gpus(), Some(4));
        assert!(!record.is_active());
        let pending = accounted("22|vf-x|PENDING|0:0|1795630260|Unknown|Unknown|1|1||gpu").unwrap();
        assert_eq!((pending.started_at, pending.gpus()), (None, None));
    }
}
