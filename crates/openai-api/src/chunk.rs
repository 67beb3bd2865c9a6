use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{FinishReason, ReportedUsage};

/// One event of a chat stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatChunk {
    pub id: String,
    /// Always `chat.completion.chunk`.
    pub object: String,
    /// Seconds since 1970; the same in all chunks of a stream.
    pub created: u64,
    pub model: String,
    /// Empty in the last chunk of a stream with usage.
    pub choices: Vec<ChatChunkChoice>,
    #[serde(default)]
    pub system_fingerprint: Option<String>,
    #[serde(default, skip_serializing_if = "ReportedUsage::is_absent")]
    pub usage: ReportedUsage,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatChunkChoice {
    pub index: u32,
    pub delta: Delta,
    /// Always `null` here.
    #[serde(default)]
    pub logprobs: Option<Value>,
    pub finish_reason: Option<FinishReason>,
}

/// What is new since the chunk before; the first chunk carries the role.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// One event of a text completion stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompletionChunk {
    pub id: String,
    /// Always `text_completion`.
    pub object: String,
    /// Seconds since 1970; the same in all chunks of a stream.
    pub created: u64,
    pub model: String,
    /// Empty in the last chunk of a stream with usage.
    pub choices: Vec<CompletionChunkChoice>,
    #[serde(default)]
    pub system_fingerprint: Option<String>,
    #[serde(default, skip_serializing_if = "ReportedUsage::is_absent")]
    pub usage: ReportedUsage,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompletionChunkChoice {
    pub index: u32,
    pub text: String,
    /// Always `null` here.
    #[serde(default)]
    pub logprobs: Option<Value>,
    pub finish_reason: Option<FinishReason>,
}
