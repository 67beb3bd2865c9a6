//! What must not work.

use demo_idp::{StartError, start};
use openidconnect::OAuth2TokenResponse;
use url::Url;

use crate::given::{Asked, CALLBACK, RelyingParty, config};

/// The address of `asked` with parameters changed (`Some`) or taken out (`None`).
fn changed(asked: &Asked, changes: &[(&str, Option<&str>)]) -> String {
    let mut url = asked.url.clone();
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(kept);
    for (name, value) in changes {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    url.into()
}

#[tokio::test]
async fn a_wrong_password_gives_no_code_and_ten_end_the_page() {
    let party = RelyingParty::start().await;
    let asked = party.ask();
    let page = party.open(&asked).await;
    for (username, password) in [("admin", "guess"), ("nobody", "nobody"), ("nobody", "")] {
        let answer = page
            .post(&[("username", username), ("password", password)])
            .await;
        assert_eq!((answer.status, answer.location), (422, None));
        assert!(answer.html.contains("role=\"alert\""));
    }
    for _ in 3..10 {
        page.post(&[("pick", "nobody")]).await;
    }
    let answer = page
        .post(&[("username", "admin"), ("password", "admin")])
        .await;
    assert_eq!(answer.status, 400, "the page is spent");
    party.stop().await;
}

#[tokio::test]
async fn a_form_of_another_page_or_browser_is_refused() {
    let party = RelyingParty::start().await;
    let asked = party.ask();
    let (mine, other) = (party.open(&asked).await, party.open(&asked).await);
    let mut forged = party.open(&asked).await;
    forged.csrf.clone_from(&other.csrf);
    assert_eq!(forged.post(&[("pick", "admin")]).await.status, 400);
    let mut foreign = party.open(&asked).await;
    foreign.cookie.clone_from(&other.cookie);
    assert_eq!(foreign.post(&[("pick", "admin")]).await.status, 400);
    let mut no_cookie = party.open(&asked).await;
    no_cookie.cookie = "a=b".to_owned();
    assert_eq!(no_cookie.post(&[("pick", "admin")]).await.status, 400);

    mine.post(&[("pick", "admin")]).await.back();
    let again = mine.post(&[("pick", "admin")]).await;
    assert_eq!(again.status, 400, "a page is used once");
    party.pass(601);
    let late = other.post(&[("pick", "admin")]).await;
    assert_eq!(late.status, 400, "a page is open for ten minutes");
    party.stop().await;
}

#[tokio::test]
async fn a_wrong_verifier_is_refused_and_uses_the_code_up() {
    let party = RelyingParty::start().await;
    let asked = party.ask();
    let back = party.sign_in("admin", &asked).await;
    let wrong = "x".repeat(43);
    let (status, body) = party.exchange_raw(&back.code, &wrong, false).await;
    assert_eq!((status, &body["error"]), (400, &"invalid_grant".into()));
    let error = party.exchange(&back.code, &asked).await.unwrap_err();
    assert!(error.contains("invalid_grant"), "{error}");
    party.stop().await;
}

#[tokio::test]
async fn a_code_that_comes_again_is_refused_and_revokes_the_access_token() {
    let party = RelyingParty::start().await;
    let asked = party.ask();
    let back = party.sign_in("admin", &asked).await;
    let tokens = party.exchange(&back.code, &asked).await.unwrap();
    let access_token = tokens.access_token().secret();
    assert_eq!(party.userinfo(access_token).await.0, 200);
    let error = party.exchange(&back.code, &asked).await.unwrap_err();
    assert!(error.contains("invalid_grant"), "{error}");
    assert_eq!(party.userinfo(access_token).await.0, 401);
    party.stop().await;
}

#[tokio::test]
async fn two_exchanges_at_once_give_at_most_one_set_of_tokens() {
    let party = RelyingParty::start().await;
    let asked = party.ask();
    let back = party.sign_in("admin", &asked).await;
    let verifier = asked.verifier.secret();
    let (one, two) = tokio::join!(
        party.exchange_raw(&back.code, verifier, false),
        party.exchange_raw(&back.code, verifier, false)
    );
    let mut statuses = [one.0, two.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    party.stop().await;
}

#[tokio::test]
async fn a_code_is_good_for_a_minute_and_an_access_token_for_an_hour() {
    let party = RelyingParty::start().await;
    let asked = party.ask();
    let back = party.sign_in("admin", &asked).await;
    party.pass(61);
    let error = party.exchange(&back.code, &asked).await.unwrap_err();
    assert!(error.contains("expired"), "{error}");

    let asked = party.ask();
    let back = party.sign_in("admin", &asked).await;
    party.pass(50);
    let tokens = party.exchange(&back.code, &asked).await.unwrap();
    let access_token = tokens.access_token().secret();
    party.pass(3500);
    assert_eq!(party.userinfo(access_token).await.0, 200);
    party.pass(200);
    assert_eq!(party.userinfo(access_token).await.0, 401);
    assert_eq!(party.userinfo("guess").await.0, 401);
    party.stop().await;
}

#[tokio::test]
async fn an_unknown_application_or_address_is_not_sent_back() {
    let party = RelyingParty::start().await;
    let asked = party.ask();
    let query_too = format!("{CALLBACK}?next=1");
    let slash_too = format!("{CALLBACK}/");
    for change in [
        ("client_id", Some("other")),
        ("client_id", None),
        ("redirect_uri", Some("https://evil.example/auth/callback")),
        ("redirect_uri", Some(query_too.as_str())),
        ("redirect_uri", Some(slash_too.as_str())),
        ("redirect_uri", None),
    ] {
        let response = party.open_raw(&changed(&asked, &[change])).await;
        assert_eq!(response.status(), 400, "{change:?}");
        assert!(response.headers().get("location").is_none(), "{change:?}");
        assert!(response.headers().get("set-cookie").is_none(), "{change:?}");
    }
    party.stop().await;
}

#[tokio::test]
async fn a_faulty_request_is_told_to_the_application() {
    let party = RelyingParty::start().await;
    let asked = party.ask();
    for (change, expected) in [
        (("code_challenge", None), "invalid_request"),
        (("code_challenge", Some("short")), "invalid_request"),
        (("code_challenge_method", None), "invalid_request"),
        (("code_challenge_method", Some("plain")), "invalid_request"),
        (("nonce", None), "invalid_request"),
        (
            ("response_type", Some("token")),
            "unsupported_response_type",
        ),
        (("response_mode", Some("fragment")), "invalid_request"),
        (("scope", Some("profile")), "invalid_scope"),
        (("scope", Some("openid groups")), "invalid_scope"),
        (("prompt", Some("none")), "interaction_required"),
        (("request", Some("e30.e30.")), "request_not_supported"),
    ] {
        let response = party.open_raw(&changed(&asked, &[change])).await;
        assert_eq!(response.status(), 302, "{change:?}");
        let location = response.headers()["location"].to_str().unwrap();
        assert!(location.starts_with(CALLBACK), "{location}");
        let location = Url::parse(location).unwrap();
        let query: Vec<(String, String)> = location.query_pairs().into_owned().collect();
        assert!(
            query.contains(&("error".to_owned(), expected.to_owned())),
            "{change:?}: {query:?}"
        );
        assert!(
            query.contains(&("state".to_owned(), asked.state.clone())),
            "{query:?}"
        );
    }
    let no_state = party.open_raw(&changed(&asked, &[("state", None)])).await;
    let location = no_state.headers()["location"].to_str().unwrap();
    assert!(location.contains("error=invalid_request") && !location.contains("state="));
    let twice = format!("{}&nonce=again", asked.url);
    assert_eq!(party.open_raw(&twice).await.status(), 400);
    let long = format!("{}&login_hint={}", asked.url, "x".repeat(9000));
    assert_eq!(party.open_raw(&long).await.status(), 414);
    party.stop().await;
}

#[tokio::test]
async fn the_token_endpoint_refuses_foreign_clients_and_other_grants() {
    let party = RelyingParty::start().await;
    let asked = party.ask();
    let back = party.sign_in("admin", &asked).await;
    let (code, verifier) = (back.code.as_str(), asked.verifier.secret().as_str());
    let good = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", verifier),
    ];
    let (status, body) = party.post_token(&good, Some("wrong secret")).await;
    assert_eq!((status, &body["error"]), (401, &"invalid_client".into()));
    let other_grant = [("grant_type", "password"), ("code", code)];
    let (status, body) = party.post_token(&other_grant, None).await;
    assert_eq!(
        (status, &body["error"]),
        (400, &"unsupported_grant_type".into())
    );
    let (status, body) = party.post_token(&[("code", "guess")], None).await;
    assert_eq!((status, &body["error"]), (400, &"invalid_request".into()));
    let (status, _) = party.post_token(&good, None).await;
    assert_eq!(status, 200, "none of that used the code up");

    let asked = party.ask();
    let back = party.sign_in("admin", &asked).await;
    let elsewhere = [
        ("grant_type", "authorization_code"),
        ("code", back.code.as_str()),
        ("redirect_uri", "https://evil.example/"),
        ("code_verifier", asked.verifier.secret().as_str()),
    ];
    let (status, body) = party.post_token(&elsewhere, None).await;
    assert_eq!((status, &body["error"]), (400, &"invalid_grant".into()));
    party.stop().await;
}

#[tokio::test]
async fn only_loopback_and_complete_settings_are_started() {
    let dir = tempfile::tempdir().unwrap();
    let start_error = async |config| start(config).await.err().unwrap();
    for open in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"] {
        let error = start_error(config(dir.path(), open.parse().unwrap())).await;
        assert!(
            matches!(error, StartError::NotLoopback(_)),
            "{open}: {error}"
        );
    }
    let loopback = "127.0.0.1:0".parse().unwrap();
    let mut nobody = config(dir.path(), loopback);
    nobody.people.clear();
    assert!(matches!(start_error(nobody).await, StartError::Incomplete));
    let mut twice = config(dir.path(), loopback);
    twice.people.push(twice.people.first().unwrap().clone());
    assert!(matches!(start_error(twice).await, StartError::Incomplete));
    for bad in ["javascript:alert(1)", "/auth/callback", "http://a/b#c"] {
        let mut settings = config(dir.path(), loopback);
        settings.redirect_uris.push(bad.to_owned());
        let error = start_error(settings).await;
        assert!(
            matches!(error, StartError::RedirectUri(_)),
            "{bad}: {error}"
        );
    }
}
