//! The page of deployments in a real browser: scaled, drained and stopped, also by keyboard alone.

use fantoccini::{Client, Locator, key::Key};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Keyholder,
    chromium::{Driver, click, pictures_of, read, see, sign_in},
};

/// A program that reports once, as the test wants it.
async fn report(holder: &Keyholder, name: &str, port: u16, more: Value) -> Uuid {
    let process = Uuid::now_v7();
    let mut status = json!({
        "process": process, "name": name, "address": format!("http://127.0.0.1:{port}"), "models": [],
        "room": {"memory_bytes": 24_000_000_000_u64, "adapters": 100}, "load": {"running": 3, "waiting": 1},
    });
    if let (Some(status), Value::Object(more)) = (status.as_object_mut(), more) {
        status.extend(more);
    }
    let told = holder
        .client
        .post(holder.app.url.join("/internal/v1/serving/status").unwrap())
        .bearer_auth("serving-token-of-the-tests")
        .json(&status)
        .send()
        .await
        .unwrap();
    assert!(told.status().is_success());
    sqlx::query(
        "UPDATE serving_processes SET expires_at = now() + interval '1 hour' WHERE id = $1",
    )
    .bind(process)
    .execute(&mut holder.database().await)
    .await
    .unwrap();
    process
}

/// Presses Tab until the focus is in a field or button that `css` finds, then Enter.
async fn tab_to(client: &Client, css: &str) {
    let script = format!("return document.activeElement.matches({css:?})");
    for _ in 0..80 {
        let body = client.active_element().await.unwrap();
        body.send_keys(&Key::Tab.to_string()).await.unwrap();
        let is_there = client.execute(&script, vec![]).await.unwrap();
        if is_there == json!(true) {
            return;
        }
    }
    panic!("{css} is not reached by keyboard");
}

#[actix_web::test]
async fn a_model_is_scaled_and_stopped_and_a_program_drained_by_clicking_and_by_keyboard() {
    let holder = Keyholder::start(1000, 100).await;
    let driver = Driver::start().await;
    report(&holder, "gpu-2", 9102, json!({"takes": ["other-base"]})).await;
    report(&holder, "gpu-3", 9103, json!({"stage": "leaving"})).await;
    let client = driver.window(1280).await;
    sign_in(&client, &holder.app, "operator").await;
    see(&client, &holder.app, "/en/admin/deployments").await;
    read(&client, "1 of 1 ready").await;

    // The number by keyboard alone.
    tab_to(&client, "input[name='replicas']").await;
    let field = client.active_element().await.unwrap();
    field.send_keys(&Key::Up.to_string()).await.unwrap();
    field.send_keys(&Key::Enter.to_string()).await.unwrap();
    read(&client, "The number of places was changed.").await;
    read(&client, "1 of 2 ready").await;
    read(
        &client,
        "It stands in every serving program that can have it.",
    )
    .await;
    for (name, path) in [("deployments", "/admin/deployments")] {
        pictures_of(&driver, &holder.app, "operator", name, path).await;
    }

    click(
        &client,
        "form[action*='/processes/'][action$='/drain'] button",
    )
    .await;
    click(&client, "#ask-yes").await;
    read(&client, "The program gets nothing new any more.").await;
    click(&client, "form[action$='/resume'] button").await;
    read(&client, "The program takes part again.").await;

    click(&client, "form[action$='/stop'] button").await;
    let asked = client.find(Locator::Css("#ask-text")).await.unwrap();
    assert!(asked.text().await.unwrap().contains("breaks off"));
    click(&client, "#ask-yes").await;
    read(&client, "No model is deployed").await;
    pictures_of(
        &driver,
        &holder.app,
        "operator",
        "deployments-none",
        "/admin/deployments",
    )
    .await;
    client.close().await.unwrap();
}
