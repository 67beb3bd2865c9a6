//! What the portal and the programs it starts say to each other.
//!
//! Version 2. Everything is JSON over HTTP under `/internal/v1` of the portal. A *training* program holds the
//! token of one attempt and may only reach that attempt; a *serving* program holds the serving token.
//!
//! | call | asks | answers |
//! |---|---|---|
//! | `GET /internal/v1/attempts/{attempt}/spec` | | [`JobSpec`] |
//! | `POST /internal/v1/attempts/{attempt}/grants` | [`GrantRequest`] | [`ReadGrant`], or 403 [`Refusal`] |
//! | `POST /internal/v1/attempts/{attempt}/events` | [`EventBatch`] (may be empty: a heartbeat) | [`EventAnswer`] |
//! | `POST /internal/v1/attempts/{attempt}/artifacts` | [`ArtifactRequest`] | [`ArtifactUpload`] |
//! | `POST /internal/v1/attempts/{attempt}/finish` | [`Outcome`] | 204; the same outcome twice is fine |
//! | `GET /internal/v1/serving/assignments?process=…` | | [`Assignments`] |
//! | `POST /internal/v1/serving/status` | [`ServingStatus`] | 204 |
//!
//! Every other answer than 2xx carries a [`Refusal`]. 401: the token is not valid (any more): stop. 403: refused,
//! the rule is named: stop. 409: the attempt has ended: stop. 5xx or no answer: try again with back-off.

mod artifact;
mod evaluation;
mod event;
mod exit;
mod grant;
mod serving;
mod spec;
mod task;

pub use self::{
    artifact::{ArtifactKind, ArtifactRequest, ArtifactUpload, StoredArtifact},
    evaluation::DatasetMemorisation,
    event::{EventAnswer, EventBatch, JobEvent, NumberedEvent, Phase},
    exit::{Code, ExitCode, FailureCode, Outcome, Result as JobResult},
    grant::{GrantRequest, ReadGrant, Refusal},
    serving::{
        Assignment, Assignments, LARGEST_MODEL_FILE, MOST_MODEL_FILES, ModelFile, ModelKind,
        ModelState, ModelStatus, ServingLoad, ServingRoom, ServingStage, ServingStatus,
    },
    spec::{BaseModel, FileFormat, InputFile, JobSpec, Recipe, Resume, Strategy},
    task::{
        Canaries, EarlyStop, EvaluationSettings, LoraSettings, ModelShape, Precision, Recompute,
        Schedule, Suite, Task, TrainingSettings,
    },
};

/// The version of this contract; a program refuses a spec of another one.
pub const CONTRACT_VERSION: u32 = 2;

/// Name of the environment variable with the portal's address, for example `http://127.0.0.1:8080`.
pub const ENV_PORTAL_URL: &str = "FACULTY_PORTAL_URL";
/// Name of the environment variable with the attempt's id.
pub const ENV_ATTEMPT: &str = "FACULTY_ATTEMPT";
/// Name of the environment variable with the attempt's bearer token. Never passed as an argument.
pub const ENV_ATTEMPT_TOKEN: &str = "FACULTY_ATTEMPT_TOKEN";
/// Name of the environment variable with the folder that the program may use and leave behind.
pub const ENV_WORK_DIR: &str = "FACULTY_WORK_DIR";
/// Name of the environment variable with the serving program's bearer token.
pub const ENV_SERVING_TOKEN: &str = "FACULTY_SERVING_TOKEN";
