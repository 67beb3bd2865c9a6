//! Whether a model fits in the memory that is free, asked before it is loaded: a machine that runs out of memory takes
//! the models that it serves with it.

use std::{fs, path::Path};

/// What a model would take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Packed weights.
    pub weight_bytes: usize,
    /// Keys and values of one sequence as long as it may get.
    pub context_bytes: usize,
}

/// A model that does not fit.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "it needs about {} MB ({} MB for its weights, {} MB for one full context) and {} MB are free; use a file in 4 bits, \
     a lower --max-context or --cache-mib, or drop another model",
    megabytes(.need.weight_bytes + .need.context_bytes), megabytes(.need.weight_bytes),
    megabytes(.need.context_bytes), megabytes(*.free_bytes)
)]
pub struct DoesNotFit {
    pub need: Need,
    pub free_bytes: usize,
}

/// Refuses what is larger than the free memory; where the system does not tell, all fits.
///
/// # Errors
/// [`DoesNotFit`].
pub fn check(need: Need, free_bytes: Option<usize>) -> Result<(), DoesNotFit> {
    match free_bytes {
        Some(free_bytes) if need.weight_bytes.saturating_add(need.context_bytes) > free_bytes => {
            Err(DoesNotFit { need, free_bytes })
        }
        _ => Ok(()),
    }
}

/// Memory that this process can still take: of the machine, or of its control group where that leaves less.
pub fn free_bytes() -> Option<usize> {
    let machine = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| available(&text));
    let group = group_free(Path::new("/sys/fs/cgroup"));
    match (machine, group) {
        (Some(machine), Some(group)) => Some(machine.min(group)),
        (machine, group) => machine.or(group),
    }
}

fn available(meminfo: &str) -> Option<usize> {
    let line = meminfo
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))?;
    let kilobytes: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// Of a control group of version 2; none where it has no limit.
fn group_free(folder: &Path) -> Option<usize> {
    let number = |name: &str| -> Option<usize> {
        fs::read_to_string(folder.join(name))
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    Some(number("memory.max")?.saturating_sub(number("memory.current")?))
}

fn megabytes(bytes: usize) -> usize {
    bytes.div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_its_numbers() {
        let need = Need {
            weight_bytes: 4_900_000_000,
            context_bytes: 300_000_000,
        };
        assert_eq!(check(need, Some(5_200_000_000)), Ok(()));
        assert_eq!(check(need, None), Ok(()));
        let refusal = check(need, Some(3_000_000_000)).unwrap_err().to_string();
        for part in ["5200 MB", "4900 MB", "300 MB", "3000 MB", "4 bits"] {
            assert!(refusal.contains(part), "{refusal}");
        }
    }

    #[test]
    fn free_memory_is_read_from_the_system() {
        let text = "MemTotal:  24000 kB\nMemAvailable:   1000 kB\n";
        assert_eq!(available(text), Some(1_024_000));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("memory.max"), "5000\n").unwrap();
        std::fs::write(folder.path().join("memory.current"), "4000\n").unwrap();
        assert_eq!(group_free(folder.path()), Some(1000));
        std::fs::write(folder.path().join("memory.max"), "max\n").unwrap();
        assert_eq!(group_free(folder.path()), None);
    }
}
