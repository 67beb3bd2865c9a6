//! One's own institution: who does what.

use actix_web::{get, web};
use askama::Template;

use crate::{
    db::Db,
    error::AppError,
    institutions,
    web::{Chrome, Page, PageResult, filters},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(show);
}

struct Member {
    name: String,
    roles: String,
}

#[derive(Template)]
#[template(path = "home/institution.html")]
struct InstitutionPage {
    chrome: Chrome,
    name: String,
    members: Vec<Member>,
}

#[get("/{lang:nl|en}/institution")]
async fn show(page: Page, db: web::Data<Db>) -> PageResult {
    let lang = page.lang();
    let institution = institutions::find(&db, page.actor().institution)
        .await?
        .ok_or(AppError::NotFound)?;
    let members = institutions::members(&db, institution.id)
        .await?
        .into_iter()
        .map(|member| Member {
            name: member.name,
            roles: member
                .roles
                .iter()
                .map(|role| lang.t(&format!("role-{}", role.name())))
                .collect::<Vec<_>>()
                .join(", "),
        })
        .collect();
    page.show(&InstitutionPage {
        chrome: page.chrome(),
        name: institution.name,
        members,
    })
}
