//! Exchanging a code for tokens.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, WWW_AUTHENTICATE},
    },
    web::{self, Bytes, Data},
};
use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64;
use serde::Serialize;
use serde_json::json;

use crate::{parameters::Parameters, person::Person, provider::Shared, secret};

/// The strength of a sign-in with a password alone, as SURFsecureID names it in its test environment.
pub(crate) const ASSURANCE: &str = "http://test.surfconext.nl/assurance/loa1";

/// As SURFconext: an access token is good for an hour, and so is the id token.
const TOKEN_LIFE: TimeDelta = TimeDelta::hours(1);

/// A code that was given out.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) redirect_uri: String,
    pub(crate) scope: String,
    pub(crate) nonce: String,
    pub(crate) challenge: String,
    pub(crate) login: String,
    pub(crate) signed_in_at: DateTime<Utc>,
    pub(crate) ends_at: DateTime<Utc>,
    /// Set by the first exchange, also by one that fails.
    pub(crate) is_used: bool,
    /// What the exchange gave out; revoked where the code comes a second time.
    pub(crate) access_token: Option<String>,
}

/// An access token that was given out.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) login: String,
}

/// The claims of an id token: no attributes, those are at userinfo only.
#[derive(Serialize)]
struct IdClaims<'a> {
    iss: &'a str,
    sub: String,
    aud: [&'a str; 1],
    exp: i64,
    iat: i64,
    nbf: i64,
    jti: String,
    auth_time: i64,
    nonce: &'a str,
    acr: &'static str,
}

/// The errors of RFC 6749, 5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    InvalidClient,
    InvalidRequest(&'static str),
    InvalidGrant(&'static str),
    UnsupportedGrantType,
    Server,
}

/// `POST /oidc/token`.
pub(crate) async fn token(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    let answer = match exchange(&request, &body, &shared).await {
        Ok(answer) => HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((PRAGMA, "no-cache"))
            .json(answer),
        Err(refused) => refused.answer(),
    };
    tracing::debug!(
        status = answer.status().as_u16(),
        "a code was to be exchanged"
    );
    answer
}

async fn exchange(
    request: &HttpRequest,
    body: &[u8],
    shared: &Data<Shared>,
) -> Result<serde_json::Value, Refused> {
    let content_type = header(request, CONTENT_TYPE).unwrap_or_default();
    if !content_type.starts_with("application/x-www-form-urlencoded") {
        return Err(Refused::InvalidRequest("the body must be a form"));
    }
    let form = Parameters::parse(body)
        .map_err(|_| Refused::InvalidRequest("the form is too long or repeats a parameter"))?;
    authenticate(request, &form, shared)?;
    match form.get("grant_type") {
        Some("authorization_code") => {}
        Some(_) => return Err(Refused::UnsupportedGrantType),
        None => return Err(Refused::InvalidRequest("grant_type is missing")),
    }
    let access_token = secret::new_token();
    let code = redeem(&form, shared, &access_token)?;
    let person = shared
        .person(&code.login)
        .ok_or(Refused::InvalidGrant("the person is gone"))?;
    let now = shared.now();
    shared.access().insert(
        &access_token,
        Access {
            login: code.login.clone(),
        },
        now,
        now + TOKEN_LIFE,
    );
    let id_token = sign(shared.clone(), person, &code, now).await?;
    Ok(json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFE.num_seconds(),
        "scope": code.scope,
        "id_token": id_token,
    }))
}

/// Checks and uses up the code; whatever is wrong, it cannot be tried again.
fn redeem(form: &Parameters, shared: &Shared, access_token: &str) -> Result<Code, Refused> {
    let given = form
        .get("code")
        .ok_or(Refused::InvalidRequest("code is missing"))?;
    let now = shared.now();
    let mut codes = shared.codes();
    let code = codes
        .get_mut(given, now)
        .ok_or(Refused::InvalidGrant("the code is not known"))?;
    if code.is_used {
        let revoked = code.access_token.take();
        drop(codes);
        if let Some(token) = revoked {
            tracing::warn!("a code came a second time; its access token is revoked");
            shared.access().remove(&token);
        }
        return Err(Refused::InvalidGrant("the code was used already"));
    }
    code.is_used = true;
    if code.ends_at <= now {
        return Err(Refused::InvalidGrant("the code has expired"));
    }
    if form.get("redirect_uri") != Some(code.redirect_uri.as_str()) {
        return Err(Refused::InvalidGrant("redirect_uri is another one"));
    }
    let fits = form
        .get("code_verifier")
        .filter(|verifier| is_verifier(verifier))
        .is_some_and(|verifier| secret::is_same(&secret::challenge(verifier), &code.challenge));
    if !fits {
        return Err(Refused::InvalidGrant("code_verifier does not fit"));
    }
    code.access_token = Some(access_token.to_owned());
    Ok(code.clone())
}

/// RFC 7636, 4.1: 43 to 128 unreserved signs.
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}

async fn sign(
    shared: Data<Shared>,
    person: &Person,
    code: &Code,
    now: DateTime<Utc>,
) -> Result<String, Refused> {
    let subject = person.subject();
    let (nonce, signed_in_at) = (code.nonce.clone(), code.signed_in_at.timestamp());
    // A signature is milliseconds of arithmetic: not on the thread that serves the others.
    let signed = web::block(move || {
        shared.keys.sign(&IdClaims {
            iss: &shared.issuer,
            sub: subject,
            aud: [&shared.client_id],
            exp: (now + TOKEN_LIFE).timestamp(),
            iat: now.timestamp(),
            nbf: now.timestamp(),
            jti: secret::new_token(),
            auth_time: signed_in_at,
            nonce: &nonce,
            acr: ASSURANCE,
        })
    })
    .await;
    match signed {
        Ok(Ok(token)) => Ok(token),
        Ok(Err(error)) => {
            tracing::error!(%error, "an id token could not be signed");
            Err(Refused::Server)
        }
        Err(error) => {
            tracing::error!(%error, "an id token could not be signed");
            Err(Refused::Server)
        }
    }
}

/// `client_secret_basic` or `client_secret_post`, never both (RFC 6749, 2.3).
fn authenticate(request: &HttpRequest, form: &Parameters, shared: &Shared) -> Result<(), Refused> {
    let posted = form.get("client_secret");
    let (id, given) = match (header(request, AUTHORIZATION), posted) {
        (Some(_), Some(_)) => return Err(Refused::InvalidRequest("two ways of authentication")),
        (Some(basic), None) => read_basic(basic).ok_or(Refused::InvalidClient)?,
        (None, Some(posted)) => {
            let id = form.get("client_id").unwrap_or_default();
            (id.to_owned(), posted.to_owned())
        }
        (None, None) => return Err(Refused::InvalidClient),
    };
    if id == shared.client_id && secret::is_same(&given, &shared.client_secret) {
        Ok(())
    } else {
        Err(Refused::InvalidClient)
    }
}

/// Reads `Basic …`; both halves are form-encoded first (RFC 6749, 2.3.1).
fn read_basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = BASE64.decode(encoded.trim().as_bytes()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decode(id), form_decode(secret)))
}

fn form_decode(text: &str) -> String {
    // `&` and `=` stand for themselves here, which a whole form would read as separators.
    let shielded = text.replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(shielded.as_bytes())
        .next()
        .map(|(decoded, _)| decoded.into_owned())
        .unwrap_or_default()
}

/// One header as text.
pub(crate) fn header(request: &HttpRequest, name: impl AsRef<str>) -> Option<&str> {
    request.headers().get(name.as_ref())?.to_str().ok()
}

impl Refused {
    fn answer(self) -> HttpResponse {
        let (status, error, description) = match self {
            Self::InvalidClient => (
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "the client or its secret is wrong",
            ),
            Self::InvalidRequest(why) => (StatusCode::BAD_REQUEST, "invalid_request", why),
            Self::InvalidGrant(why) => (StatusCode::BAD_REQUEST, "invalid_grant", why),
            Self::UnsupportedGrantType => (
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "only authorization_code",
            ),
            Self::Server => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "server_error",
                "try again",
            ),
        };
        let mut answer = HttpResponse::build(status);
        if self == Self::InvalidClient {
            answer.insert_header((WWW_AUTHENTICATE, "Basic realm=\"demo-idp\""));
        }
        answer
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((PRAGMA, "no-cache"))
            .json(json!({ "error": error, "error_description": description }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_form_decoded() {
        let header = format!("Basic {}", BASE64.encode(b"a%3Ab:s+e%26c=r%25t"));
        let expected = ("a:b".to_owned(), "s e&c=r%t".to_owned());
        assert_eq!(read_basic(&header), Some(expected));
        for bad in ["", "Basic", "Bearer abc", "Basic !!!", "Basic YQ=="] {
            assert_eq!(read_basic(bad), None, "{bad}");
        }
    }

    #[test]
    fn verifiers_are_of_the_length_and_signs_of_rfc_7636() {
        assert!(is_verifier(&"a".repeat(43)));
        assert!(is_verifier(&"~".repeat(128)));
        for bad in ["a".repeat(42), "a".repeat(129), "a b".repeat(20)] {
            assert!(!is_verifier(&bad), "{bad}");
        }
    }
}
