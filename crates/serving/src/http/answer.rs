use actix_web::HttpResponse;
use openai_api::{
    AnswerMessage, ApiError, ChatChoice, ChatCompletion, Completion, CompletionChoice, FinishReason,
};

use super::{
    generate::{Running, Tally},
    logprobs,
};
use crate::engine::{Event, Events, ScoredToken};

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
                .map(|(index, choice)| ChatChoice {
                    index,
                    message: AnswerMessage::assistant(choice.text),
                    logprobs: logprobs::field(head.kind, &choice.scored, 0),
                    finish_reason: Some(choice.reason),
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
                .map(|(index, choice)| CompletionChoice {
                    index,
                    text: choice.text,
                    logprobs: logprobs::field(head.kind, &choice.scored, 0),
                    finish_reason: Some(choice.reason),
                })
                .collect(),
            usage: Some(usage),
            system_fingerprint: None,
        }),
    })
}

/// One choice of an answer.
struct Choice {
    text: String,
    reason: FinishReason,
    scored: Vec<ScoredToken>,
}

async fn finish(
    head: &Head,
    events: &mut Events,
    index: usize,
    tally: &mut Tally,
) -> Result<Choice, ApiError> {
    let (mut whole, mut tokens) = (String::new(), Vec::new());
    loop {
        match events.recv().await {
            Some(Event::Token { text, scored, .. }) => {
                whole.push_str(&text);
                tokens.extend(scored.map(|token| *token));
            }
            Some(Event::Finished {
                text,
                reason,
                completion_tokens,
                scored,
            }) => {
                whole.push_str(&text);
                tokens.extend(scored.map(|token| *token));
                tally.note(index, completion_tokens);
                return Ok(Choice {
                    text: whole,
                    reason,
                    scored: tokens,
                });
            }
            Some(Event::Dropped) => return Err(ApiError::model_not_found(&head.model)),
            Some(Event::Failed) | None => return Err(ApiError::internal(&head.request_id)),
        }
    }
}
