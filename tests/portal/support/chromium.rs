//! A real Chromium, driven as a person would.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::json;

use super::TestApp;

/// A chromedriver of its own, gone with the test.
pub(crate) struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    pub(crate) async fn start() -> Self {
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

    pub(crate) async fn window(&self, width: u32) -> Client {
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

pub(crate) async fn picture(client: &Client, name: &str) {
    let png = client.screenshot().await.unwrap();
    std::fs::write(pictures().join(format!("{name}.png")), png).unwrap();
}

pub(crate) async fn sign_in(client: &Client, app: &TestApp, login: &str) {
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

pub(crate) async fn fill(client: &Client, field: &str, text: &str) {
    let field = client.find(Locator::Id(field)).await.unwrap();
    field.clear().await.unwrap();
    field.send_keys(text).await.unwrap();
}

pub(crate) async fn see(client: &Client, app: &TestApp, path: &str) {
    client
        .goto(app.url.join(path).unwrap().as_str())
        .await
        .unwrap();
    let page = client.source().await.unwrap();
    assert!(!page.contains('⟨'), "{path} shows a text that is not there");
}

/// Every picture of a page: both languages, a desk and a telephone.
pub(crate) async fn pictures_of(
    driver: &Driver,
    app: &TestApp,
    login: &str,
    name: &str,
    path: &str,
) {
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

/// Clicks what `css` finds, once it is there.
pub(crate) async fn click(client: &Client, css: &str) {
    let found = client
        .wait()
        .at_most(Duration::from_secs(30))
        .for_element(Locator::Css(css))
        .await;
    let Ok(element) = found else {
        let page = client.source().await.unwrap_or_default();
        panic!("nothing on the page is `{css}`: {page}");
    };
    element.click().await.unwrap();
}

/// Waits until the page holds `text`; the page after two minutes where it never does.
pub(crate) async fn read(client: &Client, text: &str) {
    for _ in 0..600 {
        if client.source().await.unwrap_or_default().contains(text) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let page = client.source().await.unwrap_or_default();
    panic!("the page never says {text:?}: {page}");
}
