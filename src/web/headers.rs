//! Headers on every answer, and the page for an error.

use actix_web::{
    Error, HttpResponse,
    body::{BoxBody, MessageBody},
    cookie::Cookie,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, ContentType, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};
use askama::Template;
use url::Url;

use super::{chrome::Chrome, filters, lang::Lang, page::Visit, page_error::Shown};
use crate::config::Config;

/// What programs of others ask, many times a second: no page is ever answered there.
const FOR_PROGRAMS: &str = "/v1/";

/// Sets the headers that hold for every answer.
///
/// # Errors
/// Passes on those of the inner service.
pub async fn security_headers(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if request.path().starts_with(FOR_PROGRAMS) {
        let mut response = next.call(request).await?.map_into_boxed_body();
        let nosniff = HeaderValue::from_static("nosniff");
        response
            .headers_mut()
            .insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
        return Ok(response);
    }
    let config = request.app_data::<web::Data<Config>>().cloned();
    let had_flash = request.cookie("flash").is_some();
    let mut response = next.call(request).await?.map_into_boxed_body();
    let is_html = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("x-content-type-options", "nosniff");
    set("referrer-policy", "same-origin");
    set("cross-origin-opener-policy", "same-origin");
    set("cross-origin-resource-policy", "same-origin");
    set(
        "permissions-policy",
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    );
    if let Some(config) = config {
        set("content-security-policy", &content_policy(&config));
        if config.is_https() {
            set(
                "strict-transport-security",
                "max-age=31536000; includeSubDomains",
            );
        }
    }
    if is_html && had_flash {
        let mut gone = Cookie::build("flash", "").path("/").finish();
        gone.make_removal();
        let _ = response.response_mut().add_cookie(&gone);
    }
    Ok(response)
}

/// Nothing but our own scripts, styles, fonts and images; uploads may go to the store.
fn content_policy(config: &Config) -> String {
    let origin = |address: &str| {
        Url::parse(address)
            .map(|url| url.origin().ascii_serialization())
            .unwrap_or_default()
    };
    let (store, issuer) = (origin(config.s3.public()), origin(&config.oidc.issuer));
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self' {store}; font-src 'self'; form-action 'self' {issuer}; base-uri 'none'; \
         frame-ancestors 'none'"
    )
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    chrome: Chrome,
    title: String,
    message: String,
    must_sign_in: bool,
    sign_in_path: String,
}

/// Draws the page for an error of a page handler, in the language of its path; asks people who are not
/// signed in to do so.
///
/// # Errors
/// Passes on those of the inner service.
pub async fn error_pages(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if request.path().starts_with(FOR_PROGRAMS) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let path = request.path().to_owned();
    let is_get = request.method() == Method::GET;
    let full = request.uri().to_string();
    let is_demo = request
        .app_data::<web::Data<Config>>()
        .is_some_and(|config| config.demo);
    let accepted = Lang::accepted(
        request
            .headers()
            .get(header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok()),
    );
    let response = next.call(request).await?.map_into_boxed_body();
    let lang = match path.split('/').nth(1) {
        Some("auth") => accepted,
        Some(first) => match first.parse() {
            Ok(lang) => lang,
            Err(_) => return Ok(response),
        },
        None => return Ok(response),
    };
    let shown = response.response().extensions().get::<Shown>().cloned();
    let (say, must_sign_in) = match shown {
        Some(Shown { say, must_sign_in }) => (say, must_sign_in),
        None if response.status() == 404 => (crate::error::Say::new("error-not-found"), false),
        None => return Ok(response),
    };
    let sign_in_path = format!(
        "/auth/login?return_to={}",
        url::form_urlencoded::byte_serialize(full.as_bytes()).collect::<String>()
    );
    if must_sign_in && is_get {
        let answer = HttpResponse::SeeOther()
            .insert_header((header::LOCATION, sign_in_path))
            .finish();
        return Ok(response.into_response(answer));
    }
    let status = response.status();
    // Whoever is signed in stays so; what is ours to mend may be the very database that knows.
    let visit = if status.is_client_error() {
        Visit::read(response.request(), lang).await.ok()
    } else {
        None
    };
    let page = ErrorPage {
        chrome: match visit {
            Some(visit) => visit.chrome(),
            None => bare_chrome(lang, &path, is_demo),
        },
        title: lang.t(&format!("error-title-{}", status.as_u16())),
        message: lang.say(&say),
        must_sign_in,
        sign_in_path,
    };
    let retry = response.headers().get(header::RETRY_AFTER).cloned();
    let mut answer = HttpResponse::build(status);
    if let Some(retry) = retry {
        answer.insert_header((header::RETRY_AFTER, retry));
    }
    let body = page.render().unwrap_or_else(|_| say.key.to_owned());
    let answer = answer.content_type(ContentType::html()).body(body);
    Ok(response.into_response(answer))
}

fn bare_chrome(lang: Lang, path: &str, is_demo: bool) -> Chrome {
    let rest = path.get(3..).unwrap_or_default();
    Chrome {
        lang,
        path_nl: format!("/nl{rest}"),
        path_en: format!("/en{rest}"),
        user: None,
        task_count: 0,
        nav: Vec::new(),
        csrf: String::new(),
        flash: None,
        is_demo,
        version: env!("CARGO_PKG_VERSION"),
    }
}
