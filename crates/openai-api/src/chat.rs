use serde_json::{Map, Value};

use crate::{
    ApiError, DEFAULT_CHAT_TOKENS, Forward, Generation, TextKind,
    fields::{given, missing, object, wrong_type},
    texts,
};

/// Most messages of one request.
pub const MAX_MESSAGES: usize = 1024;

/// A `POST /v1/chat/completions` body.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatRequest {
    pub generation: Generation,
    /// 1 to [`MAX_MESSAGES`] messages.
    pub messages: Vec<Message>,
    raw: Map<String, Value>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    System,
    Developer,
    User,
    Assistant,
    Tool,
}

/// One turn of a chat; text parts are joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub role: Role,
    pub content: String,
}

impl Role {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

impl ChatRequest {
    /// Reads a request body.
    ///
    /// # Errors
    /// A 400 [`ApiError`] that names the first field that does not fit.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let raw = object(body)?;
        let generation = Generation::parse(&raw)?;
        let messages = messages(&raw)?;
        Ok(Self {
            generation,
            messages,
            raw,
        })
    }

    /// A field as it was sent, where it is there and not null; for fields this type does not know.
    pub fn field(&self, name: &str) -> Option<&Value> {
        given(&self.raw, name)
    }

    /// Most completion tokens of all choices together.
    pub fn completion_token_limit(&self) -> u64 {
        let limit = self.generation.max_tokens.unwrap_or(DEFAULT_CHAT_TOKENS);
        u64::from(limit) * u64::from(self.generation.n)
    }

    /// Shows every text of the prompt to `look`, which answers what it becomes where it changes. The text parts of
    /// a message become one text first, so that what is cut over two of them is seen whole.
    ///
    /// # Errors
    /// 400 where what it became is no request any more.
    pub fn look_at_texts(
        &mut self,
        look: &mut dyn FnMut(TextKind, &str) -> Option<String>,
    ) -> Result<(), ApiError> {
        self.join_parts();
        texts::look(&mut self.raw, look);
        self.messages = messages(&self.raw)?;
        Ok(())
    }

    /// What is sent on must be what was looked at: the parts do not stay next to their joined text.
    fn join_parts(&mut self) {
        let sent = self.raw.get_mut("messages").and_then(Value::as_array_mut);
        for (sent, message) in sent.into_iter().flatten().zip(&self.messages) {
            if let Some(content) = sent.get_mut("content")
                && content.is_array()
            {
                *content = Value::String(message.content.clone());
            }
        }
    }

    /// The body to send on: as it came, unknown fields included, with `changes` made.
    pub fn forward(&self, changes: &Forward) -> Vec<u8> {
        Generation::forward(&self.raw, self.generation.stream, changes)
    }
}

fn messages(raw: &Map<String, Value>) -> Result<Vec<Message>, ApiError> {
    let list = match given(raw, "messages") {
        Some(Value::Array(list)) => list,
        Some(_) => return Err(wrong_type("messages", "a list of messages")),
        None => return Err(missing("messages")),
    };
    if list.is_empty() || list.len() > MAX_MESSAGES {
        let message = format!("'messages' must have 1 to {MAX_MESSAGES} entries.");
        return Err(ApiError::invalid_param("messages", message));
    }
    list.iter()
        .enumerate()
        .map(|(at, value)| message(at, value))
        .collect()
}

fn message(at: usize, value: &Value) -> Result<Message, ApiError> {
    let Value::Object(map) = value else {
        return Err(wrong_type(&format!("messages[{at}]"), "an object"));
    };
    let role_name = format!("messages[{at}].role");
    let role = match given(map, "role") {
        Some(Value::String(role)) => role.as_str(),
        Some(_) => return Err(wrong_type(&role_name, "a string")),
        None => return Err(missing(&role_name)),
    };
    let role = match role {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        _ => {
            let known = "'role' must be system, developer, user, assistant or tool.";
            return Err(ApiError::invalid_param(&role_name, known));
        }
    };
    let content_name = format!("messages[{at}].content");
    let content = match given(map, "content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .map(|part| text_part(part, &content_name))
            .collect::<Result<String, _>>()?,
        Some(_) => {
            return Err(wrong_type(
                &content_name,
                "a string or a list of text parts",
            ));
        }
        // An assistant turn may consist of tool calls alone.
        None if role == Role::Assistant => String::new(),
        None => return Err(missing(&content_name)),
    };
    Ok(Message { role, content })
}

fn text_part<'a>(part: &'a Value, name: &str) -> Result<&'a str, ApiError> {
    match (part.get("type").and_then(Value::as_str), part.get("text")) {
        (Some("text"), Some(Value::String(text))) => Ok(text),
        (Some("text"), _) => Err(wrong_type(name, "a list of parts with a 'text' each")),
        _ => Err(ApiError::unsupported_param(
            name,
            "Only text parts are supported.",
        )),
    }
}
