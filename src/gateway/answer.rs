//! What the relay hands to the client's side of the door.

use actix_web::{HttpResponse, http::StatusCode};
use bytes::Bytes;
use futures_util::stream;
use openai_api::{ApiError, ErrorEnvelope};

use super::{failure::Failure, headers::LimitHeaders, queue::Receiver};

/// How an answer begins.
pub(super) enum Begun {
    /// All of it at once.
    Whole(LimitHeaders, Bytes),
    /// The events, as they come.
    Stream(LimitHeaders, Receiver),
    /// Not answered.
    Refused(Failure),
}

impl Begun {
    /// As an HTTP answer.
    #[expect(
        clippy::result_large_err,
        reason = "the error is the answer, sent as it is"
    )]
    pub(super) fn respond(self) -> Result<HttpResponse, Failure> {
        let mut response = HttpResponse::build(StatusCode::OK);
        response.insert_header(("cache-control", "no-store"));
        match self {
            Self::Refused(failure) => Err(failure),
            Self::Whole(limits, body) => {
                for header in limits {
                    response.insert_header(header);
                }
                Ok(response.content_type("application/json").body(body))
            }
            Self::Stream(limits, events) => {
                for header in limits {
                    response.insert_header(header);
                }
                let events = stream::unfold(events, |mut events| async move {
                    let event = events.next().await?;
                    Some((Ok::<_, actix_web::Error>(event), events))
                });
                Ok(response
                    .content_type("text/event-stream")
                    // Proxies and compression would hold events back.
                    .insert_header(("x-accel-buffering", "no"))
                    .insert_header(("content-encoding", "identity"))
                    .streaming(events))
            }
        }
    }
}

/// An error of the upstream before its answer, as the client is to see it.
pub(super) fn refusal(status: u16, body: &[u8]) -> ApiError {
    let said = serde_json::from_slice::<ErrorEnvelope>(body).ok();
    match (status, said) {
        // What is wrong with the request is the client's to know: a context that is too long, a field.
        (400 | 413 | 422, Some(said)) => ApiError {
            status,
            body: said.error,
            retry_after_seconds: None,
            is_final: false,
        },
        (400 | 413 | 422, None) => {
            let message = "The model's server refused the request.";
            ApiError::new(status, "invalid_request_error", None, message)
        }
        (404, _) => ApiError::overloaded("The model is not loaded at the moment.", 10),
        (429 | 503, _) => ApiError::overloaded("The model is busy; please try again.", 2),
        // Anything else is between us and the upstream.
        _ => ApiError::bad_upstream("The model's server could not answer."),
    }
}

/// An error after the first byte: an event in OpenAI's form, which the SDKs raise.
pub(super) fn error_event(error: &ApiError) -> Bytes {
    let envelope = ErrorEnvelope {
        error: error.body.clone(),
    };
    openai_api::encode_event(&envelope).map_or_else(|_| Bytes::new(), Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_error_is_passed_on_and_a_wrong_token_is_not() {
        let said = ApiError::context_length_exceeded(8, 9, "messages");
        let passed = refusal(400, &said.to_json());
        assert_eq!(passed.body.code.as_deref(), Some("context_length_exceeded"));
        let hidden = refusal(401, &ApiError::invalid_api_key().to_json());
        assert_eq!(hidden.status, 502);
    }
}
