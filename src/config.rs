//! The portal's settings: `config.default.toml`, then `faculty.toml`, then `FACULTY_…` variables.
//! The only reader of the environment.

use std::{collections::BTreeMap, fmt::Write as _, fs, net::SocketAddr, path::PathBuf};

use compute::{ComputePlace, PlaceKind, Resources};
use config::{File, FileFormat};
use permission_policy::Territory;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::{Host, Url};

const DEFAULTS: &str = include_str!("../config.default.toml");

/// The commit that this program was built from; `development` where it was not built for release.
pub const BUILT_FROM_COMMIT: &str = env!("BUILT_FROM_COMMIT");

/// Variables with our prefix that are read by the programs of the crates, not here.
const OTHERS: [&str; 8] = [
    "FACULTY_PORTAL_URL",
    "FACULTY_ATTEMPT",
    "FACULTY_ATTEMPT_TOKEN",
    "FACULTY_WORK_DIR",
    "FACULTY_SERVING_TOKEN",
    "FACULTY_CACHE",
    "FACULTY_CONFIG",
    "FACULTY_LOG",
];

/// Seconds that a job may be given: a minute to 31 days.
pub const TIME_LIMITS: std::ops::RangeInclusive<u32> = 60..=2_678_400;

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
    pub database: Database,
    pub oidc: Oidc,
    pub s3: S3,
    pub limits: Limits,
    pub documents: Documents,
    pub complaints: Complaints,
    pub serving: Serving,
    pub training: Training,
    pub compute: Compute,
    pub evaluation: Evaluation,
    pub rights_checks: RightsChecks,
    pub mail: Mail,
    pub audit: Audit,
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
    pub upstreams: BTreeMap<String, Url>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    pub state_dir: PathBuf,
    pub program: PathBuf,
    pub slots: usize,
    pub max_attempts: i32,
    pub lost_after_seconds: i64,
    pub checkpoint_seconds: u32,
    pub retry_seconds: u32,
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

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or value that cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// Every problem found, a line each.
    #[error("{}", .0.join("\n"))]
    Problems(Vec<String>),
}

impl Config {
    /// Reads the settings from files and the process's environment.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem at once.
    pub fn load() -> Result<Self, ConfigError> {
        let config = Self::from_environment()?;
        let problems = config.problems();
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError::Problems(problems))
        }
    }

    /// Reads the settings from files and the process's environment, without judging them.
    ///
    /// # Errors
    /// Where a file cannot be read, a key is unknown or a value is of the wrong type.
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::read(std::env::vars())
    }

    /// Reads the settings with `variables` as the environment, without judging them.
    ///
    /// # Errors
    /// Where a file cannot be read, a key is unknown or a value is of the wrong type.
    pub fn read(variables: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let variables: BTreeMap<String, String> = variables
            .filter(|(name, _)| name.starts_with("FACULTY_") && !name.starts_with("FACULTY_TEST_"))
            .collect();
        let own_file = variables
            .get("FACULTY_CONFIG")
            .map_or("faculty.toml", String::as_str);
        let mut builder = config::Config::builder()
            .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
            .add_source(File::new(own_file, FileFormat::Toml).required(false));
        for (name, value) in &variables {
            if OTHERS.contains(&name.as_str()) {
                continue;
            }
            let (key, value) = match name.strip_suffix("_FILE") {
                Some(key) => {
                    let text = fs::read_to_string(value)
                        .map_err(|e| ConfigError::Unreadable(format!("{name}: {value}: {e}")))?;
                    (key, text.trim_end().to_owned())
                }
                None => (name.as_str(), value.clone()),
            };
            let path = key
                .trim_start_matches("FACULTY_")
                .to_lowercase()
                .replace("__", ".");
            builder = builder
                .set_override(&path, value)
                .map_err(|e| ConfigError::Unreadable(format!("{name}: {e}")))?;
        }
        builder
            .build()
            .and_then(config::Config::try_deserialize)
            .map_err(|e| ConfigError::Unreadable(e.to_string()))
    }

    /// Everything that keeps the portal from running with these settings, a sentence each.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut must = |holds: bool, problem: &str| {
            if !holds {
                problems.push(problem.to_owned());
            }
        };
        let set = |secret: &SecretString| !secret.expose_secret().is_empty();
        must(
            self.secret.expose_secret().len() >= 32,
            "secret: needs at least 32 characters",
        );
        must(
            data_encoding::HEXLOWER_PERMISSIVE
                .decode(self.signing_key.expose_secret().as_bytes())
                .is_ok_and(|key| key.len() == 32),
            "signing_key: needs 64 hexadecimal digits",
        );
        must(
            self.database.url.expose_secret().starts_with("postgres"),
            "database.url: needs a postgres:// address",
        );
        must(
            !set(&self.database.migration_url)
                || self
                    .database
                    .migration_url
                    .expose_secret()
                    .starts_with("postgres"),
            "database.migration_url: is empty or a postgres:// address",
        );
        must(
            Url::parse(&self.oidc.issuer).is_ok(),
            "oidc.issuer: needs the address of an OpenID provider",
        );
        must(!self.oidc.client_id.is_empty(), "oidc.client_id: is empty");
        must(
            set(&self.oidc.client_secret),
            "oidc.client_secret: is empty",
        );
        must(
            Url::parse(&self.s3.endpoint).is_ok(),
            "s3.endpoint: needs the address of an S3 store",
        );
        must(!self.s3.bucket.is_empty(), "s3.bucket: is empty");
        must(!self.s3.access_key.is_empty(), "s3.access_key: is empty");
        must(set(&self.s3.secret_key), "s3.secret_key: is empty");
        must(
            matches!(self.log_format.as_str(), "text" | "json"),
            "log_format: is `text` or `json`",
        );
        let mail = self.mail.url.expose_secret();
        must(
            mail.is_empty() || mail.starts_with("smtp://") || mail.starts_with("smtps://"),
            "mail.url: is empty or an smtp:// or smtps:// address",
        );
        must(
            self.mail.from.contains('@'),
            "mail.from: needs a mail address",
        );
        must(
            (1..=86_400).contains(&self.audit.checkpoint_seconds),
            "audit.checkpoint_seconds: is from 1 to 86400",
        );
        must(self.training.slots > 0, "training.slots: needs at least 1");
        must(
            (1..=86_400).contains(&self.training.checkpoint_seconds),
            "training.checkpoint_seconds: between 1 and 86400",
        );
        must(
            (1..=3600).contains(&self.training.retry_seconds),
            "training.retry_seconds: between 1 and 3600",
        );
        must(
            (1..=8760).contains(&self.compute.share_half_life_hours),
            "compute.share_half_life_hours: is from 1 to 8760",
        );
        must(
            TIME_LIMITS.contains(&self.compute.default_time_limit_seconds),
            "compute.default_time_limit_seconds: is from 60 to 2678400",
        );
        must(
            self.compute.places.iter().all(|place| {
                place
                    .longest_seconds
                    .is_none_or(|longest| TIME_LIMITS.contains(&longest))
            }),
            "compute.places: longest_seconds is from 60 to 2678400",
        );
        must(
            self.compute
                .places
                .iter()
                .all(|place| location(place).is_none_or(|found| found.is_ok())),
            "compute.places: location is a country, EU, EEA or world",
        );
        must(
            self.public_url.scheme() == "https" || is_loopback(&self.public_url),
            "public_url: needs https, except on a loopback address",
        );
        must(
            !self.rights_checks.allow_private || is_loopback(&self.public_url),
            "rights_checks.allow_private: for tests and the demonstration on a loopback address only",
        );
        must(
            !self.demo || is_loopback(&self.public_url),
            "demo: the demonstration runs on a loopback address only",
        );
        problems
    }

    /// The places where jobs run, as set; one on this machine where none are.
    #[must_use]
    pub fn places(&self) -> Vec<ComputePlace> {
        if !self.compute.places.is_empty() {
            return self.compute.places.clone();
        }
        let program = &self.training.program;
        vec![ComputePlace {
            name: "local".to_owned(),
            kind: PlaceKind::Local,
            state_dir: self.training.state_dir.clone(),
            program: (!program.as_os_str().is_empty()).then(|| program.clone()),
            portal_url: None,
            slots: self.training.slots,
            longest_seconds: None,
            location: None,
            resources: Resources::default(),
            milli_sbu_per_gpu_hour: 0,
            milli_sbu_per_core_hour: 0,
            watts_per_gpu: 0,
            watts_per_core: 0,
            slurm: None,
        }]
    }

    /// Where jobs may be processed, in the order of the places.
    #[must_use]
    pub fn locations(&self) -> Vec<Territory> {
        let mut locations = Vec::new();
        for place in self.places() {
            let location = self.location_of(&place);
            if !locations.contains(&location) {
                locations.push(location);
            }
        }
        locations
    }

    /// Where the machines of `place` stand.
    #[must_use]
    pub fn location_of(&self, place: &ComputePlace) -> Territory {
        location(place)
            .and_then(Result::ok)
            .unwrap_or(self.training.location)
    }

    /// What works but should not stay so, a sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let user = |url: &SecretString| {
            Url::parse(url.expose_secret())
                .map(|url| url.username().to_owned())
                .unwrap_or_default()
        };
        let (own, owner) = (user(&self.database.url), user(&self.database.migration_url));
        let mut warnings = Vec::new();
        if !own.is_empty() && own == owner {
            warnings.push(format!(
                "database: the portal connects as {own}, which also owns the tables, so it could change append-only tables; give database.url a role of its own"
            ));
        }
        warnings
    }

    /// Where the OpenID provider sends people back to.
    #[must_use]
    pub fn callback_url(&self) -> String {
        format!("{}/auth/callback", self.origin())
    }

    /// Scheme, host and port of the portal, without a slash at the end.
    #[must_use]
    pub fn origin(&self) -> String {
        self.public_url.origin().ascii_serialization()
    }

    /// Whether cookies are for https only.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// What holds, without secrets, for `faculty config check`.
    #[must_use]
    pub fn redacted(&self) -> String {
        let mut text = String::new();
        let secret = |s: &SecretString| {
            if s.expose_secret().is_empty() {
                "(empty)"
            } else {
                "(set)"
            }
        };
        let rows: [(&str, String); 27] = [
            ("public_url", self.public_url.to_string()),
            ("bind", self.bind.to_string()),
            ("log_format", self.log_format.clone()),
            ("demo", self.demo.to_string()),
            ("secret", secret(&self.secret).into()),
            ("signing_key", secret(&self.signing_key).into()),
            ("database.url", secret(&self.database.url).into()),
            (
                "database.migration_url",
                secret(&self.database.migration_url).into(),
            ),
            (
                "database.connections",
                self.database.connections.to_string(),
            ),
            ("oidc.issuer", self.oidc.issuer.clone()),
            ("oidc.client_id", self.oidc.client_id.clone()),
            (
                "oidc.client_secret",
                secret(&self.oidc.client_secret).into(),
            ),
            ("s3.endpoint", self.s3.endpoint.clone()),
            ("s3.bucket", self.s3.bucket.clone()),
            ("s3.region", self.s3.region.clone()),
            ("s3.secret_key", secret(&self.s3.secret_key).into()),
            ("serving.token", secret(&self.serving.token).into()),
            (
                "training.state_dir",
                self.training.state_dir.display().to_string(),
            ),
            ("training.slots", self.training.slots.to_string()),
            (
                "training.checkpoint_seconds",
                self.training.checkpoint_seconds.to_string(),
            ),
            (
                "training.retry_seconds",
                self.training.retry_seconds.to_string(),
            ),
            (
                "rights_checks.allow_private",
                self.rights_checks.allow_private.to_string(),
            ),
            ("training.location", self.training.location.to_string()),
            ("mail.url", secret(&self.mail.url).into()),
            ("mail.folder", self.mail.folder.display().to_string()),
            ("mail.from", self.mail.from.clone()),
            (
                "audit.checkpoint_seconds",
                self.audit.checkpoint_seconds.to_string(),
            ),
        ];
        for (key, value) in rows {
            let _ = writeln!(text, "{key} = {value}");
        }
        text
    }
}

/// What a place says of where it stands; none where it says nothing.
fn location(place: &ComputePlace) -> Option<Result<Territory, ()>> {
    place
        .location
        .as_ref()
        .map(|text| text.parse().map_err(|_| ()))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let problems = read(&[]).unwrap().problems();
        assert!(problems.len() > 5, "{problems:?}");
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let error = read(&[("FACULTY_S3__BUKCET", "x")]).unwrap_err();
        assert!(error.to_string().contains("bukcet"), "{error}");
    }

    #[test]
    fn nested_keys_come_from_variables() {
        let config = read(&[("FACULTY_S3__BUCKET", "b"), ("FACULTY_BIND", "127.0.0.1:9")]).unwrap();
        assert_eq!((config.s3.bucket.as_str(), config.bind.port()), ("b", 9));
    }

    #[test]
    fn a_public_address_needs_https_and_no_demo() {
        let config = read(&[
            ("FACULTY_PUBLIC_URL", "http://faculty.example.nl"),
            ("FACULTY_DEMO", "true"),
        ])
        .unwrap();
        let problems = config.problems().join("\n");
        assert!(
            problems.contains("https") && problems.contains("demo"),
            "{problems}"
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        let config = read(&[("FACULTY_SECRET", "very-secret-indeed-0123456789abcdef")]).unwrap();
        assert!(!config.redacted().contains("very-secret"));
        assert!(!format!("{config:?}").contains("very-secret"));
    }

    #[test]
    fn one_role_for_everything_is_warned_of() {
        let urls = |own, owner| {
            read(&[
                ("FACULTY_DATABASE__URL", own),
                ("FACULTY_DATABASE__MIGRATION_URL", owner),
            ])
            .unwrap()
            .warnings()
        };
        assert_eq!(
            urls("postgres://app@h/d", "postgres://owner@h/d"),
            Vec::<String>::new()
        );
        assert!(urls("postgres://owner@h/d", "postgres://owner@h/d")[0].contains("owner"));
    }

    #[test]
    fn a_role_without_the_owners_address_is_not_warned_of() {
        let config = read(&[("FACULTY_DATABASE__URL", "postgres://app@h/d")]).unwrap();
        assert_eq!(config.warnings(), Vec::<String>::new());
    }
}
