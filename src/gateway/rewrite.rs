//! The events of a stream on their way to the client: counted, and without what the client did not ask for.

use std::{borrow::Cow, collections::BTreeSet};

use bytes::Bytes;
use openai_api::{DONE_EVENT, SseEvent, StreamOptions, Usage, encode_event};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{json, value::RawValue};

/// Reads the usage along, and takes out what only we asked for.
#[derive(Debug)]
pub(super) struct Rewriter {
    asked: StreamOptions,
    usage: Option<Usage>,
    /// Chunks that had an answer in them: where nobody counts, each is a token at least.
    chunks: u64,
    has_failed: bool,
    head: Option<Head>,
    /// Choices that have not ended.
    open: BTreeSet<u64>,
}

/// What each chunk of a stream begins with.
#[derive(Debug)]
struct Head {
    id: String,
    object: String,
    created: u64,
    model: String,
}

/// What is read of a chunk; the rest passes as it is.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    object: Cow<'a, str>,
    #[serde(default)]
    created: u64,
    #[serde(borrow, default)]
    model: Cow<'a, str>,
    choices: Option<Vec<Choice>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u64,
    finish_reason: Option<IgnoredAny>,
}

/// What becomes of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// To the client, untouched wherever that is possible.
    On(Bytes),
    /// It was for us alone.
    Held,
    /// The stream is complete.
    Done(Bytes),
}

impl Rewriter {
    /// For a client that asked for `asked`.
    pub(super) fn new(asked: StreamOptions) -> Self {
        Self {
            asked,
            usage: None,
            chunks: 0,
            has_failed: false,
            head: None,
            open: BTreeSet::new(),
        }
    }

    /// The last counts that the upstream gave.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// How far the answer is: by the upstream's counts, else by what was seen of it after a prompt of at most
    /// `prompt` tokens.
    pub(super) fn so_far(&self, prompt: i64) -> Usage {
        let seen = Usage::new(u64::try_from(prompt).unwrap_or_default(), self.chunks);
        self.usage.unwrap_or(seen)
    }

    /// Whether the upstream said that it failed.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Takes the next event.
    pub(super) fn pass(&mut self, event: SseEvent) -> Passed {
        if event.is_done() {
            return Passed::Done(event.raw.into());
        }
        match serde_json::from_slice::<Chunk<'_>>(&event.data) {
            Ok(chunk) => {
                let passed = self.pass_chunk(&chunk, &event.data);
                passed.unwrap_or_else(|| Passed::On(event.raw.into()))
            }
            // A comment that keeps the line alive, or something we do not know.
            Err(_) => Passed::On(event.raw.into()),
        }
    }

    /// What becomes of a chunk; none where it passes as it is.
    fn pass_chunk(&mut self, chunk: &Chunk<'_>, data: &[u8]) -> Option<Passed> {
        self.has_failed |= chunk.error.is_some();
        let counts = chunk
            .usage
            .and_then(|usage| serde_json::from_str::<Usage>(usage.get()).ok());
        self.usage = counts.or(self.usage);
        self.note_choices(chunk);
        let has_choices = chunk
            .choices
            .as_ref()
            .is_none_or(|choices| !choices.is_empty());
        let is_closing_count = counts.is_some() && !has_choices;
        if is_closing_count && !self.asked.include_usage {
            return Some(Passed::Held);
        }
        if counts.is_none() && self.asked.include_usage
            || is_closing_count
            || self.asked.continuous_usage_stats
        {
            return None;
        }
        let new = self.asked.include_usage.then_some("null");
        let rest = without(data, chunk.usage?, new)?;
        Some(Passed::On(rest))
    }

    fn note_choices(&mut self, chunk: &Chunk<'_>) {
        let choices = chunk.choices.iter().flatten();
        for choice in choices {
            self.chunks += 1;
            if choice.finish_reason.is_some() {
                self.open.remove(&choice.index);
            } else {
                self.open.insert(choice.index);
            }
        }
        if self.head.is_none() {
            self.head = Some(Head {
                id: chunk.id.clone().into_owned(),
                object: chunk.object.clone().into_owned(),
                created: chunk.created,
                model: chunk.model.clone().into_owned(),
            });
        }
    }

    /// Choices that have not ended.
    pub(super) fn open(&self) -> Vec<u64> {
        self.open.iter().copied().collect()
    }

    /// One more chunk of the same stream; nothing where it has not begun.
    pub(super) fn chunk(&self, choices: serde_json::Value, usage: Option<Usage>) -> Bytes {
        let Some(head) = &self.head else {
            return Bytes::new();
        };
        let mut chunk = json!({
            "id": head.id, "object": head.object, "created": head.created, "model": head.model,
            "choices": choices,
        });
        if let (Some(usage), Some(map)) = (usage, chunk.as_object_mut()) {
            map.insert("usage".to_owned(), json!(usage));
        }
        // A JSON value always serialises.
        encode_event(&chunk).unwrap_or_default().into()
    }

    /// The end of a stream that does not end by itself: each of the `open` choices ends for `reason`, then the counts
    /// where they were asked for.
    pub(super) fn end(&self, open: &[u64], reason: &str, usage: Option<Usage>) -> Bytes {
        let is_chat = self
            .head
            .as_ref()
            .is_none_or(|head| head.object.starts_with("chat"));
        let choices = open.iter().map(|index| {
            if is_chat {
                json!({"index": index, "delta": {}, "finish_reason": reason})
            } else {
                json!({"index": index, "text": "", "logprobs": null, "finish_reason": reason})
            }
        });
        let mut text = self.chunk(choices.collect(), None).to_vec();
        if self.asked.include_usage && usage.is_some() {
            text.extend(self.chunk(json!([]), usage));
        }
        text.extend_from_slice(DONE_EVENT);
        text.into()
    }
}

/// The event without the field `usage`, or with another value for it; `usage` is a part of `data`.
fn without(data: &[u8], usage: &RawValue, new: Option<&str>) -> Option<Bytes> {
    let begin = usage
        .get()
        .as_ptr()
        .addr()
        .checked_sub(data.as_ptr().addr())?;
    let end = begin + usage.get().len();
    let (mut before, mut after) = (data.get(..begin)?, data.get(end..)?);
    let mut event = Vec::with_capacity(data.len() + 16);
    event.extend_from_slice(b"data: ");
    if let Some(new) = new {
        event.extend_from_slice(before);
        event.extend_from_slice(new.as_bytes());
    } else {
        before = before.trim_ascii_end().strip_suffix(b":")?;
        before = before.trim_ascii_end().strip_suffix(b"\"usage\"")?;
        before = before.trim_ascii_end();
        match before.strip_suffix(b",") {
            Some(earlier) => before = earlier,
            None => after = after.trim_ascii_start().strip_prefix(b",").unwrap_or(after),
        }
        event.extend_from_slice(before);
    }
    event.extend_from_slice(after);
    event.extend_from_slice(b"\n\n");
    Some(event.into())
}

#[cfg(test)]
mod tests {
    use openai_api::SseSplitter;

    use super::*;

    const STREAM: &str = concat!(
        ": ping\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1,\"total_tokens\":4}}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n",
        "data: [DONE]\n\n",
    );

    fn run(include_usage: bool, continuous_usage_stats: bool) -> (String, Option<Usage>) {
        let mut rewriter = Rewriter::new(StreamOptions {
            include_usage,
            continuous_usage_stats,
        });
        let mut text = Vec::new();
        for event in SseSplitter::new(10_000).push(STREAM.as_bytes()).unwrap() {
            match rewriter.pass(event) {
                Passed::On(bytes) | Passed::Done(bytes) => text.extend(bytes),
                Passed::Held => {}
            }
        }
        (String::from_utf8(text).unwrap(), rewriter.usage())
    }

    #[test]
    fn a_client_that_did_not_ask_sees_no_counts() {
        let (text, usage) = run(false, false);
        assert!(!text.contains("usage"), "{text}");
        assert_eq!(text.matches("data: ").count(), 3);
        assert_eq!(usage, Some(Usage::new(3, 2)));
    }

    #[test]
    fn a_client_that_asked_for_the_sum_gets_it_once() {
        let (text, _) = run(true, false);
        assert_eq!(text.matches("\"usage\":null").count(), 2);
        assert_eq!(text.matches("total_tokens").count(), 1);
    }

    #[test]
    fn a_client_that_counts_along_gets_every_byte() {
        assert_eq!(run(true, true).0, STREAM);
    }

    #[test]
    fn an_error_of_the_upstream_is_noticed() {
        let mut rewriter = Rewriter::new(StreamOptions::default());
        let event = "data: {\"error\":{\"message\":\"x\"}}\n\n";
        for event in SseSplitter::new(1000).push(event.as_bytes()).unwrap() {
            assert!(matches!(rewriter.pass(event), Passed::On(_)));
        }
        assert!(rewriter.has_failed());
    }

    #[test]
    fn only_the_field_goes_wherever_it_stands() {
        for (data, rest) in [
            (
                r#"{"usage":{"prompt_tokens":1,"total_tokens":1},"a":1}"#,
                r#"{"a":1}"#,
            ),
            (
                r#"{"a":"\"usage\":{}", "usage" : {"prompt_tokens":1,"total_tokens":1} }"#,
                r#"{"a":"\"usage\":{}" }"#,
            ),
            (r#"{"usage":null}"#, r#"{}"#),
        ] {
            let chunk: Chunk<'_> = serde_json::from_str(data).unwrap();
            let Some(usage) = chunk.usage else { continue };
            let left = without(data.as_bytes(), usage, None).unwrap();
            assert_eq!(left, format!("data: {rest}\n\n").as_bytes());
        }
    }

    #[test]
    fn a_stream_that_ends_at_its_budget_ends_as_any_other() {
        let mut rewriter = Rewriter::new(StreamOptions {
            include_usage: true,
            continuous_usage_stats: false,
        });
        let chunk = concat!(
            "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\",",
            "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}],",
            "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1,\"total_tokens\":4}}\n\n",
        );
        for event in SseSplitter::new(1000).push(chunk.as_bytes()).unwrap() {
            rewriter.pass(event);
        }
        let end = rewriter.end(&rewriter.open(), "length", rewriter.usage());
        let end = std::str::from_utf8(&end).unwrap();
        assert!(
            end.contains("\"finish_reason\":\"length\"") && end.contains("\"total_tokens\":4"),
            "{end}"
        );
        assert!(
            end.contains("\"id\":\"chatcmpl-1\"") && end.ends_with("data: [DONE]\n\n"),
            "{end}"
        );
    }
}
