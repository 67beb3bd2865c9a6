//! Forms as they come in.

use std::time::Duration;

use actix_multipart::{Field, Multipart};
use bytes::{Bytes, BytesMut};
use openai_api::ApiError;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use crate::uploads::{Pace, PaceError};

const LONGEST_FIELD: usize = 5000;
/// How long a sender waits for a place among those whose bytes come in.
const LONGEST_QUEUE: Duration = Duration::from_secs(30);

/// A form of one sender, who may be slow but not silent.
pub(super) struct Incoming {
    form: Multipart,
    pace: Pace,
}

impl Incoming {
    pub(super) fn of(form: Multipart) -> Self {
        Self {
            form,
            pace: Pace::begin(),
        }
    }

    /// The next field; none at the form's end.
    pub(super) async fn field(&mut self) -> Result<Option<Field>, ApiError> {
        self.pace.next(&mut self.form).await.map_err(halted)
    }

    /// The next bytes of a field; none at its end.
    pub(super) async fn piece(&mut self, field: &mut Field) -> Result<Option<Bytes>, ApiError> {
        let piece = self.pace.next(field).await.map_err(halted)?;
        self.pace.count(piece.as_ref().map_or(0, Bytes::len));
        Ok(piece)
    }

    /// A short field as text.
    pub(super) async fn text(&mut self, field: &mut Field) -> Result<String, ApiError> {
        let mut bytes = BytesMut::new();
        while let Some(piece) = self.piece(field).await? {
            if bytes.len() + piece.len() > LONGEST_FIELD {
                let name = field.name().unwrap_or_default().to_owned();
                return Err(ApiError::invalid_param(&name, "The field is too long."));
            }
            bytes.extend_from_slice(&piece);
        }
        String::from_utf8(bytes.to_vec()).map_err(|_| halted(PaceError::BrokenOff))
    }
}

/// A place among those whose bytes come in. To be asked for when bytes came: who sends none holds none.
pub(super) async fn place(among: &'static Semaphore) -> Result<SemaphorePermit<'static>, ApiError> {
    let full = || ApiError::overloaded("Many files are coming in; please try again.", 5);
    timeout(LONGEST_QUEUE, among.acquire())
        .await
        .map_err(|_| full())?
        .map_err(|_| full())
}

fn halted(error: PaceError) -> ApiError {
    match error {
        PaceError::TooSlow => {
            let message = format!("The request was given up: {error}. Please send it again.");
            let code = Some("request_too_slow");
            ApiError::new(408, "invalid_request_error", code, message)
        }
        PaceError::BrokenOff => ApiError::invalid_body("The form broke off or cannot be read."),
    }
}
