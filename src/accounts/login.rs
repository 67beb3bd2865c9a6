//! Signing in: away to the provider and back, once.

use chrono::TimeDelta;
use sha2::{Digest as _, Sha256};

use super::{
    oidc::{Identity, Oidc, OidcError},
    store,
};
use crate::{
    db::{Db, StoreError},
    institutions,
    web::start_session,
};

const ATTEMPT_LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// Why somebody was not signed in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The attempt is unknown, over, used before, or of another browser.
    #[error("this login was not begun here, or is over")]
    UnknownAttempt,
    /// The provider said no; its code.
    #[error("the identity provider refused: {0}")]
    ProviderRefused(String),
    /// Signed in, but from nowhere we know.
    #[error("your institution does not take part")]
    UnknownInstitution,
    /// The protocol failed.
    #[error(transparent)]
    Oidc(#[from] OidcError),
    /// The database refused, or is away.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for LoginError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Where to send the browser, and the cookie that ties the attempt to it.
pub(super) struct Begun {
    pub(super) provider_url: String,
    pub(super) browser_secret: String,
}

/// A finished login.
pub struct SignedIn {
    /// The session cookie's value.
    pub cookie: String,
    /// The path that the person wanted.
    pub return_to: String,
}

/// What the provider sent back through the browser.
pub(super) struct Arrival<'a> {
    pub(super) code: Option<String>,
    pub(super) state: &'a str,
    pub(super) error: Option<String>,
    pub(super) iss: Option<&'a str>,
    pub(super) browser_secret: &'a str,
}

pub(super) async fn begin(db: &Db, oidc: &Oidc, return_to: &str) -> Result<Begun, LoginError> {
    let departure = oidc.depart().await?;
    let secret: [u8; 32] = rand::random();
    let browser_secret = data_encoding::BASE64URL_NOPAD.encode(&secret);
    let mut tx = db.meter().await?;
    let expires_at = tx.now() + ATTEMPT_LIFETIME;
    store::save_attempt(
        &mut tx,
        &store::Attempt {
            state_sha256: hash(&departure.state),
            browser_sha256: hash(&browser_secret),
            nonce: departure.nonce,
            pkce_verifier: departure.pkce_verifier,
            return_to: local_path(return_to).to_owned(),
        },
        expires_at,
    )
    .await?;
    tx.commit().await?;
    Ok(Begun {
        provider_url: departure.url.into(),
        browser_secret,
    })
}

pub(super) async fn finish(
    db: &Db,
    oidc: &Oidc,
    arrival: Arrival<'_>,
) -> Result<SignedIn, LoginError> {
    let mut tx = db.meter().await?;
    let attempt = store::take_attempt(&mut tx, &hash(arrival.state), &hash(arrival.browser_secret))
        .await?
        .ok_or(LoginError::UnknownAttempt)?;
    // Gone from here on, whatever becomes of it: an attempt is used once.
    tx.commit().await?;
    if let Some(error) = arrival.error {
        return Err(LoginError::ProviderRefused(
            error.chars().take(100).collect(),
        ));
    }
    if !oidc.issuer_matches(arrival.iss) {
        return Err(OidcError::Refused("the answer is of another issuer".into()).into());
    }
    let code = arrival.code.ok_or(LoginError::UnknownAttempt)?;
    let identity = oidc
        .arrive(code, attempt.nonce, attempt.pkce_verifier, db.now())
        .await?;
    let cookie = sign_in(db, &identity).await?;
    Ok(SignedIn {
        cookie,
        return_to: attempt.return_to,
    })
}

/// Finds the person by issuer and subject (never by e-mail) and their institution: where they hold a role,
/// else where they come from.
async fn sign_in(db: &Db, identity: &Identity) -> Result<String, LoginError> {
    let home = identity.text("schac_home_organization");
    let authority = identity.text("authenticating_authority");
    let institution = match (home, authority) {
        (Some(home), Some(authority)) => {
            institutions::find_by_home_organization(db, &home, &authority).await?
        }
        _ => None,
    };
    let name = identity
        .text("name")
        .or_else(|| identity.text("preferred_username"))
        .unwrap_or_else(|| identity.subject.chars().take(40).collect());
    let mut tx = db.meter().await?;
    let user = store::save_user(
        &mut tx,
        &identity.issuer,
        &identity.subject,
        &name,
        identity.text("email"),
        &serde_json::Value::Object(identity.claims.clone()),
    )
    .await?;
    let place = match store::institution_of(&mut tx, user).await? {
        Some(place) => place,
        None => institution.ok_or(LoginError::UnknownInstitution)?.id,
    };
    let cookie = start_session(&mut tx, user, place).await?;
    tx.commit().await?;
    Ok(cookie)
}

fn hash(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

/// A path of ours, or the start page: never another site.
pub(super) fn local_path(path: &str) -> &str {
    let is_local = path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= 1000
        && !path.chars().any(|c| c == '\\' || c.is_control());
    if is_local { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::local_path;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for foreign in [
            "//evil",
            "/\\evil",
            "https:evil",
            "/a\r\nb",
            "javascript:1",
            "",
        ] {
            assert_eq!(local_path(foreign), "/", "{foreign:?}");
        }
        assert_eq!(local_path("/nl/jobs?x=1"), "/nl/jobs?x=1");
    }
}
