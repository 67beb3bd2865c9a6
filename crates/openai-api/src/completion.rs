use serde_json::{Map, Value};

use crate::{
    ApiError, DEFAULT_COMPLETION_TOKENS, Forward, Generation, TextKind,
    fields::{given, missing, object, wrong_type},
    texts,
};

/// Most prompts of one request.
pub const MAX_PROMPTS: usize = 8;

/// A `POST /v1/completions` body.
#[derive(Debug, Clone, PartialEq)]
pub struct CompletionRequest {
    pub generation: Generation,
    /// 1 to [`MAX_PROMPTS`] prompts.
    pub prompts: Vec<Prompt>,
    raw: Map<String, Value>,
}

/// What to continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    Text(String),
    /// Token ids of the model's own tokenizer; whether they exist is for the server to check.
    Tokens(Vec<u32>),
}

impl CompletionRequest {
    /// Reads a request body.
    ///
    /// # Errors
    /// A 400 [`ApiError`] that names the first field that does not fit.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let raw = object(body)?;
        let generation = Generation::parse(&raw)?;
        let prompts = prompts(&raw)?;
        Ok(Self {
            generation,
            prompts,
            raw,
        })
    }

    /// A field as it was sent, where it is there and not null; for fields this type does not know.
    pub fn field(&self, name: &str) -> Option<&Value> {
        given(&self.raw, name)
    }

    /// Most completion tokens of all prompts and choices together.
    pub fn completion_token_limit(&self) -> u64 {
        let limit = self
            .generation
            .max_tokens
            .unwrap_or(DEFAULT_COMPLETION_TOKENS);
        u64::from(limit) * u64::from(self.generation.n) * self.prompts.len() as u64
    }

    /// Shows every text of the prompt to `look`, which answers what it becomes where it changes.
    ///
    /// # Errors
    /// 400 where what it became is no request any more.
    pub fn look_at_texts(
        &mut self,
        look: &mut dyn FnMut(TextKind, &str) -> Option<String>,
    ) -> Result<(), ApiError> {
        texts::look(&mut self.raw, look);
        self.prompts = prompts(&self.raw)?;
        Ok(())
    }

    /// The body to send on: as it came, unknown fields included, with `changes` made.
    pub fn forward(&self, changes: &Forward) -> Vec<u8> {
        Generation::forward(&self.raw, self.generation.stream, changes)
    }
}

fn prompts(raw: &Map<String, Value>) -> Result<Vec<Prompt>, ApiError> {
    let expected = || {
        wrong_type(
            "prompt",
            "a string, a list of strings or a list of token ids",
        )
    };
    let list = match given(raw, "prompt") {
        Some(Value::String(text)) => return Ok(vec![Prompt::Text(text.clone())]),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(expected()),
        None => return Err(missing("prompt")),
    };
    if list.first().is_some_and(Value::is_number) {
        return Ok(vec![Prompt::Tokens(tokens(list).ok_or_else(expected)?)]);
    }
    if list.is_empty() || list.len() > MAX_PROMPTS {
        let message = format!("'prompt' must have 1 to {MAX_PROMPTS} entries.");
        return Err(ApiError::invalid_param("prompt", message));
    }
    let prompt = |value: &Value| match value {
        Value::String(text) => Some(Prompt::Text(text.clone())),
        Value::Array(ids) => tokens(ids).map(Prompt::Tokens),
        _ => None,
    };
    list.iter()
        .map(|value| prompt(value).ok_or_else(expected))
        .collect()
}

fn tokens(list: &[Value]) -> Option<Vec<u32>> {
    list.iter()
        .map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok()))
        .collect()
}
