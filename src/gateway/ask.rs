//! What a request may cost at most, from what it says alone.

use openai_api::{
    ApiError, ChatRequest, CompletionRequest, DEFAULT_CHAT_TOKENS, DEFAULT_COMPLETION_TOKENS,
    Forward, Generation, Prompt,
};
use serde_json::Value;

use crate::keys::quota::{Ask, Completion, Grant};

/// Covers what a chat template adds by itself: marks around the turns, a system message of its own.
const TEMPLATE_TOKENS: i64 = 128;

/// A request of either kind.
pub(super) enum Asked {
    Chat(ChatRequest),
    Text(CompletionRequest),
}

impl Asked {
    /// Reads a chat request.
    ///
    /// # Errors
    /// 400 that names the field that does not fit.
    pub(super) fn chat(body: &[u8]) -> Result<Self, ApiError> {
        Self::Chat(ChatRequest::parse(body)?).checked()
    }

    /// Reads a text completion request.
    ///
    /// # Errors
    /// 400 that names the field that does not fit.
    pub(super) fn text(body: &[u8]) -> Result<Self, ApiError> {
        Self::Text(CompletionRequest::parse(body)?).checked()
    }

    /// Refuses what makes an upstream generate more than is answered, and so more than could be set aside.
    fn checked(self) -> Result<Self, ApiError> {
        let best_of = self.field("best_of").and_then(Value::as_u64).unwrap_or(1);
        if best_of > u64::from(self.generation().n) {
            let message = "'best_of' larger than 'n' is not supported.";
            return Err(ApiError::unsupported_param("best_of", message));
        }
        Ok(self)
    }

    fn field(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Chat(request) => request.field(name),
            Self::Text(request) => request.field(name),
        }
    }

    pub(super) fn generation(&self) -> &Generation {
        match self {
            Self::Chat(request) => &request.generation,
            Self::Text(request) => &request.generation,
        }
    }

    /// The path at the upstream.
    pub(super) fn path(&self) -> &'static str {
        match self {
            Self::Chat(_) => "/v1/chat/completions",
            Self::Text(_) => "/v1/completions",
        }
    }

    /// An upper bound of the cost.
    pub(super) fn ask(&self) -> Ask {
        let generation = self.generation();
        let completion = match (self, generation.max_tokens) {
            (Self::Chat(_), None) => Completion::Open {
                choices: i64::from(generation.n),
                plenty: i64::from(DEFAULT_CHAT_TOKENS),
            },
            (Self::Chat(request), Some(_)) => exactly(request.completion_token_limit()),
            (Self::Text(request), _) => exactly(request.completion_token_limit()),
        };
        Ask {
            prompt: self.most_prompt_tokens(),
            completion,
        }
    }

    /// More tokens than the prompt can have: a token of a byte-level vocabulary is at least one byte, and the
    /// JSON of a text is at least as long as the text, with some to spare for the marks of each turn.
    fn most_prompt_tokens(&self) -> i64 {
        let json_bytes = |name: &str| {
            self.field(name)
                .map_or(0, |value| saturating(value.to_string().len()))
        };
        match self {
            Self::Chat(_) => ["messages", "tools", "functions", "documents"]
                .into_iter()
                .map(json_bytes)
                .fold(TEMPLATE_TOKENS, i64::saturating_add),
            Self::Text(request) => request
                .prompts
                .iter()
                .map(|prompt| match prompt {
                    // With one more for the mark at the start of a text.
                    Prompt::Text(text) => saturating(text.len() + 1),
                    Prompt::Tokens(tokens) => saturating(tokens.len() + 1),
                })
                .fold(json_bytes("suffix"), i64::saturating_add),
        }
    }

    /// The body to send on, within what was granted.
    pub(super) fn forward(&self, grant: Grant) -> Vec<u8> {
        let default = match self {
            Self::Chat(_) => None,
            Self::Text(request) => request
                .generation
                .max_tokens
                .is_none()
                .then_some(DEFAULT_COMPLETION_TOKENS),
        };
        let changes = Forward {
            model: None,
            max_tokens: grant
                .each_answer
                .and_then(|tokens| u32::try_from(tokens).ok())
                .or(default),
            with_usage: true,
        };
        match self {
            Self::Chat(request) => request.forward(&changes),
            Self::Text(request) => request.forward(&changes),
        }
    }
}

fn exactly(tokens: u64) -> Completion {
    Completion::Exactly(i64::try_from(tokens).unwrap_or(i64::MAX))
}

fn saturating(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_open_chat_request_is_sent_on_with_what_was_granted() {
        let body =
            json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "strange": 1});
        let asked = Asked::chat(body.to_string().as_bytes()).unwrap();
        let grant = Grant {
            tokens: 200,
            each_answer: Some(77),
        };
        let sent: Value = serde_json::from_slice(&asked.forward(grant)).unwrap();
        assert_eq!(
            (&sent["max_tokens"], &sent["strange"]),
            (&json!(77), &json!(1))
        );
    }

    #[test]
    fn a_stream_is_counted_along() {
        let body = json!({"model": "m", "prompt": "x", "stream": true});
        let asked = Asked::text(body.to_string().as_bytes()).unwrap();
        let grant = Grant {
            tokens: 18,
            each_answer: None,
        };
        let sent: Value = serde_json::from_slice(&asked.forward(grant)).unwrap();
        assert_eq!(
            sent["stream_options"]["continuous_usage_stats"],
            json!(true)
        );
        assert_eq!(sent["max_tokens"], json!(16));
    }

    #[test]
    fn hidden_choices_are_refused() {
        let body = json!({"model": "m", "prompt": "x", "best_of": 4});
        let error = Asked::text(body.to_string().as_bytes()).err().unwrap();
        assert_eq!(error.body.param.as_deref(), Some("best_of"));
    }

    proptest! {
        #[test]
        fn no_prompt_has_more_tokens_than_its_bound(contents in prop::collection::vec(".{0,200}", 1..8)) {
            let messages: Vec<_> = contents
                .iter()
                .map(|content| json!({"role": "user", "content": content}))
                .collect();
            let body = json!({"model": "m", "messages": messages});
            let asked = Asked::chat(body.to_string().as_bytes()).unwrap();
            // One token a byte, and ten for the marks of each turn.
            let most: usize = contents.iter().map(|content| content.len() + 10).sum();
            prop_assert!(asked.ask().prompt >= most as i64);
        }
    }
}
