//! The OpenID provider as we use it: discovery, code flow with PKCE, id token, userinfo.
//!
//! OpenID Connect Core 1.0; RFC 7636 (PKCE); RFC 9207 (issuer in the answer), where the provider says it
//! sends one. SURFconext puts attributes in userinfo only.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce, OAuth2TokenResponse as _,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, TokenResponse as _, UserInfoClaims,
    core::{
        CoreAuthenticationFlow, CoreClient, CoreGenderClaim, CoreProviderMetadata, CoreTokenType,
    },
    http,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::{sync::Mutex, time::Instant};
use url::Url;

use crate::config::Config;

/// Everything that we do not name ourselves.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct AllClaims(serde_json::Map<String, serde_json::Value>);

impl AdditionalClaims for AllClaims {}

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The relying party.
pub struct Oidc {
    issuer: String,
    client_id: String,
    client_secret: SecretString,
    callback: String,
    http: reqwest::Client,
    known: Mutex<Known>,
}

/// What was last heard of the provider.
#[derive(Default)]
struct Known {
    metadata: Option<(CoreProviderMetadata, Instant)>,
    /// When an unknown key last made us ask again.
    asked_again_at: Option<Instant>,
}

/// Why a login did not work.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// The provider is away or answers nonsense.
    #[error("the identity provider cannot be used: {0}")]
    Provider(String),
    /// The provider's word does not hold.
    #[error("the identity provider's answer was refused: {0}")]
    Refused(String),
}

/// What is kept between sending somebody to the provider and their return.
pub(super) struct Departure {
    pub(super) url: Url,
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) pkce_verifier: String,
}

/// Who the provider says it is.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) issuer: String,
    pub(super) subject: String,
    /// The id token's and userinfo's claims together.
    pub(super) claims: serde_json::Map<String, serde_json::Value>,
}

impl Identity {
    /// A claim that is a string, bounded.
    pub(super) fn text(&self, claim: &str) -> Option<String> {
        self.claims
            .get(claim)
            .and_then(|value| value.as_str())
            .map(str::trim)
            .filter(|text| !text.is_empty() && text.chars().count() <= 300)
            .map(str::to_owned)
    }
}

const LARGEST_ANSWER: usize = 1024 * 1024;
const METADATA_LIFETIME: Duration = Duration::from_secs(3600);
const REFETCH_AFTER: Duration = Duration::from_secs(60);

impl Oidc {
    /// For the configured provider; nothing is asked of it yet.
    ///
    /// # Errors
    /// Where the HTTP client cannot be built.
    pub fn new(config: &Config) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(3))
            .timeout(Duration::from_secs(10))
            .build()?;
        Ok(Self {
            issuer: config.oidc.issuer.clone(),
            client_id: config.oidc.client_id.clone(),
            client_secret: config.oidc.client_secret.clone(),
            callback: config.callback_url(),
            http,
            known: Mutex::new(Known::default()),
        })
    }

    /// Prepares to send somebody to the provider.
    pub(super) async fn depart(&self) -> Result<Departure, OidcError> {
        let client = self.client(false).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scope(Scope::new("openid".into()))
            .set_pkce_challenge(challenge)
            .url();
        Ok(Departure {
            url,
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            pkce_verifier: verifier.secret().clone(),
        })
    }

    /// Exchanges the code and hears who it is.
    pub(super) async fn arrive(
        &self,
        code: String,
        nonce: String,
        pkce_verifier: String,
        now: DateTime<Utc>,
    ) -> Result<Identity, OidcError> {
        let client = self.client(false).await?;
        let call = |request| self.call(request);
        let tokens = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|e| OidcError::Provider(e.to_string()))?
            .set_pkce_verifier(PkceCodeVerifier::new(pkce_verifier))
            .request_async(&call)
            .await
            .map_err(|e| OidcError::Refused(format!("the code was not exchanged: {e}")))?;
        if *tokens.token_type() != CoreTokenType::Bearer {
            return Err(OidcError::Refused("token_type is not Bearer".into()));
        }
        let id_token = tokens
            .id_token()
            .ok_or_else(|| OidcError::Refused("there is no id token".into()))?;
        let nonce = Nonce::new(nonce);
        let check = |client: &Client| {
            let verifier = client
                .id_token_verifier()
                // SURFconext names resource servers beside us; ours must be among them.
                .set_other_audience_verifier_fn(|_| true)
                .set_issue_time_verifier_fn(|issued| fresh(now, issued))
                .set_time_fn(move || now);
            id_token.claims(&verifier, &nonce).cloned()
        };
        let claims = match check(&client) {
            Ok(claims) => claims,
            // The provider may have changed its keys since we last asked.
            Err(_) => {
                let renewed = self.client(true).await?;
                check(&renewed).map_err(|e| OidcError::Refused(e.to_string()))?
            }
        };
        if let Some(expected) = claims.access_token_hash() {
            let verifier = client.id_token_verifier();
            let algorithm = id_token
                .signing_alg()
                .map_err(|e| OidcError::Refused(e.to_string()))?;
            let key = id_token
                .signing_key(&verifier)
                .map_err(|e| OidcError::Refused(e.to_string()))?;
            let actual = AccessTokenHash::from_token(tokens.access_token(), algorithm, key)
                .map_err(|e| OidcError::Refused(e.to_string()))?;
            if actual != *expected {
                return Err(OidcError::Refused("at_hash is of another token".into()));
            }
        }
        let info: UserInfoClaims<AllClaims, CoreGenderClaim> = client
            .user_info(
                tokens.access_token().clone(),
                Some(claims.subject().clone()),
            )
            .map_err(|e| OidcError::Provider(e.to_string()))?
            .request_async(&call)
            .await
            .map_err(|e| OidcError::Refused(format!("userinfo: {e}")))?;
        let subject = claims.subject().as_str().to_owned();
        if subject.is_empty() {
            return Err(OidcError::Refused("sub is empty".into()));
        }
        let mut all = as_map(&claims);
        all.extend(as_map(&info));
        Ok(Identity {
            issuer: self.issuer.clone(),
            subject,
            claims: all,
        })
    }

    /// Checks the `iss` of an answer where the provider says that it sends one (RFC 9207).
    pub(super) fn issuer_matches(&self, iss: Option<&str>) -> bool {
        iss.is_none_or(|iss| iss == self.issuer)
    }

    async fn client(&self, must_refetch: bool) -> Result<Client, OidcError> {
        let metadata = self.metadata(must_refetch).await?;
        let redirect = RedirectUrl::new(self.callback.clone())
            .map_err(|e| OidcError::Provider(e.to_string()))?;
        Ok(CoreClient::from_provider_metadata(
            metadata,
            ClientId::new(self.client_id.clone()),
            Some(ClientSecret::new(
                self.client_secret.expose_secret().to_owned(),
            )),
        )
        .set_redirect_uri(redirect))
    }

    /// The provider's metadata and keys: asked for each hour, or at once for an unknown key (at most once
    /// a minute); the last good ones hold while the provider is away.
    async fn metadata(&self, must_refetch: bool) -> Result<CoreProviderMetadata, OidcError> {
        let mut known = self.known.lock().await;
        let may_ask_again = known
            .asked_again_at
            .is_none_or(|at| at.elapsed() >= REFETCH_AFTER);
        let must_ask = must_refetch && may_ask_again;
        if let Some((metadata, at)) = &known.metadata
            && !must_ask
            && (must_refetch || at.elapsed() < METADATA_LIFETIME)
        {
            return Ok(metadata.clone());
        }
        if must_ask {
            known.asked_again_at = Some(Instant::now());
        }
        let issuer =
            IssuerUrl::new(self.issuer.clone()).map_err(|e| OidcError::Provider(e.to_string()))?;
        let call = |request| self.call(request);
        match CoreProviderMetadata::discover_async(issuer, &call).await {
            Ok(metadata) => {
                known.metadata = Some((metadata.clone(), Instant::now()));
                Ok(metadata)
            }
            Err(error) => match &known.metadata {
                Some((metadata, _)) => Ok(metadata.clone()),
                None => Err(OidcError::Provider(error.to_string())),
            },
        }
    }

    /// One call to the provider: no redirects, bounded in time and size.
    async fn call(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, CallError> {
        let request = reqwest::Request::try_from(request)?;
        let mut answer = self.http.execute(request).await?;
        let mut response = http::Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            response = response.header(name, value);
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(CallError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(response.body(body)?)
    }
}

#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    Message(#[from] http::Error),
    #[error("the answer is larger than 1 MiB")]
    TooLarge,
}

/// The crate leaves `iat` to us: not from the future (a minute of skew), not old.
fn fresh(now: DateTime<Utc>, issued: DateTime<Utc>) -> Result<(), String> {
    if issued > now + TimeDelta::minutes(1) {
        Err("the id token is from the future: check the clocks".into())
    } else if issued < now - TimeDelta::minutes(10) {
        Err("the id token is old: check the clocks".into())
    } else {
        Ok(())
    }
}

fn as_map(claims: &impl Serialize) -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(claims) {
        Ok(serde_json::Value::Object(map)) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect(),
        _ => serde_json::Map::new(),
    }
}
