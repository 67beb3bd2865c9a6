//! The pieces that handlers are made of: who asks, in which language, and how answers look.

mod api_error;
mod assets;
mod chrome;
mod csrf;
pub mod filters;
mod form;
mod headers;
mod lang;
mod page;
mod page_error;
mod public_form;
mod session;
mod words;

pub(crate) use self::assets::serve as serve_asset;
pub use self::{
    api_error::{ApiError, ApiResult},
    chrome::{Chrome, Flash, NavItem, TaskCounter, User},
    csrf::{ApiActor, FormSender, ProtectedForm, ProtectedJson},
    form::{FieldErrors, Text},
    headers::{error_pages, security_headers},
    lang::Lang,
    page::{Page, Visit, back_with, see_other},
    page_error::{PageError, PageResult},
    public_form::{PublicForm, PublicSender, check_form_token, client_address, form_token},
    session::{SESSION_LIFETIME, Session, cookie_name, end_session, read_session, start_session},
    words::{bytes, day, moment, number, short_hash},
};
