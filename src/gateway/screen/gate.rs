//! Holds an answer back until each piece of it was judged.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Stopped,
    judge::{Judge, Judgement},
};

/// So much new text is judged at once, in bytes; less where it waits for longer than [`WAIT`].
const PIECE: usize = 800;
const WAIT: Duration = Duration::from_secs(1);
/// So much of what was judged before goes along, for the sense of it.
const BEFORE: usize = 400;
/// So much is held back at most, whatever it is.
const MOST_HELD: usize = 256 * 1024;

pub(super) struct Gate {
    judge: Arc<Judge>,
    /// Cancelled when the answer comes faster than it is judged, and too much waits.
    behind: CancellationToken,
    held: Vec<Bytes>,
    held_bytes: usize,
    since: Option<Instant>,
    texts: BTreeMap<u64, Text>,
    /// Choices that ended, as far as the client has seen and as far as has come.
    ended: BTreeSet<u64>,
    ending: BTreeSet<u64>,
}

/// The text of one choice.
#[derive(Default)]
struct Text {
    /// The end of what was judged.
    before: String,
    new: String,
}

impl Gate {
    pub(super) fn new(judge: Arc<Judge>) -> Self {
        Self {
            judge,
            behind: CancellationToken::new(),
            held: Vec::new(),
            held_bytes: 0,
            since: None,
            texts: BTreeMap::new(),
            ended: BTreeSet::new(),
            ending: BTreeSet::new(),
        }
    }

    /// Takes note of the texts of a chunk.
    pub(super) fn note(&mut self, chunk: &Value) {
        for choice in chunk
            .get("choices")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
            let text = self.texts.entry(index).or_default();
            collect(choice, &mut |piece| text.new.push_str(piece));
            if choice
                .get("finish_reason")
                .is_some_and(|reason| !reason.is_null())
            {
                self.ending.insert(index);
            }
        }
    }

    pub(super) async fn admit(&mut self, bytes: Bytes) -> Result<Vec<Bytes>, Stopped> {
        self.held_bytes += bytes.len();
        self.held.push(bytes);
        let since = *self.since.get_or_insert_with(Instant::now);
        let new: usize = self.texts.values().map(|text| text.new.len()).sum();
        let is_due = new == 0
            || new >= PIECE
            || self.held_bytes >= MOST_HELD
            || since.elapsed() >= WAIT
            || !self.ending.is_empty();
        if is_due {
            self.release().await
        } else {
            Ok(Vec::new())
        }
    }

    /// Has what is new judged; answers what was held back.
    pub(super) async fn release(&mut self) -> Result<Vec<Bytes>, Stopped> {
        let texts: Vec<String> = self
            .texts
            .values()
            .filter(|text| !text.new.is_empty())
            .map(|text| format!("{}{}", text.before, text.new))
            .collect();
        if !texts.is_empty() {
            let asked = self.judge.judge(&texts);
            let judged = self.behind.run_until_cancelled(asked).await;
            match judged.unwrap_or_else(|| self.judge.failed("too slow for the answer")) {
                Judgement::Pass => {}
                Judgement::Flagged => return Err(Stopped::Flagged),
                Judgement::Unknown => return Err(Stopped::Unjudged),
            }
        }
        for text in self.texts.values_mut() {
            text.before.push_str(&std::mem::take(&mut text.new));
            let mut from = text.before.len().saturating_sub(BEFORE);
            while !text.before.is_char_boundary(from) {
                from += 1;
            }
            text.before.drain(..from);
        }
        self.ended.append(&mut self.ending);
        self.since = None;
        self.held_bytes = 0;
        Ok(std::mem::take(&mut self.held))
    }

    /// To be cancelled when too much waits to be judged.
    pub(super) fn behind(&self) -> CancellationToken {
        self.behind.clone()
    }

    /// Choices whose end the client has not seen.
    pub(super) fn open(&self) -> Vec<u64> {
        let all = self.texts.keys().copied();
        all.filter(|index| !self.ended.contains(index)).collect()
    }
}

/// The texts of a whole answer, one a choice.
pub(super) fn texts_of(answer: &Value) -> Vec<String> {
    let choices = answer.get("choices").and_then(Value::as_array);
    let texts = choices.into_iter().flatten().map(|choice| {
        let mut text = String::new();
        collect(choice, &mut |piece| text.push_str(piece));
        text
    });
    texts.filter(|text| !text.is_empty()).collect()
}

/// Leaves nothing of a whole answer but that it may not be seen. What may stay is named, for servers add fields of their
/// own that tell of the words, such as `token_ids` and `prompt_logprobs`.
pub(super) fn empty(answer: &mut Value) {
    let Some(map) = answer.as_object_mut() else {
        return;
    };
    map.retain(|name, _| {
        matches!(
            name.as_str(),
            "id" | "object" | "created" | "model" | "choices" | "usage" | "system_fingerprint"
        )
    });
    let choices = map.get_mut("choices").and_then(Value::as_array_mut);
    for choice in choices.into_iter().flatten() {
        let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
        *choice = if choice.get("message").is_some() {
            let nothing = json!({"role": "assistant", "content": ""});
            json!({"index": index, "message": nothing, "finish_reason": "content_filter"})
        } else {
            json!({"index": index, "text": "", "finish_reason": "content_filter"})
        };
    }
}

/// Shows each text of a choice.
fn collect(value: &Value, show: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => show(text),
        Value::Array(list) => list.iter().for_each(|one| collect(one, show)),
        Value::Object(map) => {
            for (name, value) in map {
                let is_text = !matches!(
                    name.as_str(),
                    "role" | "id" | "type" | "finish_reason" | "stop_reason" | "logprobs" | "name"
                );
                if is_text {
                    collect(value, show);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_a_flagged_answer() {
        let usage = json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3});
        let mut chat = json!({
            "id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
            "choices": [{
                "index": 1, "finish_reason": "stop", "stop_reason": "verboden", "token_ids": [7, 8],
                "message": {"role": "assistant", "content": "verboden", "reasoning_content": "verboden"},
                "logprobs": {"content": [{"token": "verboden"}]},
            }],
            "prompt_logprobs": [{"7": {"decoded_token": "verboden"}}], "prompt_token_ids": [7],
        });
        empty(&mut chat);
        let nothing = json!({"role": "assistant", "content": ""});
        assert_eq!(
            chat,
            json!({
                "id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
                "choices": [{"index": 1, "message": nothing, "finish_reason": "content_filter"}],
            })
        );
        let mut text = json!({"choices": [{
            "index": 0, "text": "verboden", "finish_reason": "stop", "prompt_token_ids": [7],
        }]});
        empty(&mut text);
        let choice = json!({"index": 0, "text": "", "finish_reason": "content_filter"});
        assert_eq!(text, json!({"choices": [choice]}));
    }
}
