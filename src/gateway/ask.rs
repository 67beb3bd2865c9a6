//! What a request may cost at most, from what it says alone.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use openai_api::{
    ApiError, ChatRequest, CompletionRequest, DEFAULT_CHAT_TOKENS, DEFAULT_COMPLETION_TOKENS,
    EmbeddingsRequest, Forward, Generation, Prompt, TextKind,
};
use serde_json::Value;

/// An answer of open length begins with at least this many tokens, or is refused.
const LEAST_OPEN: i64 = 32;
/// A stream that says how long it may get sets aside so many tokens for each answer at first; it grows.
const FIRST: i64 = 256;

/// So much of a prompt says where it is best answered.
const PREFIX: usize = 256;

/// What a request may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    /// More tokens than the prompt can have.
    pub(super) prompt: i64,
    /// Answers asked for.
    pub(super) choices: i64,
    /// The most tokens of all answers together, where the request says so.
    pub(super) answers: Option<i64>,
    /// Whether more can be set aside while it is answered, for the count is known as it goes.
    pub(super) grows: bool,
}

impl Need {
    /// Tokens without which it cannot begin, and those beyond which it has no use for more at first.
    pub(super) fn first(&self) -> (i64, i64) {
        let of_each = |tokens: i64| tokens.saturating_mul(self.choices);
        let (least, most) = match self.answers {
            Some(tokens) if self.grows => {
                (tokens.min(of_each(LEAST_OPEN)), tokens.min(of_each(FIRST)))
            }
            Some(tokens) => (tokens, tokens),
            // So that a budget for ten serves ten: it grows soon enough.
            None if self.grows => (of_each(LEAST_OPEN), of_each(LEAST_OPEN)),
            None => (of_each(LEAST_OPEN), of_each(i64::from(DEFAULT_CHAT_TOKENS))),
        };
        let with_prompt = |tokens: i64| self.prompt.saturating_add(tokens).max(1);
        (with_prompt(least), with_prompt(most))
    }

    /// The most tokens of each answer to ask the upstream for, where that is less than the request itself says;
    /// `left` is what could be set aside beyond `held`.
    pub(super) fn each_answer(&self, held: i64, left: Option<i64>) -> Option<i64> {
        let of = |tokens: i64| (tokens / self.choices).max(1);
        match self.answers {
            Some(_) if !self.grows => None,
            None if !self.grows => Some(of(held.saturating_sub(self.prompt))),
            // The prompt may be far shorter than it can be.
            Some(tokens) => {
                let each = of(held.saturating_add(left?));
                (each < tokens / self.choices).then_some(each)
            }
            None => {
                let each = of(held.saturating_add(left?));
                (each < i64::from(DEFAULT_CHAT_TOKENS)).then_some(each)
            }
        }
    }
}

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
        let best_of = self.field("best_of").and_then(Value::as_u64).unwrap_or(1);
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
            Self::Chat(_) => ["messages", "tools", "functions", "documents"]
                .into_iter()
                .map(json_bytes)
                .fold(TEMPLATE_TOKENS, i64::saturating_add),
            Self::Text(request) => {
                most_tokens(&request.prompts, 1).saturating_add(json_bytes("suffix"))
            }
            Self::Embeddings(request) => most_tokens(&request.inputs, 2),
        }
    }

    /// The body to send on, with at most `each_answer` tokens for each answer where that is less than it says.
    pub(super) fn forward(&self, each_answer: Option<i64>) -> Vec<u8> {
        let default = match self {
            Self::Chat(_) | Self::Embeddings(_) => None,
            Self::Text(request) => request
                .generation
                .max_tokens
                .is_none()
                .then_some(DEFAULT_COMPLETION_TOKENS),
        };
        let changes = Forward {
            model: None,
            max_tokens: each_answer
                .and_then(|tokens| u32::try_from(tokens).ok())
                .or(default),
            with_usage: true,
        };
        match self {
            Self::Chat(request) => request.forward(&changes),
            Self::Text(request) => request.forward(&changes),
            Self::Embeddings(request) => request.forward(),
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
        let sent: Value = serde_json::from_slice(&asked.forward(Some(77))).unwrap();
        assert_eq!(
            (&sent["max_tokens"], &sent["strange"]),
            (&json!(77), &json!(1))
        );
    }

    #[test]
    fn a_stream_is_counted_along() {
        let body = json!({"model": "m", "prompt": "x", "stream": true});
        let asked = Asked::text(body.to_string().as_bytes()).unwrap();
        let sent: Value = serde_json::from_slice(&asked.forward(None)).unwrap();
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

    #[test]
    fn a_stream_sets_aside_little_and_a_whole_answer_all() {
        let need = |more: Value| {
            let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
            body.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            let need = Asked::chat(body.to_string().as_bytes()).unwrap().need();
            let (least, most) = need.first();
            (least - need.prompt, most - need.prompt, need)
        };
        let (least, most, long) = need(json!({"stream": true, "max_tokens": 32_000}));
        assert_eq!((least, most), (32, 256));
        assert_eq!(long.each_answer(long.prompt + 256, None), None);
        assert_eq!(long.each_answer(256, Some(744)), Some(1000));
        let (least, most, _) = need(json!({"stream": true, "max_tokens": 20}));
        assert_eq!((least, most), (20, 20));
        let (least, most, _) = need(json!({"max_tokens": 32_000}));
        assert_eq!((least, most), (32_000, 32_000));
        let (least, most, open) = need(json!({"n": 2}));
        assert_eq!((least, most), (64, 1024));
        assert_eq!(open.each_answer(open.prompt + 64, None), Some(32));
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
