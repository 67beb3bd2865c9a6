//! The body of a request: with a limit on how long the client may pause, and what is left of it after an error.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use s3s::StdError;
use tokio::time::{Instant, Sleep};

/// The text of the error for a client that pauses too long.
pub(crate) const TOO_SLOW: &str = "the client sent nothing for too long";

/// How much is read after an error, and for how long: a part of an upload and some more.
const DRAIN_BYTES: u64 = 64 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(15);

struct Shared {
    incoming: Incoming,
    size: SizeHint,
}

/// A body that fails when nothing arrives for too long.
pub(super) struct PatientBody {
    shared: Arc<Mutex<Shared>>,
    pause: Duration,
    deadline: Pin<Box<Sleep>>,
}

/// What is left of a body.
pub(super) struct Rest {
    shared: Arc<Mutex<Shared>>,
}

impl PatientBody {
    pub(super) fn new(incoming: Incoming, pause: Duration) -> (Self, Rest) {
        let size = incoming.size_hint();
        let shared = Arc::new(Mutex::new(Shared { incoming, size }));
        let body = Self {
            shared: Arc::clone(&shared),
            pause,
            deadline: Box::pin(tokio::time::sleep(pause)),
        };
        (body, Rest { shared })
    }
}

fn poll(
    shared: &Mutex<Shared>,
    context: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    let frame = ready!(Pin::new(&mut shared.incoming).poll_frame(context));
    shared.size = shared.incoming.size_hint();
    Poll::Ready(frame)
}

impl Body for PatientBody {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        if let Poll::Ready(frame) = poll(&self.shared, context) {
            let deadline = Instant::now() + self.pause;
            self.deadline.as_mut().reset(deadline);
            return Poll::Ready(frame.map(|frame| frame.map_err(StdError::from)));
        }
        ready!(self.deadline.as_mut().poll(context));
        let error = io::Error::new(io::ErrorKind::TimedOut, TOO_SLOW);
        Poll::Ready(Some(Err(error.into())))
    }

    fn is_end_stream(&self) -> bool {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.size
    }
}

impl Rest {
    /// Reads and forgets, within limits.
    pub(super) async fn drain(self) {
        let mut left = DRAIN_BYTES;
        let all = async {
            while let Some(Ok(frame)) =
                std::future::poll_fn(|context| poll(&self.shared, context)).await
            {
                let length = frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
                let Some(remaining) = left.checked_sub(length) else {
                    return;
                };
                left = remaining;
            }
        };
        // Out of time: the connection is closed, as it would be without draining.
        drop(tokio::time::timeout(DRAIN_TIME, all).await);
    }
}
