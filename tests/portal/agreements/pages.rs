//! The pages, worked by form and looked at.

use fantoccini::Client;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::case::{Case, PAGE_ONE, PAGE_TWO, dataset};
use crate::support::{
    TestApp,
    chromium::{Driver, picture, see, sign_in},
    pdf::pdf,
};

#[actix_web::test]
async fn the_pages_carry_the_whole_way_without_the_api() {
    let app = TestApp::start().await;
    let dataset = dataset(&app).await.to_string();
    let mut contributor = app.browser("contributor.waterland").await;
    let answer = contributor
        .post_form(
            "/nl/agreements/new",
            &[
                ("template", "cca"),
                ("kind", "contributor"),
                ("title", "CCA Waterland"),
                ("layers", "copyright"),
                ("datasets", &dataset),
                ("parties", "Archief Waterland\r\nTNO"),
                ("signatory", "A. de Archivaris"),
                ("authority", "mandaat"),
                ("effective_on", "2026-01-01"),
                ("expires_on", ""),
            ],
        )
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let place = answer.location.unwrap();
    let boundary = "---------------------------7d1";
    let csrf = contributor.csrf_token().await.unwrap();
    let mut body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n--{boundary}\r\n\
         Content-Disposition: form-data; name=\"document\"; filename=\"CCA 2026.pdf\"\r\n\
         Content-Type: application/pdf\r\n\r\n"
    )
    .into_bytes();
    let bytes = pdf(&[PAGE_ONE, PAGE_TWO]);
    body.extend_from_slice(&bytes);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let kind = format!("multipart/form-data; boundary={boundary}");
    let sent = contributor
        .post_bytes(&format!("{place}/document"), &kind, body)
        .await
        .unwrap();
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    app.run_tasks().await;

    let page = contributor.get(&place).await.unwrap().text;
    assert!(page.contains("Artikel 1. De data mag"), "the text is shown");
    assert!(
        page.contains("Nog niet gecodeerd"),
        "nothing is coded by itself"
    );
    assert!(
        page.contains("de plaats in dit document is nog niet aangewezen"),
        "what a template says still needs its place"
    );
    // A suggestion is found, explained, taken over, and saved only by the form.
    let line = format!("{place}/lines/copyright/purposes");
    let page = contributor.get(&line).await.unwrap().text;
    assert!(page.contains("Gevonden op:"), "{page}");
    let taken = contributor
        .get(&format!("{line}?use=1"))
        .await
        .unwrap()
        .text;
    assert!(taken.contains("value=\"fine_tuning\" checked"), "{taken}");
    assert!(taken.contains("om taalmodellen te finetunen"), "{taken}");
    let saved = contributor
        .post_form(
            &line,
            &[
                ("seen", "1"),
                ("basis", "passage"),
                ("value", "fine_tuning"),
                ("value", "evaluation"),
                ("page", "1"),
                (
                    "passage",
                    "De data mag gebruikt worden om taalmodellen\r\nte finetunen",
                ),
                ("reason", ""),
            ],
        )
        .await
        .unwrap();
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let page = contributor.get(&place).await.unwrap().text;
    let mark = "<mark>De data mag gebruikt worden om taalmodellen\nte finetunen</mark>";
    assert!(
        page.contains(mark),
        "the passage is marked in the text: {page}"
    );
    let english = contributor
        .get(&place.replace("/nl/", "/en/"))
        .await
        .unwrap()
        .text;
    assert!(
        english.contains("Coded terms") && !english.contains('⟨'),
        "{english}"
    );

    // What was sent comes back byte for byte.
    let back = contributor.get(&format!("{place}/document")).await.unwrap();
    assert_eq!(back.status, StatusCode::OK);
    assert_eq!(back.text, String::from_utf8_lossy(&bytes));
}

/// What a script in the page answers.
async fn measure(client: &Client, script: &str) -> i64 {
    let answer: Value = client
        .execute(&format!("return Math.round({script});"), Vec::new())
        .await
        .unwrap();
    answer.as_i64().unwrap()
}

#[actix_web::test]
async fn text_and_terms_stand_beside_each_other_and_below_each_other_on_a_telephone() {
    let app = TestApp::start().await;
    let mut case = Case::coded(&app).await;
    let body =
        json!({ "basis": "cannot_code", "reason": "De opbrengst wordt per artikel verrekend." });
    case.code("compensate", body).await;
    case.submit().await;
    let lines = case.line_ids().await;
    let body = json!({ "lines": lines[..3] });
    let path = case.path("/confirm");
    case.legal
        .api(Method::POST, &path, Some(body))
        .await
        .unwrap();
    let place = format!("/agreements/{}", case.id);
    let dataset = case.show().await["facts"]["datasets"][0].clone();
    let pages = [
        ("manager.waterland", "agreements", "/agreements".to_owned()),
        ("manager.waterland", "agreement", place.clone()),
        (
            "contributor.waterland",
            "agreement-line",
            format!("{place}/lines/copyright/purposes"),
        ),
        (
            "contributor.waterland",
            "agreement-new",
            "/agreements/new?template=auteurswet-11".to_owned(),
        ),
        (
            "manager.waterland",
            "agreement-dataset",
            format!("/datasets/{}", dataset.as_str().unwrap()),
        ),
    ];
    let driver = Driver::start().await;
    for width in [1280, 390] {
        let client = driver.window(width).await;
        for (login, name, path) in &pages {
            sign_in(&client, &app, login).await;
            for lang in ["nl", "en"] {
                see(&client, &app, &format!("/{lang}{path}")).await;
                picture(&client, &format!("{name}-{lang}-{width}")).await;
                let wide = measure(&client, "document.documentElement.scrollWidth").await;
                assert!(
                    wide <= i64::from(width),
                    "{path} is {wide} px wide at {width}"
                );
            }
        }
        see(&client, &app, &format!("/nl{place}")).await;
        let side =
            |name: &str| format!("document.querySelector('.sides-{name}').getBoundingClientRect()");
        let right = measure(&client, &format!("{}.left", side("right"))).await;
        let left = measure(&client, &format!("{}.right", side("left"))).await;
        assert_eq!(
            left <= right,
            width == 1280,
            "text ends at {left}, terms begin at {right}"
        );
        client.close().await.unwrap();
    }
}
