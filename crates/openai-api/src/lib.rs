//! The wire forms of the OpenAI API that our gateway and our serving program share.
//!
//! Requests are parsed from bytes into bounded types ([`ChatRequest`], [`CompletionRequest`]): fields that are not
//! known are kept for forwarding and otherwise ignored, as the SDKs expect; fields of a wrong type or out of range
//! give an [`ApiError`] that names the field in `param`. Answers, chunks, the models list and the error envelope
//! serialise to what the stock SDKs of versions 1 to 3 read.

mod adapter;
mod answer;
mod chat;
mod chunk;
mod completion;
mod embeddings;
mod error;
mod fields;
mod file;
mod fine_tuning;
mod generation;
mod model;
mod page;
mod sse;
mod texts;
mod usage;

pub use self::{
    adapter::{LoadAdapter, UnloadAdapter},
    answer::{
        AnswerMessage, ChatChoice, ChatCompletion, Completion, CompletionChoice, FinishReason,
    },
    chat::{ChatRequest, MAX_MESSAGES, Message, Role},
    chunk::{ChatChunk, ChatChunkChoice, CompletionChunk, CompletionChunkChoice, Delta},
    completion::{CompletionRequest, MAX_PROMPTS, Prompt},
    embeddings::{EmbeddingsRequest, MAX_INPUTS},
    error::{ApiError, ErrorBody, ErrorEnvelope},
    file::{
        CompleteUpload, File, MAX_PARTS, MAX_UPLOAD_BYTES, NewUpload, Upload, UploadPart, expiry,
    },
    fine_tuning::{
        Auto, CheckpointMetrics, CheckpointPermission, CreateJob, FineTuningCheckpoint,
        FineTuningEvent, FineTuningJob, Hyperparameters, JobProblem, MAX_METADATA, Method,
        Settings,
    },
    generation::{Forward, Generation, MAX_CHOICES, MAX_STOP_BYTES, MAX_STOPS, StreamOptions},
    model::{Model, ModelList},
    page::{Deleted, Page},
    sse::{DONE_EVENT, SseEvent, SseSplitter, SseTooLong, encode_event},
    texts::TextKind,
    usage::{ReportedUsage, RequestUsage, Usage},
};

/// Completion tokens of a chat request that names no limit; less where the context ends earlier.
pub const DEFAULT_CHAT_TOKENS: u32 = 512;
/// Completion tokens of a `/v1/completions` request that names no limit, as OpenAI documents it.
pub const DEFAULT_COMPLETION_TOKENS: u32 = 16;
