#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]
//! The provider against an independent relying party: the `openidconnect` crate, over HTTP.

mod browser;
mod given;
mod pages;
mod refusals;

use chrono::TimeDelta;
use openidconnect::{
    AccessTokenHash, OAuth2TokenResponse, TokenResponse, UserInfoClaims,
    core::{CoreGenderClaim, CoreJsonWebKeySet, CoreProviderMetadata},
};

use given::{Attributes, RelyingParty};

#[tokio::test]
async fn somebody_signs_in_and_the_application_learns_who_it_is() {
    let party = RelyingParty::start().await;
    let asked = party.ask();
    let back = party.sign_in("contributor.waterland", &asked).await;
    assert_eq!(back.state, asked.state);
    let tokens = party.exchange(&back.code, &asked).await.unwrap();

    let client = party.client();
    let id_token = tokens.id_token().unwrap();
    let claims = id_token
        .claims(&party.verifier(&client), &asked.nonce)
        .unwrap();
    assert_eq!(claims.subject().as_str(), "demo|contributor.waterland");
    assert_eq!(
        claims.expiration() - claims.issue_time(),
        TimeDelta::hours(1)
    );
    assert_eq!(
        claims.name(),
        None,
        "as SURFconext: attributes at userinfo only"
    );
    assert_eq!(claims.email(), None);
    assert_eq!(claims.access_token_hash(), None::<&AccessTokenHash>);

    let info: UserInfoClaims<Attributes, CoreGenderClaim> = client
        .user_info(
            tokens.access_token().clone(),
            Some(claims.subject().clone()),
        )
        .unwrap()
        .request_async(&party.http())
        .await
        .unwrap();
    assert_eq!(
        info.name().unwrap().get(None).unwrap().as_str(),
        "Sanne de Wit"
    );
    assert_eq!(info.email().unwrap().as_str(), "sanne@waterland.example");
    assert_eq!(info.email_verified(), Some(true));
    let more = info.additional_claims();
    assert_eq!(more.schac_home_organization, "waterland.example");
    assert_eq!(more.eduperson_affiliation, ["employee", "member"]);
    assert_eq!(
        more.eduperson_principal_name,
        "contributor.waterland@waterland.example"
    );
    assert_eq!(
        more.authenticating_authority,
        "https://idp.waterland.example/saml"
    );
    assert_eq!(more.edumember_is_member_of, ["urn:collab:org:surf.nl"]);
    party.stop().await;
}

#[tokio::test]
async fn both_ways_of_client_authentication_work() {
    let party = RelyingParty::start().await;
    for by_post in [false, true] {
        let asked = party.ask();
        let back = party.sign_in("admin", &asked).await;
        let verifier = asked.verifier.secret();
        let status = party.exchange_raw(&back.code, verifier, by_post).await.0;
        assert_eq!(status, 200, "by post: {by_post}");
    }
    party.stop().await;
}

#[tokio::test]
async fn picking_a_person_signs_them_in_without_a_password() {
    let party = RelyingParty::start().await;
    let asked = party.ask();
    let page = party.open(&asked).await;
    let back = page.post(&[("pick", "admin")]).await.back();
    let tokens = party.exchange(&back.code, &asked).await.unwrap();
    let client = party.client();
    let claims = tokens.id_token().unwrap();
    let claims = claims
        .claims(&party.verifier(&client), &asked.nonce)
        .unwrap();
    assert_eq!(claims.subject().as_str(), "demo|admin");
    party.stop().await;
}

#[tokio::test]
async fn a_rotated_key_signs_and_the_old_one_still_verifies() {
    let party = RelyingParty::start().await;
    let asked = party.ask();
    let back = party.sign_in("admin", &asked).await;
    let before = party.exchange(&back.code, &asked).await.unwrap();
    let old_client = party.client();

    party.provider().rotate().await.unwrap();
    let asked_later = party.ask();
    let back = party.sign_in("admin", &asked_later).await;
    let after = party.exchange(&back.code, &asked_later).await.unwrap();
    let new_token = after.id_token().unwrap();
    let with_old_keys = new_token.claims(&party.verifier(&old_client), &asked_later.nonce);
    assert!(
        with_old_keys.is_err(),
        "the new key is not among those fetched before"
    );

    let keys = party.fetch_keys().await;
    assert_eq!(keys.keys().len(), 2);
    let client = party.client_with(keys);
    assert!(
        new_token
            .claims(&party.verifier(&client), &asked_later.nonce)
            .is_ok()
    );
    let old_token = before.id_token().unwrap();
    assert!(
        old_token
            .claims(&party.verifier(&client), &asked.nonce)
            .is_ok()
    );
    party.stop().await;
}

#[tokio::test]
async fn keys_and_issuer_survive_a_restart_of_the_provider() {
    let party = RelyingParty::start().await;
    let asked = party.ask();
    let back = party.sign_in("admin", &asked).await;
    let tokens = party.exchange(&back.code, &asked).await.unwrap();
    let keys = party.fetch_keys().await;
    let party = party.restart().await;
    let again: CoreJsonWebKeySet = party.fetch_keys().await;
    assert_eq!(keys, again);
    let (status, _) = party.userinfo(tokens.access_token().secret()).await;
    assert_eq!(status, 401, "access tokens end with the provider");
    party.stop().await;
}

#[tokio::test]
async fn discovery_promises_what_is_kept() {
    let party = RelyingParty::start().await;
    let metadata: &CoreProviderMetadata = party.metadata();
    assert_eq!(metadata.issuer().as_str(), party.provider().issuer());
    let raw = party.get("/.well-known/openid-configuration").await;
    for (field, expected) in [
        ("response_types_supported", r#"["code"]"#),
        ("code_challenge_methods_supported", r#"["S256"]"#),
        ("id_token_signing_alg_values_supported", r#"["RS256"]"#),
        (
            "token_endpoint_auth_methods_supported",
            r#"["client_secret_basic","client_secret_post"]"#,
        ),
    ] {
        assert_eq!(raw[field].to_string(), expected, "{field}");
    }
    for absent in [
        "end_session_endpoint",
        "authorization_response_iss_parameter_supported",
    ] {
        assert!(
            raw.get(absent).is_none(),
            "SURFconext does not publish {absent}"
        );
    }
    party.stop().await;
}
