//! One's own institution: who does what.

use actix_web::{get, web};
use askama::Template;

use crate::{
    db::Db,
    error::AppError,
    institutions,
    policy::{self, Action, Scope},
    safeguards,
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
    /// Which steps are put around what keys ask, for who may change them.
    safeguards: Option<String>,
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
        safeguards: safeguards_line(&page, &db).await?,
    })
}

async fn safeguards_line(page: &Page, db: &Db) -> Result<Option<String>, AppError> {
    let (lang, institution) = (page.lang(), page.actor().institution);
    if policy::check(page.actor(), Action::SetSafeguards, &Scope::of(institution)).is_err() {
        return Ok(None);
    }
    let all = safeguards::all(db).await?;
    let steps = all.into_iter().find(|(of, _)| *of == institution);
    let Some((_, steps)) = steps else {
        return Ok(Some(lang.t("safeguards-off")));
    };
    let mut on = Vec::new();
    if steps.filters_prompts || steps.filters_answers {
        on.push(lang.t("safeguards-filter"));
    }
    if steps.hook.is_some() {
        on.push(lang.t("safeguards-service"));
    }
    Ok(Some(
        lang.t_with("safeguards-on", &[("steps", on.join(", "))]),
    ))
}
