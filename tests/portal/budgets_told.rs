//! People are told before a budget ends and when it has, once each; the page of usage says when it will.

use reqwest::Method;
use serde_json::json;
use virtual_faculty::keys::tell_of_budgets;

use crate::support::{Keyholder, given};

/// How often a text stands on the page of notices of somebody.
async fn told(holder: &Keyholder, login: &str, text: &str) -> usize {
    let mut browser = holder.app.browser(login).await;
    let page = browser.get("/en/notices").await.unwrap();
    page.text.matches(text).count()
}

#[actix_web::test]
async fn holders_and_managers_are_told_at_eighty_and_at_a_hundred_per_cent() {
    const NEAR: &str = "per cent of today&#39;s budget";
    const ENDED: &str = "has used up today&#39;s budget";
    let holder = Keyholder::start(1000, 100).await;
    let db = &holder.app.ports.db;
    tell_of_budgets(db).await.unwrap();
    let both = ["developer.harderwijk", "manager.harderwijk"];
    for login in both {
        assert_eq!(told(&holder, login, NEAR).await, 0, "nothing was used yet");
    }
    let answer = holder.ask("een", json!({"max_tokens": 820})).send().await;
    assert_eq!(answer.unwrap().status(), 200);
    let (used, _) = holder.counters().await;
    assert!((800..1000).contains(&used), "{used}");
    for _ in 0..2 {
        tell_of_budgets(db).await.unwrap();
        for login in both {
            assert_eq!(told(&holder, login, NEAR).await, 1, "{login}, once");
        }
    }
    assert_eq!(told(&holder, "manager.waterland", NEAR).await, 0);

    // Half of what it was: now it is used up.
    let mut admin = holder.app.browser("admin").await;
    let limit = |period: &str, cap: i64| json!({"measure": "tokens", "period": period, "cap": cap});
    let path = format!("/api/v1/quotas/{}", holder.id);
    admin
        .api(Method::PUT, &path, Some(limit("day", 500)))
        .await
        .unwrap();
    tell_of_budgets(db).await.unwrap();
    for login in both {
        assert_eq!(told(&holder, login, ENDED).await, 1, "{login}");
    }

    // A limit of the institution, with its forecast.
    let key = admin
        .api(Method::GET, &format!("/api/v1/keys/{}", holder.id), None)
        .await
        .unwrap();
    let institution = key["institution"]["id"].as_str().unwrap();
    let path = format!("/api/v1/quotas/{institution}");
    admin
        .api(Method::PUT, &path, Some(limit("month", 1_000_000)))
        .await
        .unwrap();
    let mut manager = holder.app.browser("manager.harderwijk").await;
    for (lang, month, lasts) in [
        ("en", "tokens this month", "lasts at the pace"),
        ("nl", "tokens deze maand", "toereikend"),
    ] {
        let page = manager.get(&format!("/{lang}/usage")).await.unwrap();
        assert!(page.text.contains(month), "{}", page.text);
        assert!(page.text.contains(lasts), "{}", page.text);
        assert!(!page.text.contains('⟨'), "{}", page.text);
    }
}

#[actix_web::test]
async fn managers_are_told_of_the_month_of_a_project() {
    const NEAR: &str = "vertalen has used";
    const ENDED: &str = "vertalen has used up this month&#39;s budget";
    let holder = Keyholder::start(100_000, 100).await;
    let institution = given::institution_of(&holder.app, &holder.id).await;
    let project = given::project(&holder.app, &institution, "vertalen").await;
    let mut admin = holder.app.browser("admin").await;
    let under = format!("/api/v1/keys/{}/project", holder.id);
    let under = admin.call(Method::PUT, &under, Some(json!({"project": project})));
    assert_eq!(under.await.unwrap().status, 204);
    let answer = holder.ask("een", json!({"max_tokens": 849})).send().await;
    assert_eq!(answer.unwrap().status(), 200);
    let month = ("tokens", "month");
    let db = &holder.app.ports.db;
    for (cap, near, ended) in [(10_000, 0, 0), (1_000, 1, 0), (850, 2, 1)] {
        given::limit(&holder.app, &project, month, cap).await;
        for _ in 0..2 {
            tell_of_budgets(db).await.unwrap();
            let manager = "manager.harderwijk";
            assert_eq!(told(&holder, manager, NEAR).await, near, "of {cap}");
            assert_eq!(told(&holder, manager, ENDED).await, ended, "of {cap}");
        }
    }
    // Who asked for one of its keys did not ask for the project.
    assert_eq!(told(&holder, "developer.harderwijk", NEAR).await, 0);
    assert_eq!(told(&holder, "manager.waterland", NEAR).await, 0);
}
