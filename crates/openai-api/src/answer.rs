use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Usage;

/// Why a choice ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its turn, or a stop string came up.
    Stop,
    /// `max_tokens` or the end of the context.
    Length,
    ContentFilter,
    ToolCalls,
}

/// A whole chat answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatCompletion {
    pub id: String,
    /// Always `chat.completion`.
    pub object: String,
    /// Seconds since 1970.
    pub created: u64,
    pub model: String,
    pub choices: Vec<ChatChoice>,
    pub usage: Option<Usage>,
    #[serde(default)]
    pub system_fingerprint: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatChoice {
    pub index: u32,
    pub message: AnswerMessage,
    /// Always `null` here.
    #[serde(default)]
    pub logprobs: Option<Value>,
    pub finish_reason: Option<FinishReason>,
}

/// What the model said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerMessage {
    /// Always `assistant`.
    pub role: String,
    pub content: Option<String>,
    #[serde(default)]
    pub refusal: Option<String>,
}

impl AnswerMessage {
    /// An assistant's answer in text.
    pub fn assistant(content: String) -> Self {
        Self {
            role: "assistant".to_owned(),
            content: Some(content),
            refusal: None,
        }
    }
}

/// A whole text completion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    pub id: String,
    /// Always `text_completion`.
    pub object: String,
    /// Seconds since 1970.
    pub created: u64,
    pub model: String,
    pub choices: Vec<CompletionChoice>,
    pub usage: Option<Usage>,
    #[serde(default)]
    pub system_fingerprint: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompletionChoice {
    pub index: u32,
    pub text: String,
    /// Always `null` here.
    #[serde(default)]
    pub logprobs: Option<Value>,
    pub finish_reason: Option<FinishReason>,
}
