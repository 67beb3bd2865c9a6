//! Energy that the machine's processors measured, where they do: RAPL through Linux's powercap.
//!
//! Each package has a counter of microjoules that starts again at its range (Linux, `power/powercap/powercap.rst`);
//! a busy package passes it in under an hour, so the meter must be read at least that often.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where Linux shows the counters.
pub const POWERCAP: &str = "/sys/class/powercap";

/// The counters of every package since the meter was started.
#[derive(Debug)]
pub struct Meter {
    packages: Vec<Package>,
    microjoules: u64,
}

#[derive(Debug)]
struct Package {
    counter: PathBuf,
    /// Where the counter starts again.
    range: u64,
    last: u64,
}

impl Meter {
    /// Starts at the counters under `root`; none where no package can be read.
    #[must_use]
    pub fn start(root: &Path) -> Option<Self> {
        let packages: Vec<Package> = fs::read_dir(root)
            .ok()?
            .filter_map(Result::ok)
            // `intel-rapl:0` is a package, `intel-rapl:0:1` a part of it, which would count twice.
            .filter(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.starts_with("intel-rapl:") && name.matches(':').count() == 1
            })
            .filter_map(|entry| {
                let counter = entry.path().join("energy_uj");
                Some(Package {
                    range: read(&entry.path().join("max_energy_range_uj"))?,
                    last: read(&counter)?,
                    counter,
                })
            })
            .collect();
        (!packages.is_empty()).then_some(Self {
            packages,
            microjoules: 0,
        })
    }

    /// Joules since the start; none once a counter can no longer be read, because the sum would be too small.
    pub fn sample(&mut self) -> Option<f64> {
        for package in &mut self.packages {
            let now = read(&package.counter)?;
            let used = if now >= package.last {
                now - package.last
            } else {
                package.range.saturating_sub(package.last) + now
            };
            package.last = now;
            self.microjoules = self.microjoules.saturating_add(used);
        }
        Some(self.microjoules as f64 / 1e6)
    }
}

fn read(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(root: &Path, name: &str, counter: u64) {
        let folder = root.join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("energy_uj"), format!("{counter}\n")).unwrap();
        fs::write(folder.join("max_energy_range_uj"), "10000000\n").unwrap();
    }

    #[test]
    fn packages_add_up_and_their_parts_do_not_count_twice() {
        let root = tempfile::tempdir().unwrap();
        package(root.path(), "intel-rapl:0", 1_000_000);
        package(root.path(), "intel-rapl:1", 0);
        package(root.path(), "intel-rapl:0:0", 0);
        let mut meter = Meter::start(root.path()).unwrap();
        package(root.path(), "intel-rapl:0", 3_000_000);
        package(root.path(), "intel-rapl:1", 500_000);
        package(root.path(), "intel-rapl:0:0", 9_000_000);
        assert_eq!(meter.sample(), Some(2.5));
    }

    #[test]
    fn a_counter_that_starts_again_goes_on() {
        let root = tempfile::tempdir().unwrap();
        package(root.path(), "intel-rapl:0", 9_000_000);
        let mut meter = Meter::start(root.path()).unwrap();
        package(root.path(), "intel-rapl:0", 1_000_000);
        assert_eq!(meter.sample(), Some(2.0));
    }

    #[test]
    fn a_machine_that_does_not_measure_has_no_meter() {
        let root = tempfile::tempdir().unwrap();
        assert!(Meter::start(root.path()).is_none());
        assert!(Meter::start(&root.path().join("none")).is_none());
    }
}
