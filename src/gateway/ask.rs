//! A request of any kind: what it may cost at most, from what it says alone, and what is sent on of it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use openai_api::{
    ApiError, ChatRequest, CompletionRequest, DEFAULT_COMPLETION_TOKENS, EmbeddingsRequest,
    Forward, Generation, Prompt, TextKind,
};
use serde_json::Value;

use super::need::Need;

/// So much of a prompt says where it is best answered.
const PREFIX: usize = 256;

/// Covers what a chat template adds by itself: marks around the turns, a system message of its own.
const TEMPLATE_TOKENS: i64 = 128;

/// A request of any kind.
pub(super) enum Asked {
    Chat(ChatRequest),
    Text(CompletionRequest),
    Embeddings(EmbeddingsRequest),
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

    /// Reads a request for embeddings.
    ///
    /// # Errors
    /// 400 that names the field that does not fit.
    pub(super) fn embeddings(body: &[u8]) -> Result<Self, ApiError> {
        EmbeddingsRequest::parse(body).map(Self::Embeddings)
    }

    /// Refuses what makes an upstream generate more than is answered, and so more than could be set aside.
    fn checked(self) -> Result<Self, ApiError> {
        let Some(best_of) = self.field("best_of") else {
            return Ok(self);
        };
        // `4.0` and `"4"` may be four to whoever reads it next.
        let Some(best_of) = best_of.as_u64().filter(|best_of| *best_of > 0) else {
            let message = "'best_of' must be an integer of at least 1.";
            return Err(ApiError::invalid_param("best_of", message));
        };
        if best_of > u64::from(self.generation().n) {
            let message = "'best_of' larger than 'n' is not supported.";
            return Err(ApiError::unsupported_param("best_of", message));
        }
        Ok(self)
    }

    /// A field as it was sent.
    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Chat(request) => request.field(name),
            Self::Text(request) => request.field(name),
            Self::Embeddings(request) => request.field(name),
        }
    }

    /// Shows every text of the prompt to `look`, which answers what it becomes where it changes.
    ///
    /// # Errors
    /// 400 where what it became is no request any more.
    pub(super) fn look_at_texts(
        &mut self,
        look: &mut dyn FnMut(TextKind, &str) -> Option<String>,
    ) -> Result<(), ApiError> {
        match self {
            Self::Chat(request) => request.look_at_texts(look),
            Self::Text(request) => request.look_at_texts(look),
            Self::Embeddings(request) => request.look_at_texts(look),
        }
    }

    pub(super) fn generation(&self) -> &Generation {
        match self {
            Self::Chat(request) => &request.generation,
            Self::Text(request) => &request.generation,
            Self::Embeddings(request) => &request.generation,
        }
    }

    /// The path at the upstream.
    pub(super) fn path(&self) -> &'static str {
        match self {
            Self::Chat(_) => "/v1/chat/completions",
            Self::Text(_) => "/v1/completions",
            Self::Embeddings(_) => "/v1/embeddings",
        }
    }

    /// What it is, in the words of OpenTelemetry.
    pub(super) fn operation(&self) -> &'static str {
        match self {
            Self::Chat(_) => "chat",
            Self::Text(_) => "text_completion",
            Self::Embeddings(_) => "embeddings",
        }
    }

    /// What it begins with, as a number: requests that share it are best answered at the same place.
    pub(super) fn prefix(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let beginning = |text: &str| text.bytes().take(PREFIX).collect::<Vec<_>>();
        self.generation().model.hash(&mut hasher);
        match self {
            Self::Chat(request) => {
                for message in request.messages.iter().take(2) {
                    beginning(&message.content).hash(&mut hasher);
                }
            }
            Self::Text(CompletionRequest { prompts, .. })
            | Self::Embeddings(EmbeddingsRequest {
                inputs: prompts, ..
            }) => match prompts.first() {
                Some(Prompt::Text(text)) => beginning(text).hash(&mut hasher),
                Some(Prompt::Tokens(tokens)) => {
                    tokens
                        .iter()
                        .take(PREFIX)
                        .for_each(|token| token.hash(&mut hasher));
                }
                None => {}
            },
        }
        hasher.finish()
    }

    /// What it may cost.
    pub(super) fn need(&self) -> Need {
        let generation = self.generation();
        let answers = match (self, generation.max_tokens) {
            (Self::Chat(_), None) => None,
            (Self::Chat(request), Some(_)) => Some(request.completion_token_limit()),
            (Self::Text(request), _) => Some(request.completion_token_limit()),
            (Self::Embeddings(_), _) => Some(0),
        };
        let prompts = match self {
            Self::Chat(_) | Self::Embeddings(_) => 1,
            Self::Text(request) => saturating(request.prompts.len()).max(1),
        };
        Need {
            prompt: self.most_prompt_tokens(),
            choices: i64::from(generation.n).saturating_mul(prompts),
            answers: answers.map(|tokens| i64::try_from(tokens).unwrap_or(i64::MAX)),
            grows: generation.stream,
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
            Self::Chat(_) => [
                "messages",
                "tools",
                "functions",
                "documents",
                "chat_template",
                "chat_template_kwargs",
                "response_format",
            ]
            .into_iter()
            .map(json_bytes)
            .fold(TEMPLATE_TOKENS, i64::saturating_add),
            Self::Text(request) => {
                most_tokens(&request.prompts, 1).saturating_add(json_bytes("suffix"))
            }
            Self::Embeddings(request) => most_tokens(&request.inputs, 2),
        }
    }

    /// How long an answer may get, where the request says so in a way that another server may read otherwise: by both
    /// names, or in a text completion by the one that only chats have.
    fn ambiguous_limit(&self) -> Option<u32> {
        let is_text = matches!(self, Self::Text(_));
        self.field("max_completion_tokens")?;
        let is_ambiguous = is_text || self.field("max_tokens").is_some();
        self.generation().max_tokens.filter(|_| is_ambiguous)
    }

    /// The body to send on, with at most `each_answer` tokens for each answer where that is less than it says, and with
    /// `model` as the model's name where it has another one there. `counts_along`: a stream is asked for its counts with
    /// each chunk.
    pub(super) fn forward(
        &self,
        each_answer: Option<i64>,
        model: Option<&str>,
        counts_along: bool,
    ) -> Vec<u8> {
        let default = match self {
            Self::Chat(_) | Self::Embeddings(_) => None,
            Self::Text(request) => request
                .generation
                .max_tokens
                .is_none()
                .then_some(DEFAULT_COMPLETION_TOKENS),
        };
        let changes = Forward {
            model: model.map(str::to_owned),
            max_tokens: each_answer
                .and_then(|tokens| u32::try_from(tokens).ok())
                .or_else(|| self.ambiguous_limit())
                .or(default),
            with_usage: true,
            counts_along,
        };
        match self {
            Self::Chat(request) => request.forward(&changes),
            Self::Text(request) => request.forward(&changes),
            Self::Embeddings(request) => request.forward(model),
        }
    }
}

/// More tokens than prompts can have, with `marks` more each for those at the start and the end of a text.
fn most_tokens(prompts: &[Prompt], marks: usize) -> i64 {
    let of = |prompt: &Prompt| match prompt {
        Prompt::Text(text) => saturating(text.len() + marks),
        Prompt::Tokens(tokens) => saturating(tokens.len() + marks),
    };
    prompts.iter().map(of).fold(0, i64::saturating_add)
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
        let sent: Value = serde_json::from_slice(&asked.forward(Some(77), None, true)).unwrap();
        assert_eq!(
            (&sent["max_tokens"], &sent["strange"]),
            (&json!(77), &json!(1))
        );
    }

    #[test]
    fn a_stream_is_counted_along() {
        let body = json!({"model": "m", "prompt": "x", "stream": true});
        let asked = Asked::text(body.to_string().as_bytes()).unwrap();
        let sent: Value = serde_json::from_slice(&asked.forward(None, None, true)).unwrap();
        assert_eq!(
            sent["stream_options"]["continuous_usage_stats"],
            json!(true)
        );
        assert_eq!(sent["max_tokens"], json!(16));
        let strict = asked.forward(None, Some("org/other"), false);
        let sent: Value = serde_json::from_slice(&strict).unwrap();
        assert_eq!(sent["stream_options"], json!({"include_usage": true}));
        assert_eq!(sent["model"], "org/other");
    }

    #[test]
    fn a_limit_by_two_names_is_sent_on_by_one() {
        let body =
            json!({"model": "m", "prompt": "x", "max_tokens": 900_000, "max_completion_tokens": 7});
        let asked = Asked::text(body.to_string().as_bytes()).unwrap();
        assert_eq!(asked.need().answers, Some(7));
        let sent: Value = serde_json::from_slice(&asked.forward(None, None, true)).unwrap();
        assert_eq!(sent["max_tokens"], 7);
        assert!(sent.get("max_completion_tokens").is_none(), "{sent}");
    }

    #[test]
    fn hidden_choices_are_refused() {
        for hidden in [
            json!(4),
            json!(4.0),
            json!("4"),
            json!(1.0),
            json!(0),
            json!([4]),
            json!(-1),
        ] {
            let body = json!({"model": "m", "prompt": "x", "best_of": hidden});
            let error = Asked::text(body.to_string().as_bytes()).err().unwrap();
            assert_eq!(error.body.param.as_deref(), Some("best_of"), "{hidden}");
        }
        for (name, value) in [
            ("n", json!(2.0)),
            ("n", json!("2")),
            ("max_tokens", json!("7")),
        ] {
            let mut body = json!({"model": "m", "prompt": "x"});
            body[name] = value;
            let error = Asked::text(body.to_string().as_bytes()).err().unwrap();
            assert_eq!(error.body.param.as_deref(), Some(name));
        }
        let plain = json!({"model": "m", "prompt": "x", "best_of": 2, "n": 2});
        assert!(Asked::text(plain.to_string().as_bytes()).is_ok());
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
            prop_assert!(asked.need().prompt >= most as i64);
        }
    }
}
