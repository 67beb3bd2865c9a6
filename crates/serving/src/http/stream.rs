//! Answers as server-sent events, each as soon as its token is there.

use actix_web::HttpResponse;
use bytes::Bytes;
use futures_util::{
    Stream, StreamExt,
    stream::{self, SelectAll},
};
use openai_api::{
    ApiError, ChatChunk, ChatChunkChoice, CompletionChunk, CompletionChunkChoice, DONE_EVENT,
    Delta, ErrorEnvelope, FinishReason, ReportedUsage, StreamOptions, encode_event,
};

use super::{
    answer::{Head, Kind},
    generate::{Running, Tally},
    logprobs,
};
use crate::engine::{Event, Events, ScoredToken};

type Choices = SelectAll<std::pin::Pin<Box<dyn Stream<Item = (usize, Event)> + Send>>>;

/// A stream of chunks; when the client leaves, it is dropped and with it the jobs.
pub(super) fn answer(head: Head, running: Running, options: StreamOptions) -> HttpResponse {
    let tally = Tally::new(&running);
    let open = running.choices.len();
    let choices: Choices = running
        .choices
        .into_iter()
        .enumerate()
        .map(|(index, events)| receive(index, events).boxed())
        .collect();
    let writer = Writer {
        has_started: vec![false; open],
        characters: vec![0; open],
        head,
        options,
        tally,
        open,
    };
    let body = stream::unfold((writer, choices), |(mut writer, mut choices)| async move {
        if writer.open == 0 {
            return None;
        }
        let bytes = match choices.next().await {
            Some((index, event)) => writer.write(index, event),
            None => writer.fail(&ApiError::internal(&writer.head.request_id)),
        };
        Some((
            bytes.map_err(actix_web::error::ErrorInternalServerError),
            (writer, choices),
        ))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("cache-control", "no-cache"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body)
}

fn receive(index: usize, events: Events) -> impl Stream<Item = (usize, Event)> + Send {
    stream::unfold(events, move |mut events| async move {
        let event = events.recv().await?;
        Some(((index, event), events))
    })
}

/// Turns events into chunks.
struct Writer {
    head: Head,
    options: StreamOptions,
    tally: Tally,
    /// Choices that have not ended.
    open: usize,
    has_started: Vec<bool>,
    /// Characters of the tokens so far, by choice, where probabilities are told.
    characters: Vec<usize>,
}

impl Writer {
    fn write(&mut self, index: usize, event: Event) -> Result<Bytes, serde_json::Error> {
        let mut bytes = Vec::new();
        match event {
            Event::Token {
                text,
                completion_tokens,
                scored,
            } => {
                self.tally.note(index, completion_tokens);
                // Whoever counts along hears of every token, also of one without text; so does who asked how likely it
                // was.
                if !text.is_empty() || self.options.continuous_usage_stats || scored.is_some() {
                    bytes = self.chunk(index, text, None, scored)?;
                }
            }
            Event::Finished {
                text,
                reason,
                completion_tokens,
                scored,
            } => {
                self.tally.note(index, completion_tokens);
                if !text.is_empty() || scored.is_some() {
                    bytes = self.chunk(index, text, None, scored)?;
                }
                bytes.extend(self.chunk(index, String::new(), Some(reason), None)?);
                self.open -= 1;
                if self.open == 0 {
                    bytes.extend(self.end()?);
                }
            }
            Event::Dropped => return self.fail(&ApiError::model_not_found(&self.head.model)),
            Event::Failed => return self.fail(&ApiError::internal(&self.head.request_id)),
        }
        Ok(bytes.into())
    }

    /// The status is sent already, so an error comes as an event; the SDKs raise it.
    fn fail(&mut self, error: &ApiError) -> Result<Bytes, serde_json::Error> {
        self.open = 0;
        let envelope = ErrorEnvelope {
            error: error.body.clone(),
        };
        Ok(encode_event(&envelope)?.into())
    }

    fn end(&self) -> Result<Vec<u8>, serde_json::Error> {
        let usage = self.tally.usage();
        tracing::info!(
            request_id = self.head.request_id,
            model = self.head.model,
            prompt_tokens = usage.prompt_tokens,
            completion_tokens = usage.completion_tokens,
            "finished"
        );
        let mut bytes = Vec::new();
        if self.options.include_usage {
            bytes = self.event(None, ReportedUsage::Counted(usage))?;
        }
        bytes.extend_from_slice(DONE_EVENT);
        Ok(bytes)
    }

    fn chunk(
        &mut self,
        index: usize,
        text: String,
        reason: Option<FinishReason>,
        scored: Option<Box<ScoredToken>>,
    ) -> Result<Vec<u8>, serde_json::Error> {
        let mut probabilities = None;
        if let Some((token, offset)) = scored.zip(self.characters.get_mut(index)) {
            let tokens = [*token];
            probabilities = logprobs::field(self.head.kind, &tokens, *offset);
            *offset += logprobs::characters(&tokens);
        }
        let is_first = self
            .has_started
            .get_mut(index)
            .is_some_and(|started| !std::mem::replace(started, true));
        let usage = if self.options.continuous_usage_stats {
            ReportedUsage::Counted(self.tally.usage())
        } else if self.options.include_usage {
            ReportedUsage::Null
        } else {
            ReportedUsage::Absent
        };
        let mut bytes = Vec::new();
        if is_first && self.head.kind == Kind::Chat {
            let opening = Part {
                index,
                text: String::new(),
                reason: None,
                role: Some("assistant".to_owned()),
                logprobs: None,
            };
            bytes = self.event(Some(opening), usage)?;
        }
        let part = Part {
            index,
            text,
            reason,
            role: None,
            logprobs: probabilities,
        };
        bytes.extend(self.event(Some(part), usage)?);
        Ok(bytes)
    }

    fn event(
        &self,
        part: Option<Part>,
        usage: ReportedUsage,
    ) -> Result<Vec<u8>, serde_json::Error> {
        let (id, model) = (self.head.id.clone(), self.head.model.clone());
        match self.head.kind {
            Kind::Chat => encode_event(&ChatChunk {
                id,
                object: "chat.completion.chunk".to_owned(),
                created: self.head.created,
                model,
                choices: part.map(Part::into_chat).into_iter().collect(),
                system_fingerprint: None,
                usage,
            }),
            Kind::Text => encode_event(&CompletionChunk {
                id,
                object: "text_completion".to_owned(),
                created: self.head.created,
                model,
                choices: part.map(Part::into_text).into_iter().collect(),
                system_fingerprint: None,
                usage,
            }),
        }
    }
}

/// What one chunk says about one choice.
struct Part {
    index: usize,
    text: String,
    reason: Option<FinishReason>,
    role: Option<String>,
    logprobs: Option<serde_json::Value>,
}

impl Part {
    fn into_chat(self) -> ChatChunkChoice {
        let is_closing = self.reason.is_some();
        ChatChunkChoice {
            index: self.index as u32,
            delta: Delta {
                role: self.role,
                content: (!is_closing).then_some(self.text),
            },
            logprobs: self.logprobs,
            finish_reason: self.reason,
        }
    }

    fn into_text(self) -> CompletionChunkChoice {
        CompletionChunkChoice {
            index: self.index as u32,
            text: self.text,
            logprobs: self.logprobs,
            finish_reason: self.reason,
        }
    }
}
