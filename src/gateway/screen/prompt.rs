//! The texts of what is asked.

use openai_api::{ApiError, Prompt, TextKind};
use personal_data::{JsonRedactor, redact};
use serde_json::Value;

use crate::gateway::ask::Asked;

/// Masks personal data in every text of a prompt.
///
/// # Errors
/// 400 where what is left is no request.
pub(super) fn mask(asked: &mut Asked) -> Result<(), ApiError> {
    asked.look_at_texts(&mut |kind, text| {
        let masked = match kind {
            TextKind::Text => redact(text),
            TextKind::Json => redact_json(text),
        };
        (masked != text).then_some(masked)
    })
}

/// A whole JSON text with marks.
pub(super) fn redact_json(text: &str) -> String {
    let mut redactor = JsonRedactor::default();
    let mut out = redactor.push(text);
    out.push_str(&redactor.finish());
    out
}

/// Every text of a prompt.
///
/// # Errors
/// Never: nothing is changed.
pub(super) fn texts(asked: &mut Asked) -> Result<Vec<String>, ApiError> {
    let mut texts = Vec::new();
    asked.look_at_texts(&mut |_, text| {
        texts.push(text.to_owned());
        None
    })?;
    Ok(texts)
}

/// Whether the prompt is of token ids, which only the model can read.
pub(super) fn has_tokens(asked: &Asked) -> bool {
    let prompts = match asked {
        Asked::Chat(_) => return false,
        Asked::Text(request) => &request.prompts,
        Asked::Embeddings(request) => &request.inputs,
    };
    prompts
        .iter()
        .any(|prompt| matches!(prompt, Prompt::Tokens(_)))
}

/// Whether the answer is to be JSON. Only what a chat asks for by `response_format` counts: an upstream may pass over
/// other fields, and the answer is text then.
pub(super) fn wants_json(asked: &Asked) -> bool {
    let Asked::Chat(request) = asked else {
        return false;
    };
    let kind = request
        .field("response_format")
        .and_then(|format| format.get("type"))
        .and_then(Value::as_str);
    matches!(kind, Some("json_object" | "json_schema"))
}
