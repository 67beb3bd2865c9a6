//! What was kept of the lines of a rejected file is not for others to see, and goes with the data.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{TestApp, given};

const NAME: &str = "jan-de-vries";

#[actix_web::test]
async fn words_of_rejected_files_go_when_their_dataset_is_withdrawn() {
    let app = TestApp::start().await;
    let data = given::permitted_draft_of(&app, &given::small_corpus()).await;
    let mut contributor = app.browser("contributor.waterland").await;
    let line = json!({ "messages": [
        { "role": NAME, "content": "vraag" },
        { "role": "assistant", "content": "antwoord" },
    ]});
    for (name, text) in [
        ("rol.jsonl", format!("{line}\n")),
        ("kop.csv", format!("{NAME},adres\n1,2\n")),
    ] {
        let refused = contributor
            .upload(data.dataset, name, text.as_bytes())
            .await;
        assert!(refused.is_err(), "{name} was not rejected");
    }
    let submit = format!("/api/v1/datasets/{}/submit", data.dataset);
    contributor.api(Method::POST, &submit, None).await.unwrap();
    given::approve(&app, data.dataset).await;
    let mut researcher = app.browser("researcher.harderwijk").await;
    for path in ["/nl/datasets", "/en/datasets", "/api/v1/datasets"] {
        let path = format!("{path}/{}", data.dataset);
        let own = contributor.get(&path).await.unwrap();
        assert!(own.text.contains(NAME), "{path}: {}", own.text);
        let others = researcher.get(&path).await.unwrap();
        assert_eq!(others.status, StatusCode::OK, "{path}: {}", others.text);
        for word in [NAME, "rol.jsonl", "kop.csv"] {
            assert!(!others.text.contains(word), "{path}: {}", others.text);
        }
    }
    let pool = app.pool().await;
    let kept = async || -> String {
        sqlx::query_scalar(
            "SELECT string_agg(concat(path, problem, bad_examples), ' ') FROM dataset_files
             WHERE dataset_version_id = $1 AND state = 'rejected'",
        )
        .bind(data.version)
        .fetch_one(&pool)
        .await
        .unwrap()
    };
    let before = kept().await;
    assert!(
        before.matches(NAME).count() >= 3,
        "the role in both lists of lines, and the header: {before}"
    );
    given::withdrawn(&app, data.dataset, "bezwaar").await;
    let after = kept().await;
    assert!(!after.contains(NAME), "{after}");
    assert!(
        after.contains("rol.jsonl") && after.contains("bad_lines") && after.contains("csv_header"),
        "why they were rejected is still known: {after}"
    );
    let page = contributor
        .get(&format!("/nl/datasets/{}", data.dataset))
        .await
        .unwrap();
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
}
