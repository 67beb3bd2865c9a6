//! Pages around keys in a real browser: a model is tried, a secret is replaced, a key that was found is reported.

use fantoccini::{Client, Locator};

use crate::support::{
    Keyholder,
    chromium::{Driver, click, fill, picture, pictures_of, read, see, sign_in},
};

async fn text(client: &Client, css: &str) -> String {
    let found = client.wait().for_element(Locator::Css(css)).await.unwrap();
    found.text().await.unwrap()
}

#[actix_web::test]
async fn a_model_is_tried_with_a_key() {
    let holder = Keyholder::start(1000, 100).await;
    let driver = Driver::start().await;
    let client = driver.window(1280).await;
    sign_in(&client, &holder.app, "developer.harderwijk").await;
    see(&client, &holder.app, "/en/keys/playground").await;
    fill(&client, "message", "it's \"open\"").await;
    let curl = text(&client, "#curl").await;
    assert!(
        curl.contains(r#"it'\''s \"open\""#) && !curl.contains(&holder.key),
        "{curl}"
    );
    let python = text(&client, "#python").await;
    assert!(python.contains(r#"it's \"open\""#), "{python}");
    fill(&client, "key", "gptnl_wrong").await;
    click(&client, "button[name='send']").await;
    read(&client, "The API key is missing or not valid.").await;
    fill(&client, "key", &holder.key).await;
    click(&client, "button[name='send']").await;
    // The form holds the sentence without numbers.
    read(&client, "2 tokens of question").await;
    let answer = text(&client, "#answer").await;
    assert!(answer.contains("woord"), "{answer}");
    picture(&client, "playground-answer-en-1280").await;
    let address = client.current_url().await.unwrap();
    assert!(!address.as_str().contains(&holder.key), "{address}");
    client.close().await.unwrap();
    pictures_of(
        &driver,
        &holder.app,
        "developer.harderwijk",
        "playground",
        "/keys/playground",
    )
    .await;
}

#[actix_web::test]
async fn a_secret_is_replaced_and_a_key_reported_by_clicking() {
    let holder = Keyholder::start(1000, 100).await;
    let driver = Driver::start().await;
    let client = driver.window(1280).await;
    sign_in(&client, &holder.app, "developer.harderwijk").await;
    see(&client, &holder.app, &format!("/en/keys/{}", holder.id)).await;
    click(&client, "#overlap-hour").await;
    click(&client, "form[action$='/rotate'] button").await;
    let second = text(&client, "#new-key").await;
    assert!(second.starts_with("gptnl_") && second != holder.key);
    picture(&client, "key-rotated-en-1280").await;
    for (name, path) in [
        ("key", format!("/keys/{}", holder.id)),
        ("keys", "/keys".to_owned()),
        ("key-new", "/keys/new".to_owned()),
        ("key-terms", "/keys/terms".to_owned()),
        ("key-leaked", "/keys/leaked".to_owned()),
    ] {
        pictures_of(&driver, &holder.app, "developer.harderwijk", name, &path).await;
    }
    // Whoever finds it has no account.
    client.delete_all_cookies().await.unwrap();
    see(&client, &holder.app, "/en/keys/leaked").await;
    fill(&client, "api_key", &second).await;
    click(&client, "form[action$='/leaked'] button").await;
    read(&client, "The key is revoked").await;
    picture(&client, "key-leaked-en-1280").await;
    client.close().await.unwrap();
}
