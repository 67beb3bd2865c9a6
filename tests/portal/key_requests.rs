//! What a key may be asked for, and who decides on it: use for profit, projects, and what an institution has for all its
//! keys.

use language_model::synthetic::Synthetic;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use virtual_faculty::demo::Browser;

use crate::support::{Keyholder, MODEL, TestApp, chat_body, given, new_key};

/// Asks for a key; the status and the answer.
async fn ask(browser: &mut Browser, wanted: Value) -> (StatusCode, Value) {
    let answer = browser
        .call(Method::POST, "/api/v1/keys", Some(wanted))
        .await
        .unwrap();
    (answer.status, serde_json::from_str(&answer.text).unwrap())
}

async fn approve(browser: &mut Browser, id: &str) -> (StatusCode, String) {
    let path = format!("/api/v1/keys/{id}/approve");
    let answer = browser.call(Method::POST, &path, None).await.unwrap();
    (answer.status, answer.text)
}

fn for_profit(models: &[&str]) -> Value {
    let mut wanted = new_key(1000, 10);
    wanted["is_commercial"] = json!(true);
    wanted["models"] = json!(models);
    wanted
}

const BY_DATA: &str = "alleen-onderzoek";
const BY_RELEASE: &str = "smal-vrijgegeven";

/// Beside the model that may be used for profit, one whose licence forbids that and one that was released for less.
async fn models_that_are_not_for_profit(app: &TestApp) {
    let file = app.folder.path().join("another.gguf");
    Synthetic::default().write_gguf(&file).unwrap();
    let (ports, license) = (&app.ports, "CC-BY-NC-4.0");
    virtual_faculty::bootstrap::register_base(ports, BY_DATA, "smollm2", license, &file)
        .await
        .unwrap();
    app.base_model(BY_RELEASE, &file).await;
    let mut tx = app.owner_tx().await;
    sqlx::query(
        "UPDATE models SET release_recipients = 'public', release_commercial = false, release_territories = NULL,
             release_share_alike = false WHERE name = $1",
    )
    .bind(BY_RELEASE)
    .execute(tx.conn())
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

#[actix_web::test]
async fn a_key_for_profit_is_refused_with_the_reason_where_a_model_is_not_for_that() {
    let holder = Keyholder::start(1000, 10).await;
    models_that_are_not_for_profit(&holder.app).await;
    let mut developer = holder.app.browser("developer.harderwijk").await;
    for (model, code) in [
        (BY_DATA, "key-model-not-for-profit-data"),
        (BY_RELEASE, "key-model-not-for-profit-release"),
    ] {
        for models in [vec![model], vec![MODEL, model]] {
            let (status, refused) = ask(&mut developer, for_profit(&models)).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
            assert_eq!(refused["code"], code, "{refused}");
            let detail = refused["detail"].as_str().unwrap();
            assert!(detail.contains(model), "{detail}");
        }
        // Not for profit it may be used, and the form says at its field why not otherwise.
        let mut wanted = for_profit(&[model]);
        wanted["is_commercial"] = json!(false);
        let (status, key) = ask(&mut developer, wanted).await;
        assert_eq!(status, StatusCode::CREATED, "{key}");
        let id = key["models"][0]["id"].as_str().unwrap();
        let fields = [
            ("name", "winst"),
            ("purpose", "verkopen"),
            ("commercial", "yes"),
            ("abilities", "infer"),
            ("models", id),
            ("tokens_per_day", "1000"),
            ("requests_per_minute", "10"),
            ("days", "90"),
        ];
        for (lang, words) in [
            ("en", "may not be used for profit"),
            ("nl", "mag niet met winstoogmerk"),
        ] {
            let path = format!("/{lang}/keys");
            let page = developer.post_form(&path, &fields).await.unwrap();
            assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(page.text.contains(words), "{}", page.text);
            assert!(page.text.contains("verkopen"), "what was typed stays");
        }
    }
    let (status, key) = ask(&mut developer, for_profit(&[MODEL])).await;
    assert_eq!(
        (status, &key["is_commercial"]),
        (StatusCode::CREATED, &json!(true))
    );
    let commercial: i64 = sqlx::query_scalar("SELECT count(*) FROM api_keys WHERE is_commercial")
        .fetch_one(&mut holder.database().await)
        .await
        .unwrap();
    assert_eq!(commercial, 1, "nothing is left of those that were refused");
}

#[actix_web::test]
async fn a_key_is_asked_for_under_a_project_of_the_institution() {
    let holder = Keyholder::start(1000, 10).await;
    let institution = given::institution_of(&holder.app, &holder.id).await;
    let mut developer = holder.app.browser("developer.harderwijk").await;
    let without = developer.get("/en/keys/new").await.unwrap();
    assert!(!without.text.contains("name=\"project\""), "there is none");
    let project = given::project(&holder.app, &institution, "vertalen").await;
    let mut stranger = holder.app.browser("manager.waterland").await;
    let (_, theirs) = ask(&mut stranger, new_key(10, 1)).await;
    let theirs = theirs["institution"]["id"].as_str().unwrap();
    let theirs = given::project(&holder.app, theirs, "archief").await;
    let unknown = uuid::Uuid::now_v7().to_string();
    let under = |project: &str| {
        let mut wanted = new_key(1000, 10);
        wanted["project"] = json!(project);
        wanted
    };
    for (wrong, code) in [
        (theirs.as_str(), "key-project-wrong"),
        (unknown.as_str(), "key-project-wrong"),
        (institution.as_str(), "key-project-wrong"),
        ("vertalen", "key-field-wrong"),
    ] {
        let (status, refused) = ask(&mut developer, under(wrong)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
        assert_eq!(refused["code"], code, "{refused}");
    }
    let (status, key) = ask(&mut developer, under(&project)).await;
    assert_eq!(status, StatusCode::CREATED, "{key}");
    assert_eq!(key["project"], json!({"id": project, "name": "vertalen"}));
    // A limit of the project holds for the key from its first request on.
    given::limit(&holder.app, &project, ("tokens", "day"), 20).await;
    let people = ("developer.harderwijk", "manager.harderwijk");
    let (id, secret) = given::key(&holder.app, people, under(&project)).await;
    let refused = holder
        .client
        .post(holder.app.url.join("/v1/chat/completions").unwrap())
        .bearer_auth(secret)
        .json(&chat_body("een", json!({})))
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let refused = refused.text().await.unwrap();
    assert!(refused.contains("This project has 20"), "{refused}");
    let page = developer.get(&format!("/en/keys/{id}")).await.unwrap();
    assert!(page.text.contains("vertalen"), "who decides sees it");
    // By the form, chosen and not.
    for (lang, none) in [
        ("en", "None: straight under the institution"),
        ("nl", "Geen: rechtstreeks onder de instelling"),
    ] {
        let page = developer.get(&format!("/{lang}/keys/new")).await.unwrap();
        assert!(page.text.contains("name=\"project\""), "{}", page.text);
        assert!(page.text.contains(none) && page.text.contains(&project));
    }
    let model = holder.model.to_string();
    for (chosen, expected) in [(project.as_str(), true), ("", false)] {
        let fields = [
            ("name", "formulier"),
            ("purpose", "proef"),
            ("commercial", "no"),
            ("abilities", "infer"),
            ("models", model.as_str()),
            ("project", chosen),
            ("tokens_per_day", "1000"),
            ("requests_per_minute", "10"),
            ("days", "90"),
        ];
        let made = developer.post_form("/en/keys", &fields).await.unwrap();
        assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
        let id = made.location.unwrap();
        let id = id.split('?').next().unwrap().rsplit('/').next().unwrap();
        let key = developer
            .api(Method::GET, &format!("/api/v1/keys/{id}"), None)
            .await
            .unwrap();
        assert_eq!(key["project"].is_object(), expected, "{key}");
    }
}

#[actix_web::test]
async fn a_manager_approves_up_to_what_the_institution_has_and_an_administrator_beyond() {
    // A key of a thousand tokens a day is in use.
    let holder = Keyholder::start(1000, 10).await;
    let institution = given::institution_of(&holder.app, &holder.id).await;
    given::limit(&holder.app, &institution, ("tokens", "day"), 5000).await;
    let mut developer = holder.app.browser("developer.harderwijk").await;
    let mut manager = holder.app.browser("manager.harderwijk").await;
    let mut admin = holder.app.browser("admin").await;
    let wanted = async |browser: &mut Browser, tokens: i64| {
        let (status, key) = ask(browser, new_key(tokens, 10)).await;
        assert_eq!(status, StatusCode::CREATED, "{key}");
        key["id"].as_str().unwrap().to_owned()
    };
    let fits = wanted(&mut developer, 4000).await;
    let beyond = wanted(&mut developer, 1).await;
    assert_eq!(approve(&mut manager, &fits).await.0, StatusCode::NO_CONTENT);
    let (status, refused) = approve(&mut manager, &beyond).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(
        refused.contains("key-beyond-institution") && refused.contains("administrator"),
        "{refused}"
    );
    for (lang, words) in [
        ("en", "Your institution has 5,000 tokens a day"),
        ("nl", "Uw instelling heeft 5.000 tokens per dag"),
    ] {
        let page = manager
            .get(&format!("/{lang}/keys/{beyond}"))
            .await
            .unwrap();
        assert!(page.text.contains(words), "{}", page.text);
        assert!(!page.text.contains("/approve\""), "{}", page.text);
    }
    let page = admin.get(&format!("/en/keys/{beyond}")).await.unwrap();
    assert!(page.text.contains("/approve\""), "{}", page.text);
    assert_eq!(approve(&mut admin, &beyond).await.0, StatusCode::NO_CONTENT);

    // Nor is a key that is in use given more than that; less is always well.
    let path = format!("/api/v1/quotas/{}", holder.id);
    let day = |cap: i64| Some(json!({"measure": "tokens", "period": "day", "cap": cap}));
    let more = manager.call(Method::PUT, &path, day(1001)).await.unwrap();
    assert_eq!(more.status, StatusCode::FORBIDDEN, "{}", more.text);
    assert!(
        more.text.contains("quota-beyond-institution"),
        "{}",
        more.text
    );
    let less = manager.call(Method::PUT, &path, day(1000)).await.unwrap();
    assert_eq!(less.status, StatusCode::NO_CONTENT, "{}", less.text);
    let less = manager.call(Method::PUT, &path, day(400)).await.unwrap();
    assert_eq!(less.status, StatusCode::NO_CONTENT, "{}", less.text);

    // A key that has ended gives back what it had: 5,000 less 400 and 1.
    let revoke = format!("/api/v1/keys/{fits}/revoke");
    manager.api(Method::POST, &revoke, None).await.unwrap();
    let all = wanted(&mut developer, 4600).await;
    assert_eq!(approve(&mut manager, &all).await.0, StatusCode::FORBIDDEN);
    let all = wanted(&mut developer, 4599).await;
    assert_eq!(approve(&mut manager, &all).await.0, StatusCode::NO_CONTENT);

    // Without a limit of the institution's own only the setting for one key counts.
    let lifted = json!({"measure": "tokens", "period": "day", "cap": null});
    let path = format!("/api/v1/quotas/{institution}");
    let lifted = admin.call(Method::PUT, &path, Some(lifted)).await.unwrap();
    assert_eq!(lifted.status, StatusCode::NO_CONTENT);
    let large = wanted(&mut developer, 200_000).await;
    assert_eq!(
        approve(&mut manager, &large).await.0,
        StatusCode::NO_CONTENT
    );
}

#[actix_web::test]
async fn of_two_keys_that_fit_one_at_a_time_one_is_approved() {
    let holder = Keyholder::start(1000, 10).await;
    let institution = given::institution_of(&holder.app, &holder.id).await;
    given::limit(&holder.app, &institution, ("tokens", "day"), 2000).await;
    let mut developer = holder.app.browser("developer.harderwijk").await;
    let mut managers = [
        holder.app.browser("manager.harderwijk").await,
        holder.app.browser("manager.harderwijk").await,
    ];
    for round in 0..5 {
        let mut ids = Vec::new();
        for _ in 0..2 {
            let (_, key) = ask(&mut developer, new_key(600, 10)).await;
            ids.push(key["id"].as_str().unwrap().to_owned());
        }
        let [first, second] = &mut managers;
        let (a, b) = tokio::join!(approve(first, &ids[0]), approve(second, &ids[1]));
        let mut both = [a.0, b.0];
        both.sort();
        assert_eq!(
            both,
            [StatusCode::NO_CONTENT, StatusCode::FORBIDDEN],
            "round {round}: {} {}",
            a.1,
            b.1
        );
        for id in ids {
            let revoke = format!("/api/v1/keys/{id}/revoke");
            managers[0].api(Method::POST, &revoke, None).await.unwrap();
        }
    }
}
