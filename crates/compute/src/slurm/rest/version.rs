//! The versions of slurmrestd's interface that are known here.

/// A version, `v0.0.NN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Version(pub(super) u8);

/// How requests and answers look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Plain numbers and words; the environment is an object.
    Plain,
    /// Numbers say whether they are set; states are lists; the environment is a list.
    Marked,
}

impl Version {
    /// The newest first. Slurm 21.08 to 22.05 speak the older three, 23.11 to 25.11 at least one of the newer.
    pub(super) const KNOWN: [Self; 6] =
        [Self(42), Self(41), Self(40), Self(38), Self(37), Self(36)];

    pub(super) fn shape(self) -> Shape {
        if self.0 >= 40 {
            Shape::Marked
        } else {
            Shape::Plain
        }
    }

    /// `slurm/v0.0.NN/WHAT`.
    pub(super) fn path(self, what: &str) -> String {
        format!("slurm/v0.0.{}/{what}", self.0)
    }

    /// `slurmdb/v0.0.NN/WHAT`.
    pub(super) fn accounts_path(self, what: &str) -> String {
        format!("slurmdb/v0.0.{}/{what}", self.0)
    }
}
