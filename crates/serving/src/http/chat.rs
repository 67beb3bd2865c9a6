use actix_web::{HttpRequest, HttpResponse, web};
use language_model::{Message, Tokenizer};
use openai_api::{ApiError, ChatRequest, DEFAULT_CHAT_TOKENS, Role};
use uuid::Uuid;

use super::{
    Service,
    answer::{Head, Kind, whole},
    failure::Failure,
    form,
    generate::{Plan, find_model, ignores_end, refuse_unknown_abilities},
    guard::{RequestId, body},
    logprobs, stream,
};
use crate::{
    constraint::Constraint,
    registry::{Base, seconds_since_1970},
};

const UNSUPPORTED: [&str; 7] = [
    "tools",
    "functions",
    "logit_bias",
    "audio",
    "modalities",
    "prediction",
    "web_search_options",
];

pub(super) async fn complete(
    request: HttpRequest,
    payload: web::Payload,
    service: web::Data<Service>,
) -> Result<HttpResponse, Failure> {
    let id = RequestId::of(&request);
    let asked = ChatRequest::parse(&body(&request, payload).await?)?;
    refuse_unknown_abilities(|name| asked.field(name), &UNSUPPORTED)?;
    let served = find_model(&service, &asked.generation)?;
    let schema = form::asked(asked.field("response_format"))?;
    let base = served.base.clone();
    let messages = asked.messages.clone();
    let prepared = web::block(move || {
        let words = schema.map(|schema| Constraint::new(schema, base.words()));
        Ok::<_, ApiError>((prompt(&base, &messages)?, words))
    });
    let (prompt, constraint) = prepared.await.map_err(|_| ApiError::internal(&id.0))??;
    let plan = Plan {
        served,
        generation: &asked.generation,
        ignores_end: ignores_end(asked.field("ignore_eos"))?,
        constraint,
        logprobs: logprobs::asked(Kind::Chat, |name| asked.field(name))?,
        default_tokens: DEFAULT_CHAT_TOKENS,
        prompt_param: "messages",
    };
    let running = plan.start(&service, &id.0, vec![prompt])?;
    let head = Head {
        kind: Kind::Chat,
        id: format!("chatcmpl-{}", Uuid::now_v7().simple()),
        created: seconds_since_1970(),
        model: asked.generation.model.clone(),
        request_id: id.0,
    };
    if asked.generation.stream {
        return Ok(stream::answer(
            head,
            running,
            asked.generation.stream_options,
        ));
    }
    Ok(whole(&head, running).await?)
}

/// The tokens of a chat, up to where the answer begins.
fn prompt(base: &Base, messages: &[openai_api::Message]) -> Result<Vec<u32>, ApiError> {
    let Some(template) = &base.chat_template else {
        let message = format!(
            "The model '{}' was not made to chat; use /v1/completions.",
            base.name
        );
        return Err(ApiError::invalid_param("model", message));
    };
    let mut turns = Vec::with_capacity(messages.len());
    for (at, message) in messages.iter().enumerate() {
        let role = match message.role {
            Role::System | Role::Developer => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => {
                let param = format!("messages[{at}].role");
                return Err(ApiError::unsupported_param(
                    &param,
                    "Tool messages are not supported by this server.",
                ));
            }
        };
        refuse_control_text(&base.tokenizer, at, &message.content)?;
        turns.push(Message {
            role: role.to_owned(),
            content: message.content.clone(),
        });
    }
    let refused = |error: language_model::chat_template::ChatTemplateError| {
        tracing::debug!(%error, "a chat could not be rendered");
        ApiError::invalid_param(
            "messages",
            "The model's chat template does not take this order of messages.",
        )
    };
    let text = template.render(&turns, true).map_err(refused)?;
    encode(&base.tokenizer, &text, "messages")
}

/// Text that stands for a control token would end the message and speak for somebody else.
fn refuse_control_text(tokenizer: &Tokenizer, at: usize, content: &str) -> Result<(), ApiError> {
    match tokenizer.control_text_in(content) {
        None => Ok(()),
        Some(text) => {
            let message = format!("A message must not contain the model's control token {text}.");
            Err(ApiError::invalid_param(
                &format!("messages[{at}].content"),
                message,
            ))
        }
    }
}

/// The tokens of a text, after the begin token where the model has one.
pub(super) fn encode(tokenizer: &Tokenizer, text: &str, param: &str) -> Result<Vec<u32>, ApiError> {
    let mut tokens = tokenizer.encode(text).map_err(|_| {
        ApiError::invalid_param(param, "The text cannot be expressed in the model's tokens.")
    })?;
    if let Some(bos) = tokenizer.leading_bos()
        && tokens.first() != Some(&bos)
    {
        tokens.insert(0, bos);
    }
    Ok(tokens)
}
