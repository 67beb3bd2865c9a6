//! A provider, a relying party and a browser.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use demo_idp::{Config, Person, Provider, start_at};
use openidconnect::{
    AdditionalClaims, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl, Nonce, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl,
    core::{
        CoreAuthenticationFlow, CoreClient, CoreIdTokenVerifier, CoreJsonWebKeySet,
        CoreProviderMetadata, CoreTokenResponse,
    },
};
use reqwest::{Client, Method, Response, header, redirect::Policy};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tempfile::TempDir;
use url::Url;

use crate::browser::{Back, SignInPage};

pub(crate) const CALLBACK: &str = "http://127.0.0.1:8080/auth/callback";
const CLIENT_ID: &str = "faculty";
const CLIENT_SECRET: &str = "a secret: with + & %";

/// The claims that are not of OpenID Connect itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Attributes {
    pub(crate) schac_home_organization: String,
    pub(crate) eduperson_affiliation: Vec<String>,
    pub(crate) eduperson_principal_name: String,
    pub(crate) authenticating_authority: String,
    pub(crate) edumember_is_member_of: Vec<String>,
}
impl AdditionalClaims for Attributes {}

type ReadyClient = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What the relying party keeps while somebody signs in.
pub(crate) struct Asked {
    pub(crate) url: Url,
    pub(crate) state: String,
    pub(crate) nonce: Nonce,
    pub(crate) verifier: PkceCodeVerifier,
}

pub(crate) struct RelyingParty {
    provider: Provider,
    metadata: CoreProviderMetadata,
    web: Client,
    seconds: Arc<AtomicI64>,
    dir: TempDir,
}

fn person(login: &str, name: &str, note: &str) -> Person {
    let (given, family) = name.split_once(' ').unwrap();
    Person {
        login: login.to_owned(),
        password: login.to_owned(),
        name: name.to_owned(),
        given_name: given.to_owned(),
        family_name: family.to_owned(),
        email: "sanne@waterland.example".to_owned(),
        schac_home_organization: "waterland.example".to_owned(),
        authenticating_authority: "https://idp.waterland.example/saml".to_owned(),
        affiliations: vec!["employee".to_owned(), "member".to_owned()],
        note: note.to_owned(),
    }
}

pub(crate) fn config(data_dir: &Path, bind: SocketAddr) -> Config {
    Config {
        bind,
        data_dir: data_dir.to_owned(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.to_owned(),
        redirect_uris: vec![CALLBACK.to_owned()],
        people: vec![
            person("admin", "Ada Beheer", "TNO · admin"),
            person(
                "contributor.waterland",
                "Sanne de Wit",
                "Archief <Waterland> · contributor",
            ),
        ],
    }
}

fn web() -> Client {
    // A second installation in the same process is refused, and of no matter.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .redirect(Policy::none())
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap()
}

async fn start_provider(
    dir: &Path,
    bind: SocketAddr,
    seconds: &Arc<AtomicI64>,
) -> (Provider, CoreProviderMetadata, Client) {
    let (web, seconds) = (web(), seconds.clone());
    // The relying party's library reads the system's clock, so ours is ahead of it by what the test adds.
    #[expect(
        clippy::disallowed_methods,
        reason = "the library under test checks against the system's time"
    )]
    let clock = move || -> DateTime<Utc> {
        Utc::now() + TimeDelta::seconds(seconds.load(Ordering::SeqCst))
    };
    let provider = start_at(config(dir, bind), Arc::new(clock)).await.unwrap();
    let issuer = IssuerUrl::new(provider.issuer().to_owned()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &sender(&web))
        .await
        .unwrap();
    (provider, metadata, web)
}

/// The HTTP client in the form that the library wants.
fn sender(
    web: &Client,
) -> impl Fn(
    HttpRequest,
) -> std::pin::Pin<Box<dyn Future<Output = Result<HttpResponse, reqwest::Error>> + Send>>
+ use<> {
    let web = web.clone();
    move |request| {
        let web = web.clone();
        Box::pin(async move {
            let answer = web.execute(request.try_into()?).await?;
            let mut response = HttpResponse::new(Vec::new());
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            *response.body_mut() = answer.bytes().await?.to_vec();
            Ok(response)
        })
    }
}

impl RelyingParty {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let seconds = Arc::new(AtomicI64::new(0));
        let bind = "127.0.0.1:0".parse().unwrap();
        let (provider, metadata, web) = start_provider(dir.path(), bind, &seconds).await;
        Self {
            provider,
            metadata,
            web,
            seconds,
            dir,
        }
    }

    /// The same provider again, at the same address.
    pub(crate) async fn restart(self) -> Self {
        let address = self.provider.issuer().strip_prefix("http://").unwrap();
        let bind = address.parse().unwrap();
        self.provider.stop().await;
        let (provider, metadata, web) = start_provider(self.dir.path(), bind, &self.seconds).await;
        Self {
            provider,
            metadata,
            web,
            seconds: self.seconds,
            dir: self.dir,
        }
    }

    pub(crate) async fn stop(self) {
        self.provider.stop().await;
    }

    pub(crate) fn provider(&self) -> &Provider {
        &self.provider
    }

    pub(crate) fn metadata(&self) -> &CoreProviderMetadata {
        &self.metadata
    }

    /// Moves the provider's clock on.
    pub(crate) fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn http(
        &self,
    ) -> impl Fn(
        HttpRequest,
    ) -> std::pin::Pin<
        Box<dyn Future<Output = Result<HttpResponse, reqwest::Error>> + Send>,
    > + use<> {
        sender(&self.web)
    }

    pub(crate) fn client(&self) -> ReadyClient {
        CoreClient::from_provider_metadata(
            self.metadata.clone(),
            ClientId::new(CLIENT_ID.to_owned()),
            Some(ClientSecret::new(CLIENT_SECRET.to_owned())),
        )
        .set_redirect_uri(RedirectUrl::new(CALLBACK.to_owned()).unwrap())
    }

    pub(crate) fn client_with(&self, keys: CoreJsonWebKeySet) -> ReadyClient {
        CoreClient::from_provider_metadata(
            self.metadata.clone().set_jwks(keys),
            ClientId::new(CLIENT_ID.to_owned()),
            Some(ClientSecret::new(CLIENT_SECRET.to_owned())),
        )
        .set_redirect_uri(RedirectUrl::new(CALLBACK.to_owned()).unwrap())
    }

    pub(crate) fn verifier<'a>(&self, client: &'a ReadyClient) -> CoreIdTokenVerifier<'a> {
        client.id_token_verifier()
    }

    pub(crate) async fn fetch_keys(&self) -> CoreJsonWebKeySet {
        CoreJsonWebKeySet::fetch_async(self.metadata.jwks_uri(), &self.http())
            .await
            .unwrap()
    }

    /// Where the application would send a browser.
    pub(crate) fn ask(&self) -> Asked {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = self
            .client()
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .set_pkce_challenge(challenge)
            .url();
        Asked {
            url,
            state: state.secret().clone(),
            nonce,
            verifier,
        }
    }

    /// Opens an address of the provider as a browser would.
    pub(crate) async fn open_raw(&self, url: &str) -> Response {
        self.web.get(url).send().await.unwrap()
    }

    pub(crate) async fn open(&self, asked: &Asked) -> SignInPage {
        let response = self.open_raw(asked.url.as_str()).await;
        assert_eq!(response.status(), 200);
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"));
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let action = format!("{}/login", self.provider.issuer());
        SignInPage::read(
            self.web.clone(),
            action,
            cookie,
            response.text().await.unwrap(),
        )
    }

    /// Signs in with the password, which is the login name.
    pub(crate) async fn sign_in(&self, login: &str, asked: &Asked) -> Back {
        let page = self.open(asked).await;
        page.post(&[("username", login), ("password", login)])
            .await
            .back()
    }

    pub(crate) async fn exchange(
        &self,
        code: &str,
        asked: &Asked,
    ) -> Result<CoreTokenResponse, String> {
        let verifier = PkceCodeVerifier::new(asked.verifier.secret().clone());
        self.client()
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .unwrap()
            .set_pkce_verifier(verifier)
            .request_async(&self.http())
            .await
            .map_err(|error| format!("{error:?}"))
    }

    /// Exchanges a code with a request of our own making.
    pub(crate) async fn exchange_raw(
        &self,
        code: &str,
        verifier: &str,
        by_post: bool,
    ) -> (u16, Value) {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", verifier),
        ];
        let secret = if by_post { Some(CLIENT_SECRET) } else { None };
        self.post_token(&fields, secret).await
    }

    /// Posts to the token endpoint; without `secret_in_form` the client authenticates in the header.
    pub(crate) async fn post_token(
        &self,
        fields: &[(&str, &str)],
        secret_in_form: Option<&str>,
    ) -> (u16, Value) {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let url = format!("{}/oidc/token", self.provider.issuer());
        let mut request = self.web.request(Method::POST, url);
        match secret_in_form {
            Some(secret) => {
                form.append_pair("client_id", CLIENT_ID);
                form.append_pair("client_secret", secret);
            }
            None => {
                let encode = |text: &str| {
                    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
                };
                request = request.basic_auth(encode(CLIENT_ID), Some(encode(CLIENT_SECRET)));
            }
        }
        let response = request
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.finish())
            .send()
            .await
            .unwrap();
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub(crate) async fn userinfo(&self, token: &str) -> (u16, Value) {
        let url = format!("{}/oidc/userinfo", self.provider.issuer());
        let response = self.web.get(url).bearer_auth(token).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.provider.issuer());
        self.open_raw(&url).await.json().await.unwrap()
    }
}
