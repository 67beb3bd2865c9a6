use actix_web::{HttpRequest, HttpResponse, web};
use openai_api::{ApiError, CompletionRequest, DEFAULT_COMPLETION_TOKENS, Prompt};
use uuid::Uuid;

use super::{
    Service,
    answer::{Head, Kind, whole},
    chat::encode,
    failure::Failure,
    generate::{Plan, find_model, ignores_end, refuse_unknown_abilities},
    guard::{RequestId, body},
    logprobs, stream,
};
use crate::registry::{Base, seconds_since_1970};

const UNSUPPORTED: [&str; 3] = ["logit_bias", "suffix", "echo"];

pub(super) async fn complete(
    request: HttpRequest,
    payload: web::Payload,
    service: web::Data<Service>,
) -> Result<HttpResponse, Failure> {
    let id = RequestId::of(&request);
    let asked = CompletionRequest::parse(&body(&request, payload).await?)?;
    refuse_unknown_abilities(|name| asked.field(name), &UNSUPPORTED)?;
    let choices = u64::from(asked.generation.n);
    let best_of = asked.field("best_of");
    if best_of.is_some_and(|best_of| best_of.as_u64() != Some(choices)) {
        return Err(ApiError::unsupported_param(
            "best_of",
            "'best_of' is not supported by this server.",
        )
        .into());
    }
    let served = find_model(&service, &asked.generation)?;
    let base = served.base.clone();
    let prompts = asked.prompts.clone();
    let tokens = web::block(move || {
        prompts
            .into_iter()
            .map(|prompt| tokens(&base, prompt))
            .collect()
    });
    let tokens: Result<Vec<_>, ApiError> = tokens.await.map_err(|_| ApiError::internal(&id.0))?;
    let plan = Plan {
        served,
        generation: &asked.generation,
        ignores_end: ignores_end(asked.field("ignore_eos"))?,
        constraint: None,
        logprobs: logprobs::asked(Kind::Text, |name| asked.field(name))?,
        default_tokens: DEFAULT_COMPLETION_TOKENS,
        prompt_param: "prompt",
    };
    let running = plan.start(&service, &id.0, tokens?)?;
    let head = Head {
        kind: Kind::Text,
        id: format!("cmpl-{}", Uuid::now_v7().simple()),
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

fn tokens(base: &Base, prompt: Prompt) -> Result<Vec<u32>, ApiError> {
    match prompt {
        Prompt::Text(text) => encode(&base.tokenizer, &text, "prompt"),
        Prompt::Tokens(tokens) => {
            let most = base.model.config().vocab_size;
            match tokens.iter().find(|&&token| token as usize >= most) {
                None => Ok(tokens),
                Some(token) => Err(ApiError::invalid_param(
                    "prompt",
                    format!("There is no token {token}."),
                )),
            }
        }
    }
}
