//! No key is left anywhere: not in the database, not in the log or any other file, not in what anybody is told.

use std::path::Path;

use data_encoding::{BASE64, HEXLOWER};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use virtual_faculty::keys::Secret;

use crate::support::{Keyholder, Program, chat_body, connection, given, is_up, new_key};

/// The part of a key that nobody may see, as it is and as bytes are written.
fn forms(key: &str) -> [String; 3] {
    let secret = key.rsplit('_').next().unwrap().to_owned();
    assert!(secret.len() > 40, "the whole secret is looked for");
    // Of base 64 the middle: where it begins in what is written is not known.
    let base64 = BASE64.encode(key.as_bytes());
    let middle = base64[4..base64.len() - 8].to_owned();
    let hex = HEXLOWER.encode(secret.as_bytes());
    [secret, hex, middle]
}

/// The tables in which a text is found.
async fn tables_with(holder: &Keyholder, text: &str) -> Vec<String> {
    let mut conn = connection(&holder.app).await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT quote_ident(relname) FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    assert!(tables.len() > 50, "{tables:?}");
    let mut found = Vec::new();
    for table in tables {
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT count(*) FROM {table} AS line WHERE strpos(line::text, $1) > 0"
        )))
        .bind(text)
        .fetch_one(&mut conn)
        .await
        .unwrap();
        if count > 0 {
            found.push(table);
        }
    }
    found
}

/// The files below a folder in which a text is found.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if let Ok(bytes) = std::fs::read(&path)
            && String::from_utf8_lossy(&bytes).contains(text)
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[actix_web::test]
async fn no_key_is_left_in_tables_files_or_answers() {
    let holder = Keyholder::start_with(&[("FACULTY_LOG", "debug")]).await;
    let (_replica, url) = Program::replica(&holder.app);
    is_up(&holder.app, &url).await;
    let people = ("developer.harderwijk", "manager.harderwijk");
    let (revoked_id, revoked) = given::key(&holder.app, people, new_key(1000, 100)).await;
    let (rotated_id, rotated) = given::key(&holder.app, people, new_key(1000, 100)).await;
    let (_, leaked) = given::key(&holder.app, people, new_key(1000, 100)).await;
    let (_, leaked_on_page) = given::key(&holder.app, people, new_key(1000, 100)).await;
    let made_up = Secret::generate("abcd1234").reveal().to_owned();
    // As good as right: the last character of the secret is another one.
    let last = if holder.key.ends_with('A') { 'B' } else { 'A' };
    let damaged = format!("{}{last}", &holder.key[..holder.key.len() - 1]);
    let mut told = Vec::new();

    // Keys end in each way. What is asked with a whole key is asked of the program whose log is read.
    let mut developer = holder.app.browser("developer.harderwijk").await;
    let path = format!("/api/v1/keys/{revoked_id}/revoke");
    developer.api(Method::POST, &path, None).await.unwrap();
    let path = format!("/api/v1/keys/{rotated_id}/rotate");
    let overlap = Some(json!({"overlap": "none"}));
    let shown = developer.api(Method::POST, &path, overlap).await.unwrap();
    let fresh = shown["api_key"].as_str().unwrap().to_owned();
    let origin = holder.app.url.origin().ascii_serialization();
    for key in [&leaked, &made_up, &damaged] {
        let report = holder.client.post(url.join("/api/v1/keys/leaked").unwrap());
        let answer = report.json(&json!({"api_key": key})).send().await.unwrap();
        told.push(answer.text().await.unwrap());
        let page = holder.client.post(url.join("/en/keys/leaked").unwrap());
        let page = page
            .header("origin", &origin)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("api_key={key}"));
        told.push(page.send().await.unwrap().text().await.unwrap());
    }
    let page = holder.client.post(url.join("/nl/keys/leaked").unwrap());
    let page = page
        .header("origin", &origin)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("api_key={leaked_on_page}"));
    told.push(page.send().await.unwrap().text().await.unwrap());

    // Each is used, in each way: well, with what cannot be read, and where there is nothing.
    let keys = [
        (&holder.key, true),
        (&fresh, true),
        (&rotated, false),
        (&revoked, false),
        (&leaked, false),
        (&leaked_on_page, false),
        (&made_up, false),
        (&damaged, false),
    ];
    for (key, is_good) in keys {
        for header in ["authorization", "x-api-key"] {
            let value = match header {
                "authorization" => format!("Bearer {key}"),
                _ => key.clone(),
            };
            let chat = |body: Value| {
                let request = holder
                    .client
                    .post(url.join("/v1/chat/completions").unwrap());
                request.header(header, &value).json(&body).send()
            };
            let answer = chat(chat_body("een", json!({"max_tokens": 2})))
                .await
                .unwrap();
            let expected = if is_good {
                StatusCode::OK
            } else {
                StatusCode::UNAUTHORIZED
            };
            assert_eq!(answer.status(), expected, "{}", &key[..14]);
            told.push(answer.text().await.unwrap());
            for wrong in [
                json!({"model": 1}),
                json!({"model": "nergens", "messages": []}),
            ] {
                told.push(chat(wrong).await.unwrap().text().await.unwrap());
            }
            for path in ["/v1/models", "/v1/usage", "/v1/nergens", "/v1/files"] {
                let request = holder.client.get(url.join(path).unwrap());
                let answer = request.header(header, &value).send().await.unwrap();
                told.push(answer.text().await.unwrap());
            }
        }
    }
    // In the pages of all who see keys, too.
    for login in ["developer.harderwijk", "manager.harderwijk", "admin"] {
        let mut browser = holder.app.browser(login).await;
        for path in ["/en/keys", "/en/notices", "/en/audit", "/api/v1/keys"] {
            told.push(browser.get(path).await.unwrap().text);
        }
    }

    // The search finds what is there.
    let public = holder.key.split('_').nth(1).unwrap();
    let with = tables_with(&holder, public).await;
    assert!(with.contains(&"api_key_secrets".to_owned()), "{with:?}");
    let log = holder.app.folder.path().join("faculty.log");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("DEBUG"), "the whole log was looked at");

    for (key, _) in keys {
        for form in forms(key) {
            let start = &key[..14];
            assert_eq!(tables_with(&holder, &form).await, [""; 0], "{start}");
            let files = files_with(holder.app.folder.path(), &form);
            assert_eq!(files, [""; 0], "{start}");
            let answer = told.iter().find(|text| text.contains(&form));
            assert_eq!(answer, None, "{start}");
        }
    }
}
