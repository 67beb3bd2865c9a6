//! What can be set, as `config.default.toml` has it.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use compute::ComputePlace;
use permission_policy::Territory;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub public_url: Url,
    pub bind: SocketAddr,
    pub log_format: String,
    pub secret: SecretString,
    pub signing_key: SecretString,
    pub demo: bool,
    pub client_address_header: String,
    pub telemetry: Telemetry,
    pub database: Database,
    pub oidc: Oidc,
    pub s3: S3,
    pub limits: Limits,
    pub documents: Documents,
    pub complaints: Complaints,
    pub serving: Serving,
    pub gateway: Gateway,
    pub training: Training,
    pub compute: Compute,
    pub evaluation: Evaluation,
    pub rights_checks: RightsChecks,
    pub mail: Mail,
    pub audit: Audit,
}

/// Where figures and spans go.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Empty: nowhere.
    pub metrics_bind: String,
    /// Empty: nowhere.
    pub otlp_endpoint: String,
    pub otlp_headers: SecretString,
    pub export_seconds: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub url: SecretString,
    pub migration_url: SecretString,
    pub connections: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    pub issuer: String,
    pub client_id: String,
    pub client_secret: SecretString,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    pub endpoint: String,
    pub bucket: String,
    pub region: String,
    pub access_key: String,
    pub secret_key: SecretString,
    pub public_endpoint: String,
    pub direct_uploads: bool,
}

impl S3 {
    /// Where browsers and workers reach the store.
    #[must_use]
    pub fn public(&self) -> &str {
        if self.public_endpoint.is_empty() {
            &self.endpoint
        } else {
            &self.public_endpoint
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub file_bytes: u64,
    pub dataset_bytes: u64,
    pub document_bytes: u64,
    pub manager_tokens_per_day: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Documents {
    pub reader: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Complaints {
    pub per_address_per_day: i32,
    pub evidence_bytes: usize,
    pub keep_personal_details_days: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Serving {
    pub token: SecretString,
    /// Silence after which a request to an upstream is given up; a whole answer has to be made within it.
    pub silence_seconds: u64,
    pub upstreams: BTreeMap<String, Addresses>,
}

/// Where one model is served: at one place, or at several that are as good.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Addresses {
    One(Upstream),
    Several(Vec<Upstream>),
}

impl Addresses {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Upstream] {
        match self {
            Self::One(upstream) => std::slice::from_ref(upstream),
            Self::Several(upstreams) => upstreams,
        }
    }
}

/// An OpenAI-compatible server that is not one of our own: its address, or that and how to ask it.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "UpstreamForm")]
pub struct Upstream {
    pub url: Url,
    /// Sent as bearer; empty: none.
    pub key: SecretString,
    /// What the model is called there, where not as here.
    pub model: Option<String>,
    /// Whether it can be asked to count along with each chunk of a stream, as vLLM can.
    pub counts: bool,
}

impl From<Url> for Upstream {
    fn from(url: Url) -> Self {
        Self {
            url,
            key: SecretString::default(),
            model: None,
            counts: true,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum UpstreamForm {
    Address(Url),
    Table(UpstreamTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpstreamTable {
    url: Url,
    key: Option<SecretString>,
    model: Option<String>,
    counts: Option<bool>,
}

impl From<UpstreamForm> for Upstream {
    fn from(form: UpstreamForm) -> Self {
        match form {
            UpstreamForm::Address(url) => url.into(),
            UpstreamForm::Table(table) => Self {
                url: table.url,
                key: table.key.unwrap_or_default(),
                model: table.model,
                counts: table.counts.unwrap_or(true),
            },
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Whether the ledger of quotas knows of every reservation before its request is sent on.
    pub strict: bool,
    /// What prices are in.
    pub price_unit: String,
    /// How long the body of a request may take to come, in seconds, beside one for each 8 KiB of it.
    pub body_seconds: u64,
    /// After SIGTERM, how long it is only said that this process leaves.
    pub announce_seconds: u64,
    /// After that, how long answers may go on.
    pub drain_seconds: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    pub state_dir: PathBuf,
    pub program: PathBuf,
    pub slots: usize,
    pub max_attempts: i32,
    pub lost_after_seconds: i64,
    pub silent_after_seconds: i64,
    pub checkpoint_seconds: u32,
    pub retry_seconds: u32,
    /// So long a job may be paused.
    pub paused_days: u32,
    /// Where this installation computes; permissions may limit it.
    pub location: Territory,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compute {
    /// Where jobs run; without any, on this machine as `training` says.
    pub places: Vec<ComputePlace>,
    /// After so many hours what an institution used counts half in its share.
    pub share_half_life_hours: u32,
    /// The time limit of a job that asks for none.
    pub default_time_limit_seconds: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Whether a model is measured by itself once a job has made it.
    pub automatic: bool,
    /// Most items of each group of measurements; 0: all.
    pub most_items: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RightsChecks {
    pub allow_private: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    pub url: SecretString,
    pub folder: PathBuf,
    pub from: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    pub checkpoint_seconds: i64,
}
