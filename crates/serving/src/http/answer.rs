use actix_web::HttpResponse;
use openai_api::{
    AnswerMessage, ApiError, ChatChoice, ChatCompletion, Completion, CompletionChoice, FinishReason,
};

use super::generate::{Running, Tally};
use crate::engine::{Event, Events};

/// What all parts of one answer carry.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) created: u64,
    pub(super) model: String,
    pub(super) request_id: String,
}

/// Which of the two forms an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Chat,
    Text,
}

/// Waits for all choices and answers them in one piece.
///
/// # Errors
/// 404 where the model was dropped meanwhile, 500 for a fault of ours.
pub(super) async fn whole(head: &Head, mut running: Running) -> Result<HttpResponse, ApiError> {
    let mut tally = Tally::new(&running);
    let mut texts = Vec::with_capacity(running.choices.len());
    for (index, events) in running.choices.iter_mut().enumerate() {
        texts.push(finish(head, events, index, &mut tally).await?);
    }
    let usage = tally.usage();
    tracing::info!(
        request_id = head.request_id,
        model = head.model,
        prompt_tokens = usage.prompt_tokens,
        completion_tokens = usage.completion_tokens,
        "finished"
    );
    let (id, model) = (head.id.clone(), head.model.clone());
    let texts = (0u32..).zip(texts);
    Ok(match head.kind {
        Kind::Chat => HttpResponse::Ok().json(ChatCompletion {
            id,
            object: "chat.completion".to_owned(),
            created: head.created,
            model,
            choices: texts
                .map(|(index, (text, reason))| ChatChoice {
                    index,
                    message: AnswerMessage::assistant(text),
                    logprobs: None,
                    finish_reason: Some(reason),
                })
                .collect(),
            usage: Some(usage),
            system_fingerprint: None,
        }),
        Kind::Text => HttpResponse::Ok().json(Completion {
            id,
            object: "text_completion".to_owned(),
            created: head.created,
            model,
            choices: texts
                .map(|(index, (text, reason))| CompletionChoice {
                    index,
                    text,
                    logprobs: None,
                    finish_reason: Some(reason),
                })
                .collect(),
            usage: Some(usage),
            system_fingerprint: None,
        }),
    })
}

async fn finish(
    head: &Head,
    events: &mut Events,
    index: usize,
    tally: &mut Tally,
) -> Result<(String, FinishReason), ApiError> {
    let mut whole = String::new();
    loop {
        match events.recv().await {
            Some(Event::Token { text, .. }) => whole.push_str(&text),
            Some(Event::Finished {
                text,
                reason,
                completion_tokens,
            }) => {
                whole.push_str(&text);
                tally.note(index, completion_tokens);
                return Ok((whole, reason));
            }
            Some(Event::Dropped) => return Err(ApiError::model_not_found(&head.model)),
            Some(Event::Failed) | None => return Err(ApiError::internal(&head.request_id)),
        }
    }
}
