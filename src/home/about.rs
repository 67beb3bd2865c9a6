//! What the portal says of itself: accessibility, privacy, documentation.

use actix_web::{get, web};
use askama::Template;

use crate::web::{Chrome, PageResult, Visit, filters};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(accessibility)
        .service(privacy)
        .service(documentation);
}

/// A page of paragraphs.
#[derive(Template)]
#[template(path = "home/about.html")]
struct AboutPage {
    chrome: Chrome,
    title: String,
    paragraphs: Vec<String>,
    /// Leads to the form for requests and complaints.
    shows_rights: bool,
}

fn about(visit: &Visit, name: &str, paragraphs: u32) -> PageResult {
    let lang = visit.lang;
    visit.show(&AboutPage {
        chrome: visit.chrome(),
        title: lang.t(&format!("{name}-title")),
        paragraphs: (1..=paragraphs)
            .map(|n| lang.t(&format!("{name}-{n}")))
            .collect(),
        shows_rights: name == "privacy",
    })
}

#[get("/{lang:nl|en}/{name:toegankelijkheid|accessibility}")]
async fn accessibility(visit: Visit) -> PageResult {
    about(&visit, "accessibility", 3)
}

#[get("/{lang:nl|en}/privacy")]
async fn privacy(visit: Visit) -> PageResult {
    about(&visit, "privacy", 6)
}

#[get("/{lang:nl|en}/docs")]
async fn documentation(visit: Visit) -> PageResult {
    about(&visit, "docs", 5)
}
