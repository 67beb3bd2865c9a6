//! Forms that anybody may send, without a session: from one of our own pages, and each once.

use std::{future::Future, net::IpAddr, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use sha2::Sha256;

use super::{
    csrf::{read, same_origin},
    page_error::PageError,
};
use crate::{config::Config, error::AppError};

type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, PageError>>>>;

/// A form of one of our own pages, sent by anybody. For what changes nothing, or is not worth forging.
pub struct PublicForm<T>(pub T);

/// Somebody sends a form of one of our own pages, in several parts.
pub struct PublicSender(());

const LARGEST_FORM: usize = 16 * 1024;

impl<T: DeserializeOwned + 'static> FromRequest for PublicForm<T> {
    type Error = PageError;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            same_origin(&request)?;
            let body = read(&request, &mut payload, LARGEST_FORM).await?;
            let form = serde_html_form::from_bytes(&body)
                .map_err(|_| AppError::invalid("form-unreadable"))?;
            Ok(Self(form))
        })
    }
}

impl FromRequest for PublicSender {
    type Error = PageError;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            same_origin(&request)?;
            Ok(Self(()))
        })
    }
}

/// How long a form may stay open before it is sent.
const LIFETIME: TimeDelta = TimeDelta::hours(12);

/// A token for one form: random, and signed together with what the form is for and until when it can be sent.
#[must_use]
pub fn form_token(secret: &SecretString, purpose: &str, now: DateTime<Utc>) -> String {
    let nonce: [u8; 16] = rand::random();
    let until = (now + LIFETIME).timestamp().to_be_bytes();
    let mut token = [nonce.as_slice(), until.as_slice()].concat();
    if let Some(mac) = mac(secret, purpose, &token) {
        token.extend_from_slice(&mac.finalize().into_bytes());
    }
    BASE64URL_NOPAD.encode(&token)
}

/// What is random in a token that we made for this purpose and that still holds.
#[must_use]
pub fn check_form_token(
    secret: &SecretString,
    purpose: &str,
    now: DateTime<Utc>,
    token: &str,
) -> Option<[u8; 16]> {
    let token = BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
    let (signed, signature) = token.split_at_checked(24)?;
    mac(secret, purpose, signed)?.verify_slice(signature).ok()?;
    let (nonce, until) = signed.split_at_checked(16)?;
    let until = i64::from_be_bytes(until.try_into().ok()?);
    (now.timestamp() < until).then(|| nonce.try_into().ok())?
}

fn mac(secret: &SecretString, purpose: &str, signed: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).ok()?;
    mac.update(b"public form ");
    mac.update(purpose.as_bytes());
    mac.update(&[0]);
    mac.update(signed);
    Some(mac)
}

/// Where a request comes from: the last address in the header that the proxy in front sets, where one is configured,
/// else the address of the connection. None where that cannot be told.
#[must_use]
pub fn client_address(request: &HttpRequest, config: &Config) -> Option<IpAddr> {
    if config.client_address_header.is_empty() {
        return request.peer_addr().map(|address| address.ip());
    }
    // What stands before the last one, the caller may have written.
    let last = request
        .headers()
        .get_all(config.client_address_header.as_str())
        .last()?;
    last.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_for_its_purpose_and_its_time() {
        let secret = SecretString::from("x".repeat(32));
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let token = form_token(&secret, "complaint", now);
        let check = |purpose, at, token: &str| check_form_token(&secret, purpose, at, token);
        assert!(check("complaint", now + TimeDelta::hours(11), &token).is_some());
        assert!(check("other", now, &token).is_none());
        assert!(check("complaint", now + TimeDelta::hours(13), &token).is_none());
        let other = SecretString::from("y".repeat(32));
        assert!(check_form_token(&other, "complaint", now, &token).is_none());
        for bad in ["", "AAAA", &token[1..], &format!("{token}A")] {
            assert!(check("complaint", now, bad).is_none(), "{bad}");
        }
        assert_ne!(token, form_token(&secret, "complaint", now));
    }
}
