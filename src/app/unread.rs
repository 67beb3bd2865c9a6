//! Answers of models that their clients have not read yet: a server that leaves waits for them.
//!
//! A request is settled when its answer was made. What its client has not taken by then waits here, in a queue where it
//! is a stream, and would be lost with this process.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    Error,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Data,
};
use bytes::Bytes;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::Ports;

/// Where models are asked.
const ASKS: [&str; 3] = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"];

/// An answer that counts as unread until its client has taken it or left; but for what waits in the connection itself,
/// some ten kilobytes.
struct Unread {
    body: BoxBody,
    /// It counts as long as this is there.
    _counts: TaskTrackerToken,
}

impl MessageBody for Unread {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.body.as_pin_mut().poll_next(context)
    }
}

/// Counts each request to a model in [`Ports::unread`], from its beginning until its answer is read.
pub(super) async fn count_unread(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let is_counted = ASKS.contains(&request.path());
    let ports = request.app_data::<Data<Ports>>().filter(|_| is_counted);
    let counts = ports.map(|ports| ports.unread.token());
    let response = next.call(request).await?.map_into_boxed_body();
    let Some(counts) = counts else {
        return Ok(response);
    };
    Ok(response.map_body(|_, body| {
        BoxBody::new(Unread {
            body,
            _counts: counts,
        })
    }))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio_util::task::TaskTracker;

    use super::*;

    #[tokio::test]
    async fn an_answer_is_as_it_was_and_counts_until_it_is_gone() {
        let unread = TaskTracker::new();
        let mut body = BoxBody::new(Unread {
            body: BoxBody::new("woord"),
            _counts: unread.token(),
        });
        assert_eq!(body.size(), BodySize::Sized(5));
        let piece = poll_fn(|context| body.as_pin_mut().poll_next(context)).await;
        assert_eq!(piece.unwrap().unwrap(), "woord");
        let end = poll_fn(|context| body.as_pin_mut().poll_next(context)).await;
        assert!(end.is_none());
        assert_eq!(unread.len(), 1);
        drop(body);
        assert!(unread.is_empty());
    }
}
