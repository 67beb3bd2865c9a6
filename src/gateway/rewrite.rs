//! The events of a stream on their way to the client: counted, and without what the client did not ask for.

use bytes::Bytes;
use openai_api::{SseEvent, StreamOptions, Usage, encode_event};
use serde_json::Value;

/// Reads the usage along, and takes out what only we asked for.
#[derive(Debug)]
pub(super) struct Rewriter {
    asked: StreamOptions,
    usage: Option<Usage>,
    has_failed: bool,
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
            has_failed: false,
        }
    }

    /// The last counts that the upstream gave.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.usage
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
        match serde_json::from_slice(&event.data) {
            Ok(Value::Object(chunk)) => self.pass_chunk(chunk, event.raw),
            // A comment that keeps the line alive, or something we do not know.
            Ok(_) | Err(_) => Passed::On(event.raw.into()),
        }
    }

    fn pass_chunk(&mut self, mut chunk: serde_json::Map<String, Value>, raw: Vec<u8>) -> Passed {
        self.has_failed |= chunk.contains_key("error");
        let counts = chunk
            .get("usage")
            .and_then(|usage| serde_json::from_value::<Usage>(usage.clone()).ok());
        self.usage = counts.or(self.usage);
        let has_choices = chunk
            .get("choices")
            .and_then(Value::as_array)
            .is_none_or(|choices| !choices.is_empty());
        let is_closing_count = counts.is_some() && !has_choices;
        if is_closing_count && !self.asked.include_usage {
            return Passed::Held;
        }
        if counts.is_none() && self.asked.include_usage
            || is_closing_count
            || self.asked.continuous_usage_stats
        {
            return Passed::On(raw.into());
        }
        if chunk.remove("usage").is_none() {
            return Passed::On(raw.into());
        }
        if self.asked.include_usage {
            chunk.insert("usage".to_owned(), Value::Null);
        }
        // A JSON value always serialises.
        Passed::On(encode_event(&chunk).map_or_else(|_| raw.into(), Bytes::from))
    }
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
}
