//! What the program says of itself.

use job_contract::{
    ModelState, ModelStatus, ServingLoad, ServingRoom, ServingStage, ServingStatus,
};
use uuid::Uuid;

use super::follow::{Follower, Model, Stage};
use crate::fits;

impl Follower {
    pub(super) fn status(&self, stage: ServingStage) -> ServingStatus {
        let wanted = self
            .models
            .iter()
            .filter(|(_, model)| !matches!(model.stage, Stage::Unwanted));
        let (running, waiting) = self.engine.load();
        let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        ServingStatus {
            process: self.process,
            name: self.settings.name.clone(),
            address: self.settings.address.clone(),
            stage,
            takes: self.settings.takes.clone(),
            room: ServingRoom {
                memory_bytes: fits::free_bytes().map(|bytes| bytes as u64),
                adapters: self.settings.most_adapters,
            },
            load: ServingLoad {
                running: count(running),
                waiting: count(waiting),
            },
            models: wanted.map(|(id, model)| self.of(*id, model)).collect(),
        }
    }

    fn of(&self, deployment: Uuid, model: &Model) -> ModelStatus {
        let (state, message) = match &model.stage {
            Stage::Waiting => (
                ModelState::Loading,
                Some("the base model is not ready".to_owned()),
            ),
            Stage::Loading | Stage::Unwanted => (ModelState::Loading, None),
            Stage::Ready => (ModelState::Ready, None),
            Stage::Failed { message, .. } => (ModelState::Failed, Some(message.clone())),
        };
        ModelStatus {
            deployment,
            model: model.assignment.model.clone(),
            state,
            message,
            is_in_use: self.registry.is_in_use(&model.assignment.model),
        }
    }
}
