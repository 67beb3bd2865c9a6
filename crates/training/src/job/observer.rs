//! The training loop's door to the portal.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use job_contract::JobEvent;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::{
    checkpoints::Checkpoints,
    events::EventLog,
    portal::{CallError, Portal},
};
use crate::{
    energy::Meter,
    stop::{Stop, StopSign},
    training_loop::{Kept, Observer},
};

/// The energy that the machine measures, if it does.
#[derive(Debug, Clone)]
pub(super) struct SharedMeter(Arc<Mutex<Option<Meter>>>);

impl SharedMeter {
    pub(super) fn new(meter: Option<Meter>) -> Self {
        Self(Arc::new(Mutex::new(meter)))
    }

    /// Reads the meter, if there is one; joules since the program began.
    pub(super) fn sample(&self) -> Option<f64> {
        let mut meter = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        meter.as_mut().and_then(Meter::sample)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where this program asks for the time of day"
)]
pub(super) fn clock() -> DateTime<Utc> {
    Utc::now()
}

/// Tells the portal of the work, and asks it before data is read once more.
pub(super) struct JobObserver {
    pub(super) meter: SharedMeter,
    pub(super) portal: Arc<Portal>,
    pub(super) log: Arc<EventLog>,
    pub(super) checkpoints: Arc<Checkpoints>,
    pub(super) sign: StopSign,
    /// Data that is gone over again in each epoch.
    pub(super) files: Vec<Uuid>,
    pub(super) handle: Handle,
    pub(super) is_asked: bool,
}

impl Observer for JobObserver {
    fn event(&mut self, event: JobEvent) -> Result<(), Stop> {
        if let Err(error) = self.log.append(clock(), event) {
            // The line is lost to people who watch; the work itself is not.
            tracing::error!(%error, "an event cannot be written down");
        }
        Ok(())
    }

    fn may_go_on(&mut self) -> Result<(), Stop> {
        self.meter.sample();
        self.sign.check()
    }

    fn epoch_starts(&mut self, _epoch: u32) -> Result<(), Stop> {
        for file in &self.files {
            match self.handle.block_on(self.portal.grant(*file)) {
                Ok(_) => {}
                Err(CallError::Stop(stop)) => return Err(stop),
                Err(error) => return Err(Stop::Refused(error.to_string())),
            }
        }
        Ok(())
    }

    fn wants_checkpoint(&mut self) -> bool {
        if self.log.take_lost_checkpoint() {
            self.checkpoints.forget();
            self.is_asked = true;
        }
        self.is_asked |= self.sign.take_checkpoint_wish();
        self.is_asked || self.checkpoints.is_due()
    }

    fn kept(&mut self, kept: Kept<'_>) {
        if !(kept.is_last || self.is_asked || self.checkpoints.is_due()) {
            return;
        }
        self.is_asked = false;
        if let Err(error) = self.checkpoints.hand(kept) {
            tracing::warn!(%error, "a checkpoint cannot be handed over to be stored");
        }
        if kept.is_last {
            self.handle.block_on(self.checkpoints.flush());
        }
    }
}
