//! What page handlers are given: who asks for which page in which language.

use std::{future::Future, pin::Pin};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite},
    dev::Payload,
    http::{
        StatusCode,
        header::{self, ContentType},
    },
    web,
};
use askama::Template;

use super::{
    chrome::{Chrome, Flash, NavItem, TaskCounter, User},
    csrf::ports,
    lang::Lang,
    page_error::{PageError, PageResult},
    session::{Session, read_session},
};
use crate::{db::Db, error::AppError, policy::Actor};

/// A page that anybody may see.
pub struct Visit {
    /// In which language.
    pub lang: Lang,
    /// Who, if signed in.
    pub session: Option<Session>,
    path: String,
    flash: Option<Flash>,
    is_demo: bool,
    task_count: u32,
}

/// A page for signed-in people.
pub struct Page {
    visit: Visit,
    session: Session,
}

type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, PageError>>>>;

const FLASH: &str = "flash";

impl FromRequest for Visit {
    type Error = PageError;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let lang = request
                .match_info()
                .get("lang")
                .map_or(Ok(Lang::Nl), str::parse)
                .map_err(|_| AppError::NotFound)?;
            Ok(Self::read(&request, lang).await?)
        })
    }
}

impl FromRequest for Page {
    type Error = PageError;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let visit = Visit::from_request(request, payload);
        Box::pin(async move {
            let visit = visit.await?;
            let session = visit.session.clone().ok_or(AppError::SignInFirst)?;
            Ok(Self { visit, session })
        })
    }
}

impl Visit {
    /// Who asks, and what waits for them.
    ///
    /// # Errors
    /// Where the database is away.
    pub(super) async fn read(request: &HttpRequest, lang: Lang) -> Result<Self, AppError> {
        let (db, config) = ports(request)?;
        let session = read_session(&db, &config, request).await?;
        let task_count = match (&session, request.app_data::<web::Data<TaskCounter>>()) {
            (Some(session), Some(counter)) => {
                (counter.0)(Db::clone(&db), session.actor.clone()).await?
            }
            _ => 0,
        };
        Ok(Self {
            lang,
            session,
            path: request.path().to_owned(),
            flash: flash(request, lang),
            is_demo: config.demo,
            task_count,
        })
    }

    /// What this page shows around its content.
    #[must_use]
    pub fn chrome(&self) -> Chrome {
        let rest = self.path.get(3..).unwrap_or_default();
        Chrome {
            lang: self.lang,
            path_nl: format!("/nl{rest}"),
            path_en: format!("/en{rest}"),
            user: self.session.as_ref().map(|session| User {
                name: session.name.clone(),
                institution: session.institution.clone(),
            }),
            task_count: self.task_count,
            nav: self
                .session
                .as_ref()
                .map(|session| navigation(self.lang, &self.path, &session.actor))
                .unwrap_or_default(),
            csrf: self
                .session
                .as_ref()
                .map(|session| session.csrf_token.clone())
                .unwrap_or_default(),
            flash: self.flash.clone(),
            is_demo: self.is_demo,
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// Answers with `page`.
    ///
    /// # Errors
    /// Where the template fails.
    pub fn show(&self, page: &impl Template) -> PageResult {
        html(StatusCode::OK, page)
    }

    /// Answers with `page`, a form that was not taken (422).
    ///
    /// # Errors
    /// Where the template fails.
    pub fn show_invalid(&self, page: &impl Template) -> PageResult {
        html(StatusCode::UNPROCESSABLE_ENTITY, page)
    }

    /// A path of the pages in this language.
    #[must_use]
    pub fn path(&self, rest: &str) -> String {
        format!("/{}{rest}", self.lang)
    }
}

impl Page {
    /// In which language.
    #[must_use]
    pub fn lang(&self) -> Lang {
        self.visit.lang
    }

    /// Who asks.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.session.actor
    }

    /// What this page shows around its content.
    #[must_use]
    pub fn chrome(&self) -> Chrome {
        self.visit.chrome()
    }

    /// A path of the pages in this language: `page.path("/datasets")` is `/nl/datasets`.
    #[must_use]
    pub fn path(&self, rest: &str) -> String {
        format!("/{}{rest}", self.visit.lang)
    }

    /// Answers with `page`.
    ///
    /// # Errors
    /// Where the template fails.
    pub fn show(&self, page: &impl Template) -> PageResult {
        html(StatusCode::OK, page)
    }

    /// Answers with `page`, a form that was not taken (422).
    ///
    /// # Errors
    /// Where the template fails.
    pub fn show_invalid(&self, page: &impl Template) -> PageResult {
        html(StatusCode::UNPROCESSABLE_ENTITY, page)
    }
}

fn html(status: StatusCode, page: &impl Template) -> PageResult {
    let body = page.render().map_err(|e| AppError::Internal(e.into()))?;
    Ok(HttpResponse::build(status)
        .content_type(ContentType::html())
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body))
}

/// Sends the browser on after a POST.
#[must_use]
pub fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, path))
        .finish()
}

/// Sends the browser on after a POST, with a message for the next page: a kind (`good`, `bad`, `info`)
/// and a key of the texts.
#[must_use]
pub fn back_with(path: &str, kind: &'static str, key: &'static str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, path))
        .cookie(
            Cookie::build(FLASH, format!("{kind}.{key}"))
                .path("/")
                .http_only(true)
                .same_site(SameSite::Lax)
                .max_age(actix_web::cookie::time::Duration::seconds(30))
                .finish(),
        )
        .finish()
}

fn flash(request: &HttpRequest, lang: Lang) -> Option<Flash> {
    let cookie = request.cookie(FLASH)?;
    let (kind, key) = cookie.value().split_once('.')?;
    let kind = match kind {
        "good" => "good",
        "bad" => "bad",
        _ => "info",
    };
    let is_key = key.len() < 80
        && key.starts_with("flash-")
        && key.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    is_key.then(|| Flash {
        kind,
        text: lang.t(key),
    })
}

fn navigation(lang: Lang, path: &str, actor: &Actor) -> Vec<NavItem> {
    use crate::policy::{Action, Visibility, visible};
    let mut entries = vec![("tasks", None), ("datasets", None)];
    entries.extend([
        ("agreements", Some(Action::ViewAgreement)),
        ("jobs", Some(Action::ViewJob)),
        ("models", None),
        ("keys", Some(Action::ViewKey)),
        ("usage", Some(Action::ViewUsage)),
        ("contributions", Some(Action::GivePermission)),
        ("statements", Some(Action::ViewStatements)),
        ("complaints", Some(Action::ListComplaints)),
        ("notices", None),
        ("admin/places", Some(Action::ViewPlaces)),
        ("admin/deployments", Some(Action::ViewServing)),
        ("admin/budgets", Some(Action::ViewBudget)),
        ("admin/licensees", Some(Action::ViewLicensees)),
        ("audit", Some(Action::ViewAudit)),
    ]);
    entries
        .into_iter()
        .filter(|(_, action)| {
            action.is_none_or(|action| visible(actor, action) != Visibility::Nothing)
        })
        .map(|(name, _)| {
            let href = format!("/{lang}/{name}");
            let is_under = |name: &str| {
                let href = format!("/{lang}/{name}");
                path == href || path.starts_with(&format!("{href}/"))
            };
            NavItem {
                label: lang.t(&format!("nav-{}", name.replace('/', "-"))),
                // Webhooks are reached from the keys, as both are for programs.
                is_current: is_under(name) || (name == "keys" && is_under("webhooks")),
                href,
            }
        })
        .collect()
}
