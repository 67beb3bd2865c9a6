//! The upload protocol: parts, resuming, verification, and everything that is refused.

use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Executor as _};
use uuid::Uuid;
use virtual_faculty::demo::Browser;

use crate::{datasets::registered, support::TestApp};

const PART: usize = 16 * 1024 * 1024;

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

fn whole(parts: &[&[u8]]) -> Value {
    let mut tree = Sha256::new();
    let mut list = Vec::new();
    for (n, part) in (1..).zip(parts) {
        tree.update(Sha256::digest(part));
        list.push(json!({ "n": n, "sha256": hex(part) }));
    }
    json!({ "parts": list, "tree": data_encoding::HEXLOWER.encode(&tree.finalize()) })
}

async fn open(browser: &mut Browser, dataset: Uuid, name: &str, size: usize) -> String {
    let opened = browser
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/uploads"),
            Some(json!({ "path": name, "size": size, "mime": "text/plain", "fingerprint": name })),
        )
        .await
        .unwrap();
    opened["upload_id"].as_str().unwrap().to_owned()
}

async fn sign(browser: &mut Browser, upload: &str, n: i32, part: &[u8]) -> Value {
    let parts = json!({ "parts": [{ "n": n, "size": part.len(), "sha256": hex(part) }] });
    let signed = browser
        .api(
            Method::POST,
            &format!("/api/v1/uploads/{upload}/parts:sign"),
            Some(parts),
        )
        .await
        .unwrap();
    signed["urls"][0].clone()
}

/// Sends bytes to the store with the signed headers, as a browser would.
async fn put(signed: &Value, bytes: Vec<u8>) -> StatusCode {
    let mut request = reqwest::Client::builder()
        .build()
        .unwrap()
        .put(signed["url"].as_str().unwrap())
        .body(bytes);
    for (name, value) in signed["headers"].as_object().unwrap() {
        let name: header::HeaderName = name.parse().unwrap();
        if name != header::HOST && name != header::CONTENT_LENGTH {
            request = request.header(name, value.as_str().unwrap());
        }
    }
    request.send().await.unwrap().status()
}

async fn state(browser: &mut Browser, upload: &str) -> Value {
    browser
        .api(Method::GET, &format!("/api/v1/uploads/{upload}"), None)
        .await
        .unwrap()
}

async fn complete(browser: &mut Browser, upload: &str, whole: &Value) -> (StatusCode, String) {
    let path = format!("/api/v1/uploads/{upload}/complete");
    let answer = browser
        .call(Method::POST, &path, Some(whole.clone()))
        .await
        .unwrap();
    (answer.status, answer.text)
}

/// A file in one part, completed and verified by the worker's tasks.
async fn sent(
    app: &TestApp,
    browser: &mut Browser,
    dataset: Uuid,
    name: &str,
    bytes: &[u8],
) -> Value {
    let upload = open(browser, dataset, name, bytes.len()).await;
    let signed = sign(browser, &upload, 1, bytes).await;
    assert_eq!(put(&signed, bytes.to_vec()).await, StatusCode::OK);
    let (status, text) = complete(browser, &upload, &whole(&[bytes])).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{text}");
    app.run_tasks().await;
    state(browser, &upload).await
}

fn demo(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/demo/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[actix_web::test]
async fn an_upload_goes_on_after_a_reload_and_completing_twice_is_once() {
    let app = TestApp::without_worker(&[]).await;
    let mut browser = app.browser("contributor.waterland").await;
    let dataset = registered(&mut browser).await;
    let bytes = b"Een regel tekst.\n\n".repeat(PART / 18 + 1000);
    let (first, second) = bytes.split_at(PART);
    let upload = open(&mut browser, dataset, "groot.txt", bytes.len()).await;
    let signed = sign(&mut browser, &upload, 1, first).await;
    assert_eq!(put(&signed, first.to_vec()).await, StatusCode::OK);
    // Announced only: another try at it has not arrived.
    sign(&mut browser, &upload, 2, second).await;

    let mut after_reload = app.browser("contributor.waterland").await;
    let again = open(&mut after_reload, dataset, "groot.txt", bytes.len()).await;
    assert_eq!(again, upload, "the same file finds its upload again");
    let before = state(&mut after_reload, &upload).await;
    assert_eq!(before["state"], "uploading");
    assert_eq!(
        before["done"],
        json!([{ "n": 1, "size": PART, "sha256": hex(first) }])
    );
    assert_eq!(before["missing"], json!([2]));

    let all = whole(&[first, second]);
    let (status, text) = complete(&mut after_reload, &upload, &all).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
    assert!(text.contains("upload-part-missing"), "{text}");

    let signed = sign(&mut after_reload, &upload, 2, second).await;
    assert_eq!(put(&signed, second.to_vec()).await, StatusCode::OK);
    let both = futures_util::future::join(
        complete(&mut browser, &upload, &all),
        complete(&mut after_reload, &upload, &all),
    )
    .await;
    assert_eq!(both.0.0, StatusCode::ACCEPTED, "{}", both.0.1);
    assert_eq!(both.0, both.1, "completing twice is answered alike");
    app.run_tasks().await;
    let ready = state(&mut browser, &upload).await;
    assert_eq!(ready["state"], "ready", "{ready}");
    let (status, _) = complete(&mut browser, &upload, &all).await;
    assert_eq!(
        status,
        StatusCode::ACCEPTED,
        "completing is harmless ever after"
    );
    let found = browser
        .api(Method::GET, &format!("/api/v1/datasets/{dataset}"), None)
        .await
        .unwrap();
    assert_eq!(found["version"]["files"][0]["sha256"], hex(&bytes));
}

#[actix_web::test]
async fn altered_and_truncated_parts_are_refused_on_both_ways() {
    let good = b"De raad kwam bijeen.".to_vec();
    let mut altered = good.clone();
    altered[0] = b'd';
    for direct in ["true", "false"] {
        let app = TestApp::without_worker(&[("FACULTY_S3__DIRECT_UPLOADS", direct)]).await;
        let mut browser = app.browser("contributor.waterland").await;
        let dataset = registered(&mut browser).await;
        let upload = open(&mut browser, dataset, "a.txt", good.len()).await;
        let signed = sign(&mut browser, &upload, 1, &good).await;
        for wrong in [&altered, &good[..10].to_vec(), &[&good[..], b"x"].concat()] {
            if direct == "true" {
                assert!(put(&signed, wrong.clone()).await.is_client_error());
            } else {
                assert!(signed["url"].as_str().unwrap().starts_with("/api/v1/"));
                // The client of the tests sends JSON only: the bytes of a JSON text are as wrong.
                let text = Some(json!(String::from_utf8_lossy(wrong)));
                let answer = browser
                    .call(Method::PUT, signed["url"].as_str().unwrap(), text)
                    .await
                    .unwrap();
                assert_eq!(
                    answer.status,
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "{}",
                    answer.text
                );
            }
        }
        assert_eq!(state(&mut browser, &upload).await["missing"], json!([1]));
        let mut wrong_tree = whole(&[&good]);
        wrong_tree["tree"] = json!(hex(b"something else"));
        let (status, text) = complete(&mut browser, &upload, &wrong_tree).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
        assert!(text.contains("upload-tree"), "{text}");
    }
}

#[actix_web::test]
async fn a_file_goes_through_the_portal_where_browsers_cannot_reach_the_store() {
    let app = TestApp::start_with(&[("FACULTY_S3__DIRECT_UPLOADS", "false")]).await;
    let mut browser = app.browser("contributor.waterland").await;
    let dataset = registered(&mut browser).await;
    let bytes = b"Een regel tekst.\n\n".repeat(PART / 18 + 1000);
    let uploaded = browser.upload(dataset, "groot.txt", &bytes).await.unwrap();
    assert_eq!(uploaded.documents, i64::try_from(PART / 18 + 1000).unwrap());
}

#[actix_web::test]
async fn an_object_that_was_changed_in_the_store_is_not_taken() {
    let app = TestApp::without_worker(&[]).await;
    let mut browser = app.browser("contributor.waterland").await;
    let dataset = registered(&mut browser).await;
    let bytes = b"De raad kwam bijeen.";
    let upload = open(&mut browser, dataset, "a.txt", bytes.len()).await;
    let signed = sign(&mut browser, &upload, 1, bytes).await;
    put(&signed, bytes.to_vec()).await;
    complete(&mut browser, &upload, &whole(&[bytes])).await;
    let key = format!("datasets/{dataset}/{upload}");
    let other = app
        .ports
        .objects
        .put(&key, b"De raad sloot.......".to_vec())
        .await
        .unwrap();
    let mut tx = app.owner_tx().await;
    let sql = format!("UPDATE dataset_files SET object_version = '{other}' WHERE id = '{upload}'");
    tx.conn().execute(AssertSqlSafe(sql)).await.unwrap();
    tx.commit().await.unwrap();
    app.run_tasks().await;
    let rejected = state(&mut browser, &upload).await;
    assert_eq!(rejected["state"], "rejected");
    assert!(
        rejected["problem"]
            .as_str()
            .unwrap()
            .contains("aangekondigd"),
        "{rejected}"
    );
}

#[actix_web::test]
async fn bad_files_are_refused_with_the_line_and_change_nothing() {
    let app = TestApp::without_worker(&[]).await;
    let mut browser = app.browser("contributor.waterland").await;
    let dataset = registered(&mut browser).await;
    for (name, says, lines) in [
        ("broken-line-3.jsonl", "Eén regel klopt niet", json!([3])),
        ("unknown-role.jsonl", "Eén regel klopt niet", json!([4])),
        ("bad.csv", "2 regels kloppen niet", json!([3, 5])),
        ("latin1.txt", "byte 46", json!([])),
        ("not-a-text.jsonl", "PNG", json!([])),
    ] {
        let state = sent(
            &app,
            &mut browser,
            dataset,
            name,
            &demo(&format!("bad/{name}")),
        )
        .await;
        assert_eq!(state["state"], "rejected", "{name}: {state}");
        assert!(
            state["problem"].as_str().unwrap().contains(says),
            "{name}: {state}"
        );
        let bad: Vec<_> = state["bad_lines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|b| b["line"].clone())
            .collect();
        assert_eq!(json!(bad), lines, "{name}: {state}");
    }
    let page = browser
        .get(&format!("/nl/datasets/{dataset}"))
        .await
        .unwrap()
        .text;
    assert!(page.contains("Regel 3: geen JSON"), "{page}");
    assert!(!page.contains('⟨'), "a text is missing: {page}");
    let refused = browser
        .call(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/submit"),
            None,
        )
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    // The same name again, this time good, takes the place of the bad one.
    let state = sent(
        &app,
        &mut browser,
        dataset,
        "bad.csv",
        &demo("bad/good.csv"),
    )
    .await;
    assert_eq!(
        (&state["state"], &state["documents"]),
        (&json!("ready"), &json!(5))
    );
}

#[actix_web::test]
async fn what_cannot_be_taken_is_refused_before_any_byte() {
    let app = TestApp::without_worker(&[
        ("FACULTY_LIMITS__FILE_BYTES", "1000"),
        ("FACULTY_LIMITS__DATASET_BYTES", "1500"),
    ])
    .await;
    let mut browser = app.browser("contributor.waterland").await;
    let dataset = registered(&mut browser).await;
    open(&mut browser, dataset, "a.txt", 900).await;
    for (name, size, status, code) in [
        ("virus.exe", 10, 422, "upload-wrong-kind"),
        ("a.parquet", 10, 422, "upload-wrong-kind"),
        ("../a.txt", 10, 422, "upload-path-forbidden"),
        ("a\nb.txt", 10, 422, "upload-path-forbidden"),
        ("/a.txt", 10, 422, "upload-path-empty"),
        (&"x".repeat(400), 10, 422, "upload-path-too-long"),
        ("b.txt", 0, 422, "upload-empty"),
        ("b.txt", 1001, 413, "upload-file-too-large"),
        ("b.txt", 601, 413, "upload-no-room"),
        ("a.txt", 10, 409, "upload-path-taken"),
    ] {
        let answer = browser
            .call(
                Method::POST,
                &format!("/api/v1/datasets/{dataset}/uploads"),
                Some(json!({ "path": name, "size": size })),
            )
            .await
            .unwrap();
        assert_eq!(answer.status.as_u16(), status, "{name}: {}", answer.text);
        assert!(answer.text.contains(code), "{name}: {}", answer.text);
    }
}

#[actix_web::test]
async fn another_institutions_upload_is_not_there() {
    let app = TestApp::without_worker(&[]).await;
    let mut browser = app.browser("contributor.waterland").await;
    let dataset = registered(&mut browser).await;
    let upload = open(&mut browser, dataset, "a.txt", 3).await;
    sign(&mut browser, &upload, 1, b"abc").await;
    let mut stranger = app.browser("manager.harderwijk").await;
    let parts = json!({ "parts": [{ "n": 1, "size": 3, "sha256": hex(b"abc") }] });
    for (method, path, body) in [
        (
            Method::POST,
            format!("/api/v1/datasets/{dataset}/uploads"),
            Some(json!({ "path": "b.txt", "size": 1 })),
        ),
        (Method::GET, format!("/api/v1/uploads/{upload}"), None),
        (
            Method::POST,
            format!("/api/v1/uploads/{upload}/parts:sign"),
            Some(parts),
        ),
        (
            Method::PUT,
            format!("/api/v1/uploads/{upload}/parts/1"),
            Some(json!("a")),
        ),
        (
            Method::POST,
            format!("/api/v1/uploads/{upload}/complete"),
            Some(whole(&[b"abc"])),
        ),
        (Method::DELETE, format!("/api/v1/uploads/{upload}"), None),
    ] {
        let answer = stranger.call(method.clone(), &path, body).await.unwrap();
        assert_eq!(
            answer.status,
            StatusCode::NOT_FOUND,
            "{method} {path}: {}",
            answer.text
        );
    }
    let removed = stranger
        .post_form(
            &format!("/nl/datasets/{dataset}/files/{upload}/remove"),
            &[],
        )
        .await
        .unwrap();
    assert_eq!(removed.status, StatusCode::NOT_FOUND);
    assert_eq!(state(&mut browser, &upload).await["state"], "uploading");
}

#[actix_web::test]
async fn a_removed_file_is_gone_and_a_submitted_one_stays() {
    let app = TestApp::without_worker(&[]).await;
    let mut browser = app.browser("contributor.waterland").await;
    let dataset = registered(&mut browser).await;
    let gone = sent(&app, &mut browser, dataset, "a.txt", b"Weg.").await;
    let stays = sent(&app, &mut browser, dataset, "b.txt", b"Blijft.").await;
    let id = |state: &Value| state["upload_id"].as_str().unwrap().to_owned();
    let page = format!("/nl/datasets/{dataset}/files/{}/remove", id(&gone));
    let removed = browser.post_form(&page, &[]).await.unwrap();
    assert_eq!(removed.status, StatusCode::SEE_OTHER, "{}", removed.text);
    app.run_tasks().await;
    let key = |state: &Value| format!("datasets/{dataset}/{}", id(state));
    let missing = app.ports.objects.head(&key(&gone)).await.unwrap_err();
    assert!(missing.is_missing, "the bytes are still there: {missing}");
    assert!(app.ports.objects.head(&key(&stays)).await.is_ok());

    let submit = format!("/api/v1/datasets/{dataset}/submit");
    browser.api(Method::POST, &submit, None).await.unwrap();
    for (method, path, body) in [
        (
            Method::DELETE,
            format!("/api/v1/uploads/{}", id(&stays)),
            None,
        ),
        (
            Method::POST,
            format!("/api/v1/datasets/{dataset}/uploads"),
            Some(json!({ "path": "c.txt", "size": 1 })),
        ),
    ] {
        let answer = browser.call(method, &path, body).await.unwrap();
        assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    }
    assert_eq!(state(&mut browser, &id(&stays)).await["state"], "ready");
}

#[actix_web::test]
async fn an_upload_that_nothing_came_in_for_is_swept() {
    let app = TestApp::without_worker(&[]).await;
    let mut browser = app.browser("contributor.waterland").await;
    let dataset = registered(&mut browser).await;
    let old = open(&mut browser, dataset, "a.txt", 3).await;
    let young = open(&mut browser, dataset, "b.txt", 3).await;
    let mut tx = app.owner_tx().await;
    let sql = format!("UPDATE dataset_files SET expires_at = created_at WHERE id = '{old}'");
    tx.conn().execute(AssertSqlSafe(sql)).await.unwrap();
    tx.commit().await.unwrap();
    app.run_tasks().await;
    assert_eq!(state(&mut browser, &old).await["state"], "aborted");
    assert_eq!(state(&mut browser, &young).await["state"], "uploading");
}

/// What a browser without script sends.
fn multipart(token: &str, files: &[(&str, &[u8])]) -> (String, Vec<u8>) {
    let mut body =
        format!("--line\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{token}\r\n")
            .into_bytes();
    for (name, bytes) in files {
        let head = format!(
            "--line\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\
             Content-Type: text/plain\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--line--\r\n");
    ("multipart/form-data; boundary=line".to_owned(), body)
}

#[actix_web::test]
async fn the_plain_form_takes_files_without_script() {
    let app = TestApp::without_worker(&[]).await;
    let mut browser = app.browser("contributor.waterland").await;
    let dataset = registered(&mut browser).await;
    let path = format!("/nl/datasets/{dataset}/files");
    let long = b"Een regel tekst.\n\n".repeat(PART / 18 + 1000);
    let files: [(&str, &[u8]); 2] = [("a.txt", b"De raad kwam bijeen."), ("lang.txt", &long)];
    let (kind, body) = multipart("not-the-token", &files);
    let forged = browser.post_bytes(&path, &kind, body).await.unwrap();
    assert_eq!(forged.status, StatusCode::FORBIDDEN, "{}", forged.text);
    let token = browser.csrf_token().await.unwrap();
    let (kind, body) = multipart(&token, &[("a.exe", b"MZ")]);
    let wrong = browser.post_bytes(&path, &kind, body).await.unwrap();
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains(".jsonl"), "{}", wrong.text);
    let (kind, body) = multipart(&token, &files);
    let sent = browser.post_bytes(&path, &kind, body).await.unwrap();
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    app.run_tasks().await;
    let found = browser
        .api(Method::GET, &format!("/api/v1/datasets/{dataset}"), None)
        .await
        .unwrap();
    let files = found["version"]["files"].as_array().unwrap();
    let hashes: Vec<_> = files.iter().map(|file| file["sha256"].clone()).collect();
    assert_eq!(
        hashes,
        [json!(hex(b"De raad kwam bijeen.")), json!(hex(&long))]
    );
}
