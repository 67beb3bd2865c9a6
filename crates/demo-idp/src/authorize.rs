//! Where the application sends somebody to sign in.

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite},
    http::header::LOCATION,
    web::Data,
};
use chrono::TimeDelta;
use url::Url;

use crate::{
    login::{COOKIE, Pending},
    page::{self, LoginPage, Problem},
    parameters::{Parameters, ParametersError},
    provider::Shared,
    secret,
};

/// The scopes that SURFconext knows; any other is refused. Attributes do not depend on them.
pub(crate) const SCOPES: [&str; 5] = ["openid", "profile", "email", "address", "phone"];

/// How long somebody may look at the sign-in page.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// What the application asked for, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) redirect_uri: String,
    pub(crate) scope: String,
    pub(crate) state: String,
    pub(crate) nonce: String,
    /// PKCE S256, 43 signs of base64url.
    pub(crate) challenge: String,
}

/// Why no sign-in page is shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The application is not told: it cannot be trusted to be the one it names (RFC 6749, 4.1.2.1).
    Here(Problem),
    /// The application is told, at this address.
    There(String),
}

/// `GET /oidc/authorize`.
pub(crate) async fn authorize(request: HttpRequest, shared: Data<Shared>) -> HttpResponse {
    let asked = match check(request.query_string(), &shared) {
        Ok(asked) => asked,
        Err(Refused::Here(problem)) => return page::problem(&request, problem),
        Err(Refused::There(address)) => {
            return HttpResponse::Found()
                .insert_header((LOCATION, address))
                .finish();
        }
    };
    let (token, csrf, browser) = (
        secret::new_token(),
        secret::new_token(),
        browser(&request).unwrap_or_else(secret::new_token),
    );
    let pending = Pending::new(asked, &csrf, &browser);
    let now = shared.now();
    shared
        .pending()
        .insert(&token, pending, now, now + PATIENCE);
    let login = LoginPage {
        words: page::words(&request),
        people: &shared.people,
        request: &token,
        csrf: &csrf,
        username: "",
        is_wrong: false,
    };
    let mut answer = login.answer();
    let cookie = Cookie::build(COOKIE, browser)
        .path("/login")
        .http_only(true)
        .same_site(SameSite::Lax)
        .finish();
    if let Err(error) = answer.add_cookie(&cookie) {
        tracing::error!(%error, "the sign-in cookie could not be set");
        return page::problem(&request, Problem::Internal);
    }
    answer
}

/// The secret that this browser already has; two tabs share it.
fn browser(request: &HttpRequest) -> Option<String> {
    let value = request.cookie(COOKIE)?.value().to_owned();
    is_base64url(&value, 43).then_some(value)
}

fn check(query: &str, shared: &Shared) -> Result<Asked, Refused> {
    let parameters = Parameters::parse(query.as_bytes()).map_err(|error| {
        Refused::Here(match error {
            ParametersError::TooLong => Problem::TooLong,
            ParametersError::Repeated => Problem::Malformed,
        })
    })?;
    if parameters.get("client_id") != Some(shared.client_id.as_str()) {
        return Err(Refused::Here(Problem::UnknownClient));
    }
    let redirect_uri = parameters
        .get("redirect_uri")
        .filter(|asked| shared.redirect_uris.iter().any(|known| known == asked))
        .ok_or(Refused::Here(Problem::ForeignRedirect))?;
    let state = parameters.get("state");
    let refuse = |(error, description): (&str, &str)| {
        let mut fields = vec![("error", error), ("error_description", description)];
        fields.extend(state.map(|state| ("state", state)));
        match answer_address(redirect_uri, &fields) {
            Some(address) => Refused::There(address),
            None => Refused::Here(Problem::Internal),
        }
    };
    check_flow(&parameters).map_err(refuse)?;
    let challenge = check_challenge(&parameters).map_err(refuse)?;
    let required = |name: &'static str, description: &'static str| {
        let value = parameters.get(name);
        value.ok_or_else(|| refuse(("invalid_request", description)))
    };
    Ok(Asked {
        redirect_uri: redirect_uri.to_owned(),
        scope: required("scope", "scope is missing")?.to_owned(),
        state: required("state", "state is missing")?.to_owned(),
        nonce: required("nonce", "nonce is missing")?.to_owned(),
        challenge: challenge.to_owned(),
    })
}

/// An OAuth error code and its description.
type OAuthError = (&'static str, &'static str);

fn check_flow(parameters: &Parameters) -> Result<(), OAuthError> {
    match parameters.get("response_type") {
        Some("code") => {}
        Some(_) => return Err(("unsupported_response_type", "only response_type=code")),
        None => return Err(("invalid_request", "response_type is missing")),
    }
    if !matches!(parameters.get("response_mode"), None | Some("query")) {
        return Err(("invalid_request", "only response_mode=query"));
    }
    if parameters.get("request").is_some() {
        return Err(("request_not_supported", "no request objects"));
    }
    if parameters.get("request_uri").is_some() {
        return Err(("request_uri_not_supported", "no request objects"));
    }
    let mut scopes = parameters.get("scope").unwrap_or_default().split(' ');
    if !scopes.clone().any(|scope| scope == "openid") {
        return Err(("invalid_scope", "scope must hold openid"));
    }
    if !scopes.all(|scope| SCOPES.contains(&scope)) {
        return Err(("invalid_scope", "a scope is not known"));
    }
    // There is no session here that could answer without asking.
    match parameters.get("prompt") {
        None | Some("login" | "consent") => Ok(()),
        Some("none") => Err(("interaction_required", "there is no session to go on")),
        Some("select_account") => Err(("account_selection_required", "there are no sessions")),
        Some(_) => Err(("invalid_request", "prompt is not known")),
    }
}

fn check_challenge(parameters: &Parameters) -> Result<&str, OAuthError> {
    if parameters.get("code_challenge_method") != Some("S256") {
        return Err((
            "invalid_request",
            "PKCE with code_challenge_method=S256 is required",
        ));
    }
    parameters
        .get("code_challenge")
        .filter(|challenge| is_base64url(challenge, 43))
        .ok_or((
            "invalid_request",
            "code_challenge must be 43 signs of base64url",
        ))
}

fn is_base64url(text: &str, length: usize) -> bool {
    text.len() == length
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The application's address with an answer in its query; what the query holds already stays.
pub(crate) fn answer_address(redirect_uri: &str, fields: &[(&str, &str)]) -> Option<String> {
    let mut address = Url::parse(redirect_uri).ok()?;
    address.query_pairs_mut().extend_pairs(fields);
    Some(address.into())
}
