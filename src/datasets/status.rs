//! Where a dataset version stands, and what may happen to it there.

use std::str::FromStr;

/// The state of a dataset version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Being put together by its institution.
    Draft,
    /// Frozen, and waiting for its reviews.
    Submitted,
    /// Returned by a reviewer; its institution may change it and submit it again.
    ChangesRequested,
    /// Refused for good.
    Rejected,
    /// Both reviews said yes.
    Approved,
    /// Taken back by its institution.
    Withdrawn,
}

/// What can happen to a dataset version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Its institution hands it in.
    Submit,
    /// A reviewer sends it back.
    Return,
    /// A reviewer refuses it.
    Reject,
    /// The second of the two reviews says yes.
    Approve,
    /// Its institution takes it back.
    Withdraw,
}

/// The version is not in a state in which this can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version that is {} cannot be changed by {step:?}", .status.name())]
pub struct WrongStatus {
    /// Its state.
    pub status: Status,
    /// What was tried.
    pub step: Step,
}

impl Status {
    /// Every state, in the order of its life.
    pub const ALL: [Self; 6] = [
        Self::Draft,
        Self::Submitted,
        Self::ChangesRequested,
        Self::Rejected,
        Self::Approved,
        Self::Withdrawn,
    ];

    /// The name in the database and in texts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted => "submitted",
            Self::ChangesRequested => "changes_requested",
            Self::Rejected => "rejected",
            Self::Approved => "approved",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether its institution may change the facts and the files.
    #[must_use]
    pub fn is_editable(self) -> bool {
        match self {
            Self::Draft | Self::ChangesRequested => true,
            Self::Submitted | Self::Rejected | Self::Approved | Self::Withdrawn => false,
        }
    }

    /// The state after `step`.
    ///
    /// # Errors
    /// [`WrongStatus`] where the step cannot be taken from here.
    pub fn after(self, step: Step) -> Result<Self, WrongStatus> {
        match (self, step) {
            (Self::Draft | Self::ChangesRequested, Step::Submit) => Ok(Self::Submitted),
            (Self::Submitted, Step::Return) => Ok(Self::ChangesRequested),
            (Self::Submitted, Step::Reject) => Ok(Self::Rejected),
            (Self::Submitted, Step::Approve) => Ok(Self::Approved),
            (
                Self::Draft | Self::Submitted | Self::ChangesRequested | Self::Approved,
                Step::Withdraw,
            ) => Ok(Self::Withdrawn),
            (status, step) => Err(WrongStatus { status, step }),
        }
    }
}

/// A state name that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such state")]
pub struct UnknownStatus;

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.name() == text)
            .ok_or(UnknownStatus)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEPS: [Step; 5] = [
        Step::Submit,
        Step::Return,
        Step::Reject,
        Step::Approve,
        Step::Withdraw,
    ];

    /// The table as it is drawn; a dot is a refusal. Columns as in `STEPS`.
    const DRAWN: [(Status, [Option<Status>; 5]); 6] = {
        use Status::{Approved, ChangesRequested, Draft, Rejected, Submitted, Withdrawn};
        const NO: Option<Status> = None;
        [
            (Draft, [Some(Submitted), NO, NO, NO, Some(Withdrawn)]),
            (
                Submitted,
                [
                    NO,
                    Some(ChangesRequested),
                    Some(Rejected),
                    Some(Approved),
                    Some(Withdrawn),
                ],
            ),
            (
                ChangesRequested,
                [Some(Submitted), NO, NO, NO, Some(Withdrawn)],
            ),
            (Rejected, [NO; 5]),
            (Approved, [NO, NO, NO, NO, Some(Withdrawn)]),
            (Withdrawn, [NO; 5]),
        ]
    };

    proptest! {
        #[test]
        fn every_walk_keeps_to_the_drawn_table(walk in prop::collection::vec(0_usize..5, 0..40)) {
            let mut status = Status::Draft;
            for at in walk {
                let row = DRAWN.iter().find(|(from, _)| *from == status).unwrap().1;
                match (status.after(STEPS[at]), row[at]) {
                    (Ok(after), Some(drawn)) => {
                        prop_assert_eq!(after, drawn);
                        status = after;
                    }
                    (Err(refused), None) => prop_assert_eq!(refused.status, status),
                    (is, drawn) => prop_assert!(false, "{:?} is {:?}, drawn {:?}", status, is, drawn),
                }
            }
        }
    }

    #[test]
    fn only_what_can_still_be_submitted_is_editable() {
        for status in Status::ALL {
            assert_eq!(status.is_editable(), status.after(Step::Submit).is_ok());
        }
    }

    #[test]
    fn names_lead_back() {
        for status in Status::ALL {
            assert_eq!(status.name().parse(), Ok(status));
        }
    }
}
