//! What the sign-in page posts.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::LOCATION,
    web::{Bytes, Data},
};
use chrono::TimeDelta;

use crate::{
    authorize::{Asked, answer_address},
    page::{self, LoginPage, Problem},
    parameters::Parameters,
    person::Person,
    provider::Shared,
    secret,
    token::Code,
};

/// Binds a sign-in page to the browser that loaded it; the name is ours because loopback ports share cookies.
pub(crate) const COOKIE: &str = "demo_idp_browser";

/// A sign-in page takes this many wrong passwords.
const TRIES: u32 = 10;
/// How long a code can be exchanged (SURFconext: 10 minutes; RFC 6749 recommends 10 at most).
const CODE_LIFE: TimeDelta = TimeDelta::seconds(60);
/// How long a used code is remembered, so that its second use is noticed.
const CODE_MEMORY: TimeDelta = TimeDelta::hours(1);

/// A sign-in page that is open somewhere.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    asked: Asked,
    csrf: [u8; 32],
    browser: [u8; 32],
    tries: u32,
}

impl Pending {
    pub(crate) fn new(asked: Asked, csrf: &str, browser: &str) -> Self {
        Self {
            asked,
            csrf: secret::digest(csrf),
            browser: secret::digest(browser),
            tries: 0,
        }
    }

    /// Whether the form comes from the page and the browser that we gave it to.
    fn is_from(&self, csrf: &str, browser: &str) -> bool {
        self.csrf == secret::digest(csrf) && self.browser == secret::digest(browser)
    }
}

/// `POST /login`.
pub(crate) async fn login(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    let Ok(form) = Parameters::parse(&body) else {
        return page::problem(&request, Problem::Malformed);
    };
    let field = |name| form.get(name).unwrap_or_default();
    let (token, csrf) = (field("request"), field("csrf"));
    let browser = request.cookie(COOKIE);
    let browser = browser.as_ref().map_or("", |cookie| cookie.value());
    let now = shared.now();
    let pending = shared.pending().get_mut(token, now).cloned();
    let Some(pending) = pending.filter(|pending| pending.is_from(csrf, browser)) else {
        return page::problem(&request, Problem::Expired);
    };
    let person = match form.get("pick") {
        Some(login) => shared.person(login),
        None => by_password(&shared.people, field("username"), field("password")),
    };
    let Some(person) = person else {
        tracing::info!(tries = pending.tries + 1, "a demo sign-in failed");
        if !count_try(&shared, token) {
            return page::problem(&request, Problem::Expired);
        }
        let login = LoginPage {
            words: page::words(&request),
            people: &shared.people,
            request: token,
            csrf,
            username: field("username"),
            is_wrong: true,
        };
        return login.answer();
    };
    // Only one of two clicks at once gets the code.
    if shared.pending().remove(token).is_none() {
        return page::problem(&request, Problem::Expired);
    }
    let code = secret::new_token();
    let Asked {
        redirect_uri,
        scope,
        state,
        nonce,
        challenge,
    } = pending.asked;
    let address = answer_address(&redirect_uri, &[("code", &code), ("state", &state)]);
    let Some(address) = address else {
        return page::problem(&request, Problem::Internal);
    };
    let granted = Code {
        redirect_uri,
        scope,
        nonce,
        challenge,
        login: person.login.clone(),
        signed_in_at: now,
        ends_at: now + CODE_LIFE,
        is_used: false,
        access_token: None,
    };
    shared
        .codes()
        .insert(&code, granted, now, now + CODE_MEMORY);
    tracing::info!(login = %person.login, "a demo person signed in");
    HttpResponse::SeeOther()
        .insert_header((LOCATION, address))
        .finish()
}

/// Counts a wrong password; `false` once there were too many, and the page is of no use any more.
fn count_try(shared: &Shared, token: &str) -> bool {
    let mut open = shared.pending();
    let Some(pending) = open.get_mut(token, shared.now()) else {
        return false;
    };
    pending.tries += 1;
    let goes_on = pending.tries < TRIES;
    if !goes_on {
        open.remove(token);
    }
    goes_on
}

fn by_password<'a>(people: &'a [Person], username: &str, password: &str) -> Option<&'a Person> {
    let person = people.iter().find(|person| person.login == username);
    // An unknown name takes as long as a known one.
    let expected = person.map_or("", |person| person.password.as_str());
    let fits = secret::is_same(expected, password);
    person.filter(|_| fits && !password.is_empty())
}
