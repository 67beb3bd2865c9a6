//! Sign in, come back, sign out; the start page.

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time::Duration},
    get,
    http::header,
    post, web,
};
use askama::Template;
use serde::Deserialize;

use super::{
    login::{self, Arrival, LoginError},
    oidc::{Oidc, OidcError},
};
use crate::{
    config::Config,
    db::Db,
    error::{AppError, Say},
    web::{
        Chrome, Lang, PageResult, ProtectedForm, SESSION_LIFETIME, Visit, cookie_name, end_session,
        filters, see_other,
    },
};

impl From<LoginError> for AppError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::UnknownAttempt => Self::Invalid(Say::new("login-unknown-attempt")),
            LoginError::ProviderRefused(code) => {
                Self::Invalid(Say::new("login-provider-refused").with("code", code))
            }
            LoginError::UnknownInstitution => {
                Self::Forbidden(Say::new("login-unknown-institution"))
            }
            LoginError::Oidc(OidcError::Refused(why)) => {
                tracing::warn!(why, "login refused");
                Self::Invalid(Say::new("login-answer-refused"))
            }
            LoginError::Oidc(OidcError::Provider(why)) => Self::Unavailable {
                what: "identity provider",
                cause: anyhow::anyhow!(why),
            },
            LoginError::Store(why) => why.into(),
        }
    }
}

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(root)
        .service(start)
        .service(begin)
        .service(callback)
        .service(sign_out);
}

const RETURN_COOKIE: &str = "login";

#[derive(Template)]
#[template(path = "accounts/start.html")]
struct StartPage {
    chrome: Chrome,
}

/// Sends people to the pages in their language.
#[get("/")]
async fn root(request: HttpRequest) -> HttpResponse {
    let chosen = request.cookie("lang").and_then(|c| c.value().parse().ok());
    let lang = chosen.unwrap_or_else(|| {
        Lang::accepted(
            request
                .headers()
                .get(header::ACCEPT_LANGUAGE)
                .and_then(|value| value.to_str().ok()),
        )
    });
    see_other(&format!("/{lang}"))
}

#[get("/{lang:nl|en}")]
async fn start(visit: Visit) -> PageResult {
    if visit.session.is_some() {
        return Ok(see_other(&format!("/{}/tasks", visit.lang)));
    }
    visit.show(&StartPage {
        chrome: visit.chrome(),
    })
}

#[derive(Deserialize)]
struct Begin {
    #[serde(default)]
    return_to: String,
}

#[get("/auth/login")]
async fn begin(
    db: web::Data<Db>,
    oidc: web::Data<Oidc>,
    config: web::Data<Config>,
    query: web::Query<Begin>,
) -> PageResult {
    let begun = login::begin(&db, &oidc, &query.return_to).await?;
    let cookie = Cookie::build(RETURN_COOKIE, begun.browser_secret)
        .path("/auth")
        .http_only(true)
        .secure(config.is_https())
        .same_site(SameSite::Lax)
        .max_age(Duration::minutes(10))
        .finish();
    Ok(HttpResponse::SeeOther()
        .insert_header((header::LOCATION, begun.provider_url))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .cookie(cookie)
        .finish())
}

#[derive(Deserialize)]
struct Callback {
    code: Option<String>,
    #[serde(default)]
    state: String,
    error: Option<String>,
    iss: Option<String>,
}

#[get("/auth/callback")]
async fn callback(
    request: HttpRequest,
    db: web::Data<Db>,
    oidc: web::Data<Oidc>,
    config: web::Data<Config>,
    query: web::Query<Callback>,
) -> PageResult {
    let query = query.into_inner();
    let secret = request.cookie(RETURN_COOKIE);
    let arrival = Arrival {
        code: query.code,
        state: &query.state,
        error: query.error,
        iss: query.iss.as_deref(),
        browser_secret: secret.as_ref().map(Cookie::value).unwrap_or_default(),
    };
    let signed_in = login::finish(&db, &oidc, arrival).await?;
    // A new session at each login: whoever planted a cookie before does not share it.
    let session = Cookie::build(cookie_name(&config), signed_in.cookie)
        .path("/")
        .http_only(true)
        .secure(config.is_https())
        .same_site(SameSite::Lax)
        .max_age(Duration::seconds(SESSION_LIFETIME.num_seconds()))
        .finish();
    let mut gone = Cookie::build(RETURN_COOKIE, "").path("/auth").finish();
    gone.make_removal();
    Ok(HttpResponse::SeeOther()
        .insert_header((header::LOCATION, signed_in.return_to))
        .cookie(session)
        .cookie(gone)
        .finish())
}

#[derive(Deserialize)]
struct Nothing {}

/// Ends the session here. SURFconext has no single logout.
#[post("/auth/logout")]
async fn sign_out(
    request: HttpRequest,
    db: web::Data<Db>,
    config: web::Data<Config>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    let name = cookie_name(&config);
    if let Some(cookie) = request.cookie(name) {
        end_session(&db, cookie.value()).await?;
    }
    let mut gone = Cookie::build(name, "")
        .path("/")
        .secure(config.is_https())
        .finish();
    gone.make_removal();
    Ok(HttpResponse::SeeOther()
        .insert_header((header::LOCATION, "/"))
        .cookie(gone)
        .finish())
}
