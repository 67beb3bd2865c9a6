//! The portal's settings: `config.default.toml`, then `faculty.toml`, then `FACULTY_…` variables.
//! The only reader of the environment.

mod check;
mod settings;

use std::{collections::BTreeMap, fs};

use compute::{ComputePlace, PlaceKind, Resources};
use config::{File, FileFormat};
use permission_policy::Territory;

pub use self::settings::{
    Addresses, Audit, Complaints, Compute, Config, Database, Documents, Evaluation, Gateway,
    Limits, Mail, Oidc, RightsChecks, S3, Serving, Telemetry, Training, Upstream,
};

const DEFAULTS: &str = include_str!("../../config.default.toml");

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
        // OpenTelemetry's own names count where ours say nothing.
        let ours = |name: String| match name.as_str() {
            "OTEL_EXPORTER_OTLP_ENDPOINT" => "FACULTY_TELEMETRY__OTLP_ENDPOINT".to_owned(),
            "OTEL_EXPORTER_OTLP_HEADERS" => "FACULTY_TELEMETRY__OTLP_HEADERS".to_owned(),
            _ => name,
        };
        let (usual, own): (Vec<_>, Vec<_>) =
            variables.partition(|(name, _)| name.starts_with("OTEL_EXPORTER_OTLP_"));
        let usual = usual.into_iter().map(|(name, value)| (ours(name), value));
        let variables: BTreeMap<String, String> = usual
            .chain(own)
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
            recipe: None,
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
}

/// What a place says of where it stands; none where it says nothing.
fn location(place: &ComputePlace) -> Option<Result<Territory, ()>> {
    place
        .location
        .as_ref()
        .map(|text| text.parse().map_err(|_| ()))
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
    fn an_upstream_is_an_address_or_a_table_and_its_key_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("faculty.toml");
        let text = r#"
            [serving.upstreams]
            "plain" = "http://127.0.0.1:1"
            "several" = ["http://127.0.0.1:2", "http://127.0.0.1:3"]
            "ours:v1" = { url = "http://127.0.0.1:4", key = "sk-hidden", model = "org/Model", counts = false }
        "#;
        fs::write(&file, text).unwrap();
        let config = read(&[("FACULTY_CONFIG", file.to_str().unwrap())]).unwrap();
        let of = |name: &str| config.serving.upstreams[name].all();
        assert_eq!(of("plain").len(), 1);
        assert!(of("plain")[0].counts && of("plain")[0].model.is_none());
        assert_eq!(of("several")[1].url.port(), Some(3));
        let full = &of("ours:v1")[0];
        assert_eq!(full.model.as_deref(), Some("org/Model"));
        assert!(!full.counts);
        let shown = format!("{config:?}{}", config.redacted());
        assert!(!shown.contains("sk-hidden"), "{shown}");
        fs::write(&file, text.replace("counts", "count")).unwrap();
        assert!(read(&[("FACULTY_CONFIG", file.to_str().unwrap())]).is_err());
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
