//! Pages around the gateway in a real browser: limits and projects, safeguards, prices.

use reqwest::StatusCode;
use serde_json::json;

use crate::support::{
    Keyholder,
    chromium::{Driver, click, pictures_of, read, see, sign_in},
};

#[actix_web::test]
async fn a_manager_makes_a_project_and_switches_a_safeguard_on_by_clicking() {
    let holder = Keyholder::start(10_000, 100).await;
    let answer = holder.ask("een twee drie", json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let driver = Driver::start().await;
    let client = driver.window(1280).await;
    sign_in(&client, &holder.app, "manager.harderwijk").await;
    see(&client, &holder.app, "/en/limits").await;
    read(&client, "23 of 10,000 used now").await;
    let name = client
        .find(fantoccini::Locator::Css(
            "form[action$='/projects/new'] input[name='name']",
        ))
        .await
        .unwrap();
    name.send_keys("vertalen").await.unwrap();
    click(&client, "form[action$='/projects/new'] button").await;
    read(&client, "vertalen").await;
    see(&client, &holder.app, "/en/institution/safeguards").await;
    click(&client, "input[name='filters']").await;
    click(
        &client,
        "form[action$='/institution/safeguards'] .actions button",
    )
    .await;
    read(&client, "The steps are saved.").await;
    see(&client, &holder.app, "/en/institution/safeguards").await;
    let kept = client.find_all(fantoccini::Locator::Css("input[name='filters']:checked"));
    assert_eq!(kept.await.unwrap().len(), 1, "what was chosen is kept");
    client.close().await.unwrap();
    for (who, name, path) in [
        ("manager.harderwijk", "limits", "/limits"),
        (
            "manager.harderwijk",
            "safeguards",
            "/institution/safeguards",
        ),
        ("manager.harderwijk", "usage", "/usage"),
        ("operator", "prices", "/models/prices"),
    ] {
        pictures_of(&driver, &holder.app, who, name, path).await;
    }
}
