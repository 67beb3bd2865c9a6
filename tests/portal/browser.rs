//! The pages in a real Chromium: a person clicks and types, and what they see is kept as pictures.

use std::time::Duration;

use fantoccini::Locator;

use crate::support::{
    TestApp,
    chromium::{Driver, fill, picture, pictures_of, see, sign_in},
    given,
};

#[actix_web::test]
async fn a_contributor_registers_and_uploads_from_the_page() {
    let app = TestApp::start().await;
    let driver = Driver::start().await;
    let client = driver.window(1280).await;
    sign_in(&client, &app, "contributor.waterland").await;
    see(&client, &app, "/nl/datasets/new").await;
    fill(&client, "title", "Raadsnotulen 1850–1920").await;
    fill(
        &client,
        "description",
        "Notulen van de gemeenteraad, getranscribeerd.",
    )
    .await;
    fill(&client, "license", "CC0-1.0").await;
    fill(&client, "source", "Archief Waterland").await;
    fill(&client, "right_holder", "Archief Waterland").await;
    client
        .find(Locator::Id("personal_data-no"))
        .await
        .unwrap()
        .click()
        .await
        .unwrap();
    client
        .find(Locator::Id("confidentiality-public"))
        .await
        .unwrap()
        .click()
        .await
        .unwrap();
    client
        .find(Locator::Css("form.form button.button--main"))
        .await
        .unwrap()
        .click()
        .await
        .unwrap();
    let files = client
        .wait()
        .for_element(Locator::Id("files"))
        .await
        .unwrap();
    let path = app.folder.path().join("notulen.jsonl");
    std::fs::write(&path, given::small_corpus()).unwrap();
    files.send_keys(path.to_str().unwrap()).await.unwrap();
    if let Ok(send) = client.find(Locator::Css("form[data-upload] button")).await
        && send.is_displayed().await.unwrap_or(false)
    {
        send.click().await.unwrap();
    }
    let done = client
        .wait()
        .at_most(Duration::from_secs(60))
        .for_element(Locator::Css("#files-list .badge--granted"))
        .await;
    picture(&client, "upload-nl-1280").await;
    done.unwrap();
    let address = client.current_url().await.unwrap();
    let dataset = address.path().rsplit('/').next().unwrap().to_owned();
    client.close().await.unwrap();
    pictures_of(
        &driver,
        &app,
        "contributor.waterland",
        "dataset",
        &format!("/datasets/{dataset}"),
    )
    .await;
}

#[actix_web::test]
async fn the_pages_of_a_finished_job_look_as_they_should() {
    let app = TestApp::start().await;
    let driver = Driver::start().await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let job = given::approved_job(&app, base, data.version, 6).await;
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    let model = state["model"]["id"].as_str().unwrap().to_owned();
    pictures_of(
        &driver,
        &app,
        "researcher.harderwijk",
        "job",
        &format!("/jobs/{job}"),
    )
    .await;
    pictures_of(
        &driver,
        &app,
        "operator",
        "model",
        &format!("/models/{model}"),
    )
    .await;
    pictures_of(
        &driver,
        &app,
        "manager.waterland",
        "contributions",
        "/contributions",
    )
    .await;
    pictures_of(
        &driver,
        &app,
        "manager.waterland",
        "withdraw",
        &format!("/datasets/{}/withdraw", data.dataset),
    )
    .await;
    pictures_of(&driver, &app, "steward", "tasks", "/tasks").await;
    pictures_of(
        &driver,
        &app,
        "developer.harderwijk",
        "key-new",
        "/keys/new",
    )
    .await;
    pictures_of(&driver, &app, "auditor", "audit", "/audit").await;
    let client = driver.window(1280).await;
    sign_in(&client, &app, "researcher.harderwijk").await;
    see(&client, &app, &format!("/nl/jobs/{job}")).await;
    let title = client
        .find(Locator::Css("h1"))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(title.contains("Proef"), "{title}");
    client.close().await.unwrap();
}
