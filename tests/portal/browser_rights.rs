//! The pages about rights and privacy in a real Chromium, kept as pictures.

use crate::{
    privacy,
    rights_checks::{PAGE, PRIVATE, let_it_be_due, open_source, plan},
    support::{
        Answer, TestApp,
        chromium::{Driver, pictures_of},
    },
};

#[actix_web::test]
async fn the_pages_about_rights_and_privacy_look_as_they_should() {
    let app = TestApp::start_with(&PRIVATE).await;
    let driver = Driver::start().await;
    let source = open_source();
    let data = privacy::submitted(&app).await;
    let mut contributor = app.browser("contributor.waterland").await;
    let page = format!("{}/notulen", source.url);
    plan(&mut contributor, data.dataset, &page).await;
    app.run_tasks().await;
    let reserved = Answer::html(&PAGE.replace("/by/", "/by-nc/"));
    source.says("/notulen", reserved.with("tdm-reservation", "1"));
    let_it_be_due(&app).await;
    app.run_tasks().await;
    let form = privacy::assessment(&[]);
    privacy::fill(&mut contributor, data.dataset, form).await;
    let dataset = format!("/datasets/{}", data.dataset);
    for (login, name, rest) in [
        ("manager.waterland", "rights", "/rights"),
        ("contributor.waterland", "rights-new", "/rights/new"),
        ("manager.waterland", "rights-licence", "/rights/licence"),
        ("fg.waterland", "assessment", "/privacy"),
        ("contributor.waterland", "assessment-new", "/privacy/new"),
        ("manager.waterland", "dataset-rights", ""),
        ("manager.waterland", "dataset-past", "?at=2999-01-01"),
    ] {
        pictures_of(&driver, &app, login, name, &format!("{dataset}{rest}")).await;
    }
}
