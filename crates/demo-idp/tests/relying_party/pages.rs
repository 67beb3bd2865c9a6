//! What a person sees, and what keeps the page safe.

use reqwest::header;

use crate::given::RelyingParty;

#[tokio::test]
async fn the_page_lists_the_people_in_the_browsers_language() {
    let party = RelyingParty::start().await;
    let asked = party.ask();
    let page = party.open(&asked).await;
    assert!(page.html.contains("<html lang=\"nl\">"));
    assert!(page.html.contains("Kies wie u bent"));
    for text in ["Sanne de Wit", "contributor.waterland", "TNO · admin"] {
        assert!(page.html.contains(text), "{text}");
    }
    assert!(
        !page.html.contains("<Waterland>"),
        "what is passed in is escaped"
    );
    let web = reqwest::Client::builder().build().unwrap();
    let english = web
        .get(asked.url)
        .header(header::ACCEPT_LANGUAGE, "en-GB,en;q=0.9")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(english.contains("<html lang=\"en\">"));
    assert!(english.contains("Choose who you are"));
    party.stop().await;
}

#[tokio::test]
async fn the_policy_allows_no_script_and_the_style_has_its_own_path() {
    let party = RelyingParty::start().await;
    let asked = party.ask();
    let response = party.open_raw(asked.url.as_str()).await;
    let headers = response.headers().clone();
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(
        policy.contains("form-action 'self' http://127.0.0.1:8080;"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let html = response.text().await.unwrap();
    assert!(!html.contains("<script") && !html.contains("style="));
    let style = party
        .open_raw(&format!("{}/style.css", party.provider().issuer()))
        .await;
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
    assert!(style.text().await.unwrap().contains("--accent"));
    party.stop().await;
}

#[tokio::test]
async fn another_host_name_gets_nothing() {
    let party = RelyingParty::start().await;
    let web = reqwest::Client::builder().build().unwrap();
    let url = format!(
        "{}/.well-known/openid-configuration",
        party.provider().issuer()
    );
    let rebound = web
        .get(&url)
        .header(header::HOST, "evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(rebound.status(), 421);
    let unknown = party
        .open_raw(&format!("{}/nothing", party.provider().issuer()))
        .await;
    assert_eq!(unknown.status(), 404);
    party.stop().await;
}
