//! The public form as it comes in: fields and a file, each bounded.

use actix_multipart::{Field, Multipart};
use bytes::BytesMut;
use futures_util::StreamExt as _;

use super::super::{file::Evidence, request::RawRequest};
use crate::{
    error::{AppError, Say},
    web::FieldErrors,
};

/// Bytes of all fields together, without the file.
const MOST_TEXT: usize = 64 * 1024;
const LONGEST_NAME: usize = 200;

/// What was sent.
pub(super) struct Received {
    pub(super) token: String,
    pub(super) raw: RawRequest,
    pub(super) evidence: Option<Evidence>,
    /// What is wrong with the file.
    pub(super) errors: FieldErrors,
}

fn unreadable() -> AppError {
    AppError::invalid("form-unreadable")
}

/// Reads the form. A file over `most_bytes` is an error of its field; what is too large otherwise is refused.
pub(super) async fn receive(mut form: Multipart, most_bytes: usize) -> Result<Received, AppError> {
    let mut errors = FieldErrors::default();
    let (mut fields, mut token, mut evidence) = (Vec::new(), String::new(), None);
    let mut room = MOST_TEXT;
    while let Some(field) = form.next().await {
        let mut field = field.map_err(|_| unreadable())?;
        let name = field.name().unwrap_or_default().to_owned();
        if name == "evidence" {
            let file = file_name(&field);
            match read(&mut field, most_bytes).await? {
                Some(bytes) if bytes.is_empty() => {}
                Some(bytes) => {
                    evidence = Some(Evidence {
                        name: file,
                        bytes: bytes.to_vec(),
                    });
                }
                None => errors.add(
                    "evidence",
                    Say::new("complaint-evidence-too-large").with("most", most_bytes / 1_000_000),
                ),
            }
            continue;
        }
        let too_large =
            || AppError::TooLarge(Say::new("form-too-large").with("limit", MOST_TEXT / 1024));
        let bytes = read(&mut field, room).await?.ok_or_else(too_large)?;
        room -= bytes.len();
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| unreadable())?;
        if name == "csrf" {
            token = text;
        } else {
            fields.push((name, text));
        }
    }
    let pairs = serde_html_form::to_string(&fields).map_err(|_| unreadable())?;
    Ok(Received {
        token,
        raw: serde_html_form::from_str(&pairs).map_err(|_| unreadable())?,
        evidence,
        errors,
    })
}

/// The whole field; none where it is larger than `most`, in which case the rest is read and dropped.
async fn read(field: &mut Field, most: usize) -> Result<Option<BytesMut>, AppError> {
    let (mut bytes, mut is_too_large) = (BytesMut::new(), false);
    let mut dropped = 0;
    while let Some(chunk) = field.next().await {
        let chunk = chunk.map_err(|_| unreadable())?;
        is_too_large |= bytes.len() + chunk.len() > most;
        if is_too_large {
            dropped += chunk.len();
            // Somebody who made a mistake is told so; nobody has us read on for ever.
            if dropped > 10 * most.max(1_000_000) {
                return Err(AppError::TooLarge(
                    Say::new("form-too-large").with("limit", most / 1024),
                ));
            }
        } else {
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok((!is_too_large).then_some(bytes))
}

/// The file's own name, without folders and what is not shown.
fn file_name(field: &Field) -> String {
    let given = field
        .content_disposition()
        .and_then(|disposition| disposition.get_filename())
        .unwrap_or_default();
    let name: String = given
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control() && *c != '"')
        .take(LONGEST_NAME)
        .collect();
    if name.trim().is_empty() {
        "bijlage".to_owned()
    } else {
        name
    }
}
