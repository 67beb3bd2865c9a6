//! The wizard: what is asked of the place and the time, and a request that is filled in as another job was.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{TestApp, given};

#[actix_web::test]
async fn place_and_time_are_asked_for_and_come_back_with_another_job() {
    let app = TestApp::without_worker(&[]).await;
    app.work();
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let (base, version) = (base.to_string(), data.version.to_string());
    let mut researcher = app.browser("researcher.harderwijk").await;
    let fields = |place: &'static str, seconds: &'static str| {
        vec![
            ("title", "Proef".to_owned()),
            ("motivation", "een test".to_owned()),
            ("method", "lora".to_owned()),
            ("is_commercial", "no".to_owned()),
            ("recipients", "consortium".to_owned()),
            ("territory", "NL".to_owned()),
            ("base_model", base.clone()),
            ("dataset_versions", version.clone()),
            ("place", place.to_owned()),
            ("time_limit_seconds", seconds.to_owned()),
            ("seed", "42".to_owned()),
            ("canaries", "2".to_owned()),
            ("action", "send".to_owned()),
        ]
    };
    for (place, seconds, wrong) in [
        ("elders", "", "place"),
        ("NERGENS!", "", "place"),
        ("", "59", "time_limit_seconds"),
        ("", "een uur", "time_limit_seconds"),
    ] {
        let sent = fields(place, seconds);
        let sent: Vec<(&str, &str)> = sent.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let page = researcher.post_form("/nl/jobs/new", &sent).await.unwrap();
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            page.text.contains(&format!("id=\"{wrong}-error\"")),
            "{place} {seconds}: {}",
            page.text
        );
        assert!(
            page.text.contains("<details class=\"advanced\" open>"),
            "what is wrong is to be seen: {}",
            page.text
        );
    }
    let sent = fields("local", "600");
    let sent: Vec<(&str, &str)> = sent.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let done = researcher.post_form("/nl/jobs/new", &sent).await.unwrap();
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    let job = done.location.unwrap();
    let job = job.rsplit('/').next().unwrap();
    let job = job.split('?').next().unwrap().to_owned();
    let state = researcher
        .api(Method::GET, &format!("/api/v1/jobs/{job}"), None)
        .await
        .unwrap();
    assert_eq!(state["time_limit_seconds"], 600, "{state:#}");
    assert_eq!(state["seed"], 42, "{state:#}");
    for lang in ["nl", "en"] {
        let page = researcher
            .get(&format!("/{lang}/jobs/new?from={job}"))
            .await
            .unwrap()
            .text;
        for part in [
            "name=\"time_limit_seconds\" type=\"text\" value=\"600\"",
            "<option value=\"local\" selected",
            "name=\"canaries\" type=\"text\" value=\"2\"",
            "name=\"title\" type=\"text\" value=\"Proef\"",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        assert!(!page.contains("value=\"42\""), "a new seed: {page}");
        assert!(!page.contains('⟨'), "a text is missing: {page}");
    }
    // What another institution asked for is not there.
    let mut foreign = app.browser("manager.waterland").await;
    for path in [
        format!("/nl/jobs/new?from={job}"),
        format!("/nl/jobs/compare?a={job}&b={job}"),
    ] {
        let page = foreign.get(&path).await.unwrap();
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!page.text.contains("een test"), "{}", page.text);
    }
    let mut wanted = given::job(base.parse().unwrap(), data.version, 1);
    wanted["place"] = json!("elders");
    let refused = researcher
        .call(Method::POST, "/api/v1/jobs", Some(wanted))
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.text.contains("jobs-unknown-place"),
        "{}",
        refused.text
    );
}
