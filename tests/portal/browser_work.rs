//! Review, job and key pages worked by clicking and typing, from a submission to a key that answers.

use fantoccini::{Client, Locator};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    TestApp,
    chromium::{Driver, click, fill, picture, read, see, sign_in},
    given,
};

/// Signs in as `login`, whose list of tasks names `title`, and follows it.
async fn take_task(client: &Client, app: &TestApp, login: &str, title: &str) {
    sign_in(client, app, login).await;
    see(client, app, "/nl/tasks").await;
    let task = client
        .find(Locator::XPath(&format!(
            "//ul[contains(@class, 'tasks')]//a[contains(., '{title}')] | //ul[contains(@class, 'tasks')]//li[contains(., '{title}')]//a"
        )))
        .await
        .unwrap_or_else(|_| panic!("{login} has no task about {title}"));
    task.click().await.unwrap();
}

async fn text(client: &Client, css: &str) -> String {
    let found = client.wait().for_element(Locator::Css(css)).await.unwrap();
    found.text().await.unwrap()
}

#[actix_web::test]
async fn people_review_request_approve_and_get_a_key_by_clicking() {
    let app = TestApp::start().await;
    let driver = Driver::start().await;
    let client = driver.window(1280).await;
    let base = given::tiny_base(&app).await;
    let data = given::permitted_draft_of(&app, &given::small_corpus()).await;
    let dataset_page = format!("/nl/datasets/{}", data.dataset);

    sign_in(&client, &app, "contributor.waterland").await;
    see(&client, &app, &dataset_page).await;
    click(&client, "form[action$='/submit'] button").await;
    click(&client, "#ask-yes").await;
    read(&client, "badge--running").await;

    // The steward first returns it with a reason; the contributor sees why and hands it in again.
    take_task(&client, &app, "steward", "Notulen").await;
    click(&client, "button[value='returned']").await;
    let complaint = text(&client, ".field-error").await;
    assert!(
        !complaint.is_empty(),
        "a return without a reason is refused"
    );
    fill(&client, "reason-data", "De bron ontbreekt.").await;
    click(&client, "button[value='returned']").await;
    sign_in(&client, &app, "contributor.waterland").await;
    see(&client, &app, &dataset_page).await;
    read(&client, "De bron ontbreekt.").await;
    click(&client, "form[action$='/submit'] button").await;
    click(&client, "#ask-yes").await;
    for login in ["steward", "legal"] {
        take_task(&client, &app, login, "Notulen").await;
        if login == "legal" {
            picture(&client, "review-nl-1280").await;
        }
        click(&client, "button[value='approved']").await;
    }
    read(&client, "badge--granted").await;

    let job = request_job(&client, &app, &data.version.to_string()).await;
    take_task(&client, &app, "operator", "Archiefassistent").await;
    picture(&client, "job-decide-nl-1280").await;
    click(&client, "button[value='approve']").await;
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    sign_in(&client, &app, "researcher.harderwijk").await;
    see(&client, &app, &format!("/nl/jobs/{job}")).await;
    let made = text(&client, "a[href*='/models/']").await;
    assert!(made.starts_with("ft:tiny:"), "{made}");

    app.browser("operator")
        .await
        .api(Method::POST, &format!("/api/v1/models/{base}/deploy"), None)
        .await
        .unwrap();
    let key = get_key(&client, &app, &base.to_string()).await;
    client.close().await.unwrap();
    let listed: Value = reqwest::Client::new()
        .get(app.url.join("/v1/models").unwrap())
        .bearer_auth(key)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(listed["data"][0]["id"], json!("tiny"), "{listed}");
}

/// The researcher sees the verdict before asking, then asks.
async fn request_job(client: &Client, app: &TestApp, version: &str) -> uuid::Uuid {
    sign_in(client, app, "researcher.harderwijk").await;
    see(client, app, "/nl/jobs/new").await;
    fill(client, "title", "Archiefassistent").await;
    fill(client, "motivation", "Vragen in de studiezaal beantwoorden").await;
    click(client, "#method-lora").await;
    click(client, "#is_commercial-yes").await;
    click(client, "#recipients-consortium").await;
    click(client, &format!("[id='dataset_versions-{version}']")).await;
    fill(client, "epochs", "6").await;
    fill(client, "rank", "4").await;
    fill(client, "sequence_length", "64").await;
    click(client, "button[value='check']").await;
    let verdict = text(client, ".verdict .is-no").await;
    assert!(
        verdict.contains("Notulen"),
        "the refusal names the dataset: {verdict}"
    );
    click(client, "#is_commercial-no").await;
    click(client, "button[value='check']").await;
    let verdict = text(client, ".verdict .is-yes").await;
    assert!(verdict.contains("Notulen"), "{verdict}");
    picture(client, "job-new-nl-1280").await;
    click(client, "button[value='send']").await;
    read(client, "badge--neutral").await;
    let address = client.current_url().await.unwrap();
    address.path().rsplit('/').next().unwrap().parse().unwrap()
}

/// The developer asks, the manager approves, the developer is shown the key once.
async fn get_key(client: &Client, app: &TestApp, model: &str) -> String {
    sign_in(client, app, "developer.harderwijk").await;
    see(client, app, "/nl/keys/new").await;
    click(client, "main form button.button--main").await;
    let complaint = text(client, ".errors").await;
    assert!(
        !complaint.is_empty(),
        "an empty request is refused with what is missing"
    );
    fill(client, "name", "archiefassistent").await;
    fill(client, "purpose", "Proef in de studiezaal").await;
    click(client, "#commercial-no").await;
    click(client, &format!("[id='models-{model}']")).await;
    click(client, "main form button.button--main").await;
    read(client, "badge--neutral").await;
    let page = client.current_url().await.unwrap().path().to_owned();
    take_task(client, app, "manager.harderwijk", "archiefassistent").await;
    // With the first key of the institution its manager accepts the terms.
    click(client, "#accept_terms").await;
    click(client, "form[action$='/approve'] button").await;
    sign_in(client, app, "developer.harderwijk").await;
    see(client, app, &page).await;
    click(client, "form[action$='/reveal'] button").await;
    let key = text(client, "#new-key").await;
    picture(client, "key-shown-nl-1280").await;
    assert!(key.starts_with("gptnl_"), "{key}");
    see(client, app, &page).await;
    let again = client.source().await.unwrap();
    assert!(!again.contains(&key), "a key is shown once");
    key
}
