//! The pages in a real Chromium: a person clicks and types, and what they see is kept as pictures.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::json;

use crate::{
    disclosures::{self, Wanted},
    support::{TestApp, given},
};

/// A chromedriver of its own, gone with the test.
struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    async fn start() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed: run tests through scripts/test");
        let driver = Self { process, port };
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .is_ok()
            {
                return driver;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("chromedriver does not answer");
    }

    async fn window(&self, width: u32) -> Client {
        let options = json!({
            "goog:chromeOptions": { "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--disable-dev-shm-usage", "--hide-scrollbars", format!("--window-size={width},1600"),
            ]},
        });
        let connector = hyper_util::client::legacy::connect::HttpConnector::new();
        let client = ClientBuilder::new(connector)
            .capabilities(options.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{}", self.port))
            .await
            .unwrap();
        client.set_window_size(width, 1600).await.unwrap();
        client
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where pictures go: `docs/screenshots` where `scripts/screenshots` says so, else beside the build.
fn pictures() -> PathBuf {
    let folder = std::env::var("FACULTY_TEST_SCREENSHOTS").map_or_else(
        |_| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screenshots"),
        PathBuf::from,
    );
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

async fn picture(client: &Client, name: &str) {
    let png = client.screenshot().await.unwrap();
    std::fs::write(pictures().join(format!("{name}.png")), png).unwrap();
}

async fn sign_in(client: &Client, app: &TestApp, login: &str) {
    client.delete_all_cookies().await.unwrap();
    client
        .goto(app.url.join("/nl").unwrap().as_str())
        .await
        .unwrap();
    client
        .goto(
            app.url
                .join("/auth/login?return_to=/nl/tasks")
                .unwrap()
                .as_str(),
        )
        .await
        .unwrap();
    client
        .wait()
        .for_element(Locator::Css("#username"))
        .await
        .unwrap()
        .send_keys(login)
        .await
        .unwrap();
    client
        .find(Locator::Css("#password"))
        .await
        .unwrap()
        .send_keys(login)
        .await
        .unwrap();
    client
        .find(Locator::Css("form.password button"))
        .await
        .unwrap()
        .click()
        .await
        .unwrap();
    client
        .wait()
        .for_element(Locator::Css(".who"))
        .await
        .unwrap();
}

async fn fill(client: &Client, field: &str, text: &str) {
    let field = client.find(Locator::Id(field)).await.unwrap();
    field.clear().await.unwrap();
    field.send_keys(text).await.unwrap();
}

async fn see(client: &Client, app: &TestApp, path: &str) {
    client
        .goto(app.url.join(path).unwrap().as_str())
        .await
        .unwrap();
    let page = client.source().await.unwrap();
    assert!(!page.contains('⟨'), "{path} shows a text that is not there");
}

/// Every picture of a page: both languages, a desk and a telephone.
async fn pictures_of(driver: &Driver, app: &TestApp, login: &str, name: &str, path: &str) {
    for width in [1280, 390] {
        let client = driver.window(width).await;
        sign_in(&client, app, login).await;
        for lang in ["nl", "en"] {
            see(&client, app, &format!("/{lang}{path}")).await;
            picture(&client, &format!("{name}-{lang}-{width}")).await;
        }
        client.close().await.unwrap();
    }
}

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

#[actix_web::test]
async fn the_documents_of_a_model_look_as_they_should() {
    let tuned = disclosures::tuned(Wanted::default()).await;
    let driver = Driver::start().await;
    let (app, model) = (&tuned.app, tuned.model);
    let id = tuned.prepared().await;
    let documents = format!("/models/{model}/disclosures");
    pictures_of(&driver, app, "legal", "documents", &documents).await;
    tuned.publish(id).await;
    for (login, name, path) in [
        ("auditor", "summaries", "/disclosures".to_owned()),
        (
            "auditor",
            "summary",
            format!("/disclosures/{id}/training_summary"),
        ),
        ("auditor", "annex-xi", format!("/disclosures/{id}/annex_xi")),
        ("admin", "provider", "/admin/provider".to_owned()),
        (
            "operator",
            "base-facts",
            format!("/models/{}/base-facts", tuned.base),
        ),
        (
            "contributor.waterland",
            "public-facts",
            format!("/datasets/{}/public-facts", tuned.dataset),
        ),
    ] {
        pictures_of(&driver, app, login, name, &path).await;
    }
}
