//! How likely the tokens of an answer were, in the two forms of the API.

use openai_api::ApiError;
use serde_json::{Map, Value, json};

use super::answer::Kind;
use crate::engine::{Scored, ScoredToken};

/// Most alternatives that a chat may ask for.
const MOST_CHAT: u64 = 20;
/// Most alternatives that a text completion may ask for.
const MOST_TEXT: u64 = 5;

/// How many alternatives of each token a request asks for; none where it asks for no probabilities.
///
/// # Errors
/// 400 where the fields do not fit.
pub(super) fn asked<'a>(
    kind: Kind,
    field: impl Fn(&str) -> Option<&'a Value>,
) -> Result<Option<usize>, ApiError> {
    let number = |name: &str, most: u64| match field(name) {
        None => Ok(None),
        Some(value) => {
            let fits = value.as_u64().filter(|number| *number <= most);
            let message = || {
                ApiError::invalid_param(
                    name,
                    format!("'{name}' must be an integer from 0 to {most}."),
                )
            };
            fits.map(|number| Some(number as usize)).ok_or_else(message)
        }
    };
    match kind {
        Kind::Text => number("logprobs", MOST_TEXT),
        Kind::Chat => {
            let top = number("top_logprobs", MOST_CHAT)?;
            let is_on = match field("logprobs") {
                None => false,
                Some(value) => value.as_bool().ok_or_else(|| {
                    ApiError::invalid_param("logprobs", "'logprobs' must be true or false.")
                })?,
            };
            match (is_on, top) {
                (true, top) => Ok(Some(top.unwrap_or(0))),
                (false, None) => Ok(None),
                (false, Some(_)) => Err(ApiError::invalid_param(
                    "top_logprobs",
                    "'top_logprobs' needs 'logprobs' to be true.",
                )),
            }
        }
    }
}

/// The tokens as the field `logprobs` of a choice; null where none were asked for.
///
/// `offset` is the number of characters before them.
pub(super) fn field(kind: Kind, tokens: &[ScoredToken], offset: usize) -> Option<Value> {
    if tokens.is_empty() {
        return None;
    }
    Some(match kind {
        Kind::Chat => json!({"content": tokens.iter().map(chat_entry).collect::<Vec<_>>()}),
        Kind::Text => text_form(tokens, offset),
    })
}

/// The characters of some tokens, where each is shown by itself.
pub(super) fn characters(tokens: &[ScoredToken]) -> usize {
    let length = |token: &ScoredToken| text(&token.chosen).chars().count();
    tokens.iter().map(length).sum()
}

fn text(scored: &Scored) -> String {
    String::from_utf8_lossy(&scored.bytes).into_owned()
}

fn chat_entry(token: &ScoredToken) -> Value {
    let one = |scored: &Scored| json!({"token": text(scored), "logprob": scored.logprob, "bytes": scored.bytes});
    let mut entry = one(&token.chosen);
    entry["top_logprobs"] = token.top.iter().map(one).collect();
    entry
}

fn text_form(tokens: &[ScoredToken], offset: usize) -> Value {
    let top = |token: &ScoredToken| -> Value {
        let alternatives = token
            .top
            .iter()
            .map(|scored| (text(scored), json!(scored.logprob)));
        Value::Object(alternatives.collect::<Map<String, Value>>())
    };
    let mut at = offset;
    let mut offsets = Vec::with_capacity(tokens.len());
    for token in tokens {
        offsets.push(at);
        at += characters(std::slice::from_ref(token));
    }
    json!({
        "tokens": tokens.iter().map(|token| text(&token.chosen)).collect::<Vec<_>>(),
        "token_logprobs": tokens.iter().map(|token| token.chosen.logprob).collect::<Vec<_>>(),
        "top_logprobs": tokens.iter().map(top).collect::<Vec<_>>(),
        "text_offset": offsets,
    })
}
