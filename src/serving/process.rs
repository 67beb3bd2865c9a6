//! A program that serves models, as it says of itself.

use job_contract::{ServingStage, ServingStatus};
use url::Url;

use crate::ids::ServingProcessId;

const LONGEST_NAME: usize = 100;
const LONGEST_ADDRESS: usize = 300;
const MOST_BASES: usize = 100;
const LONGEST_BASE: usize = 150;
/// Most models that one program is asked to have.
pub(super) const MOST_MODELS: usize = 1000;
const LONGEST_MESSAGE: usize = 500;

/// How a program stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Active,
    /// Somebody wants nothing new there.
    Draining,
    /// It was told to end, and finishes what runs.
    Leaving,
    /// It ended, or was not heard of for too long.
    Gone,
}

impl State {
    pub(super) fn of(is_gone: bool, is_leaving: bool, is_drained: bool) -> Self {
        match (is_gone, is_leaving, is_drained) {
            (true, _, _) => Self::Gone,
            (_, true, _) => Self::Leaving,
            (_, _, true) => Self::Draining,
            (false, false, false) => Self::Active,
        }
    }

    /// The name in the API and in texts (`serving-process-{name}`).
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Leaving => "leaving",
            Self::Gone => "gone",
        }
    }
}

/// Why a report is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadReport {
    #[error("the name has 1 to 100 visible signs")]
    Name,
    #[error("the address is a plain http or https address of at most 300 bytes")]
    Address,
    #[error("at most 100 bases are named, each by 1 to 150 signs")]
    Bases,
    #[error("at most 1000 models are reported")]
    Models,
}

/// A report that is within all bounds.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) process: ServingProcessId,
    /// Bounded; messages are cut, the address is without a slash at its end.
    pub(super) status: ServingStatus,
}

impl Report {
    pub(super) fn parse(mut status: ServingStatus) -> Result<Self, BadReport> {
        let is_visible = |text: &str| !text.trim().is_empty() && !text.contains(char::is_control);
        if !is_visible(&status.name) || status.name.chars().count() > LONGEST_NAME {
            return Err(BadReport::Name);
        }
        let is_plain = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        };
        let is_short = status.address.len() <= LONGEST_ADDRESS;
        if !is_short || !Url::parse(&status.address).is_ok_and(|url| is_plain(&url)) {
            return Err(BadReport::Address);
        }
        let is_name = |name: &String| (1..=LONGEST_BASE).contains(&name.chars().count());
        if status.takes.len() > MOST_BASES || !status.takes.iter().all(is_name) {
            return Err(BadReport::Bases);
        }
        if status.models.len() > MOST_MODELS {
            return Err(BadReport::Models);
        }
        let plain = status.address.trim_end_matches('/').to_owned();
        status.address = plain;
        for model in &mut status.models {
            if let Some(message) = &mut model.message {
                *message = message
                    .chars()
                    .filter(|sign| *sign != '\0')
                    .take(LONGEST_MESSAGE)
                    .collect();
            }
        }
        Ok(Self {
            process: ServingProcessId(status.process),
            status,
        })
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.status.stage != ServingStage::Serving
    }

    pub(super) fn has_left(&self) -> bool {
        self.status.stage == ServingStage::Left
    }
}

#[cfg(test)]
mod tests {
    use job_contract::{ModelState, ModelStatus};
    use uuid::Uuid;

    use super::*;

    fn status() -> ServingStatus {
        ServingStatus {
            process: Uuid::now_v7(),
            name: "gpu-1".into(),
            address: "http://127.0.0.1:8082/".into(),
            stage: ServingStage::default(),
            takes: vec![],
            room: job_contract::ServingRoom::default(),
            load: job_contract::ServingLoad::default(),
            models: vec![ModelStatus {
                deployment: Uuid::now_v7(),
                model: "m".into(),
                state: ModelState::Failed,
                message: Some("é\0".repeat(600)),
                is_in_use: false,
            }],
        }
    }

    #[test]
    fn a_report_is_bounded() {
        let report = Report::parse(status()).unwrap();
        assert_eq!(report.status.address, "http://127.0.0.1:8082");
        let message = report.status.models[0].message.clone().unwrap();
        assert_eq!(message.chars().count(), LONGEST_MESSAGE);
        let refused = |change: &dyn Fn(&mut ServingStatus)| {
            let mut status = status();
            change(&mut status);
            Report::parse(status).unwrap_err()
        };
        assert_eq!(refused(&|s| s.name = " ".into()), BadReport::Name);
        assert_eq!(refused(&|s| s.name = "a\nb".into()), BadReport::Name);
        for address in [
            "file:///etc",
            "http://user:pw@host",
            "http://host/?q=1",
            "host:80",
        ] {
            assert_eq!(refused(&|s| s.address = address.into()), BadReport::Address);
        }
        assert_eq!(
            refused(&|s| s.takes = vec![String::new()]),
            BadReport::Bases
        );
        assert_eq!(
            refused(&|s| s.models = vec![s.models[0].clone(); 1001]),
            BadReport::Models
        );
    }

    #[test]
    fn the_worst_that_is_true_is_said() {
        assert_eq!(State::of(true, true, true), State::Gone);
        assert_eq!(State::of(false, true, true), State::Leaving);
        assert_eq!(State::of(false, false, true), State::Draining);
        assert_eq!(State::of(false, false, false), State::Active);
    }
}
