//! Withdrawing one version says which others hold the same files and stay.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::demo::Browser;

use crate::{
    support::{TestApp, given},
    versions::{all_ready, approve, until},
    withdrawal_pages::withdraw,
};

async fn reach(manager: &mut Browser, dataset: Uuid, extent: &str) -> Value {
    let path = format!("/api/v1/datasets/{dataset}/reach?extent={extent}");
    manager.api(Method::GET, &path, None).await.unwrap()
}

#[actix_web::test]
async fn a_version_with_the_same_files_that_stays_is_named_before_anybody_confirms() {
    let app = TestApp::start().await;
    let data = given::approved_dataset(&app).await;
    let mut contributor = app.browser("contributor.waterland").await;
    let mut manager = app.browser("manager.waterland").await;
    let first = format!("version:{}", data.version);
    let alone = reach(&mut manager, data.dataset, &first).await;
    assert_eq!(alone["siblings"], json!([]), "{alone:#}");

    let path = format!("/api/v1/datasets/{}", data.dataset);
    contributor
        .api(Method::POST, &format!("{path}/versions"), None)
        .await
        .unwrap();
    let begun = until(&mut contributor, &path, all_ready).await;
    let second: Uuid = serde_json::from_value(begun["version"]["id"].clone()).unwrap();
    approve(&app, data.dataset).await;

    let now = reach(&mut manager, data.dataset, &first).await;
    assert_eq!(
        now["siblings"],
        json!([{ "version": second, "number": 2 }]),
        "{now:#}"
    );
    assert_eq!(now["versions"], json!([data.version]), "{now:#}");
    let other = reach(&mut manager, data.dataset, &format!("version:{second}")).await;
    assert_eq!(
        other["siblings"],
        json!([{ "version": data.version, "number": 1 }]),
        "the older one holds them too: {other:#}"
    );
    let whole = reach(&mut manager, data.dataset, "dataset").await;
    assert_eq!(whole["siblings"], json!([]), "nothing stays: {whole:#}");

    for (lang, extent, words) in [
        ("nl", first.clone(), "versie 2 heeft dezelfde bestanden"),
        ("en", first.clone(), "version 2 has the same files"),
        (
            "nl",
            format!("version:{second}"),
            "versie 1 heeft dezelfde bestanden",
        ),
    ] {
        let ask = format!("/{lang}/datasets/{}/withdraw", data.dataset);
        let page = manager
            .get(&format!("{ask}?extent={extent}"))
            .await
            .unwrap();
        assert!(page.text.contains(words), "{words}: {}", page.text);
        let page = manager.get(&ask).await.unwrap().text;
        assert!(!page.contains(words), "nothing stays: {page}");
    }
    // Who saw the page before there was a second version has not seen that it stays.
    let late = json!({ "extent": first, "reason": "bezwaar", "seen": alone["seen"] });
    let refused = manager
        .call(Method::POST, &format!("{path}/withdraw"), Some(late))
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);

    withdraw(&mut manager, data.dataset, &first).await;
    let left = reach(&mut manager, data.dataset, &format!("version:{second}")).await;
    assert_eq!(left["siblings"], json!([]), "the first is over: {left:#}");
}
