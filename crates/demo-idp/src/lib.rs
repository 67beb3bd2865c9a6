//! An OpenID Connect provider for the demo: real protocol, made-up people.
//!
//! It behaves as SURFconext does towards a relying party, so that the portal takes no short cut: discovery, the
//! authorization code flow with PKCE S256, RS256 with rotating keys, attributes only at userinfo, no session of its
//! own (each sign-in asks again), no end-session endpoint. It is stricter where a relying party should be caught:
//! state, nonce and PKCE are required.
//!
//! It listens on loopback only, says on each page that it is a demonstration, and begins each `sub` with `demo|`,
//! so that none of its accounts can be taken for one of another provider. The sign-in page offers its people to
//! pick from without a password; whoever can reach the page can be each of them.
//!
//! | path | what |
//! |---|---|
//! | `/.well-known/openid-configuration` | OpenID Connect Discovery 1.0 |
//! | `/oidc/certs` | JWKS, the signing key first |
//! | `/oidc/authorize` | RFC 6749 4.1.1, answers with the sign-in page |
//! | `/login` | where the sign-in page posts to |
//! | `/oidc/token` | RFC 6749 4.1.3 with `client_secret_basic` or `client_secret_post` |
//! | `/oidc/userinfo` | OpenID Connect Core 1.0, 5.3 |

mod authorize;
mod discovery;
mod expiring;
mod keys;
mod login;
mod page;
mod parameters;
mod person;
mod provider;
mod secret;
mod token;
mod userinfo;
mod words;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use chrono::{DateTime, Utc};

pub use self::{
    keys::KeyError,
    person::Person,
    provider::{Provider, StartError, start, start_at},
};

/// What the provider is told at its start.
#[derive(Clone)]
pub struct Config {
    /// Where to listen; loopback only, port 0 picks a free one.
    pub bind: SocketAddr,
    /// Folder for the signing keys (`signing-keys.json`, mode 0600); made where it is missing.
    pub data_dir: PathBuf,
    /// The one relying party that is known.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// Addresses that an answer may be sent to; compared as text.
    pub redirect_uris: Vec<String>,
    /// Who can sign in, in the order of the page.
    pub people: Vec<Person>,
}

/// Where the provider takes the time from; tests pass their own.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;
