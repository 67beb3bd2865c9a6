//! Whether settings can be used, and what `faculty config check` shows of them.

use std::fmt::Write as _;

use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

use super::{Config, TIME_LIMITS, location};

impl Config {
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
        let telemetry = &self.telemetry;
        must(
            telemetry.metrics_bind.is_empty()
                || telemetry
                    .metrics_bind
                    .parse::<std::net::SocketAddr>()
                    .is_ok(),
            "telemetry.metrics_bind: is empty or an address with a port",
        );
        must(
            telemetry.otlp_endpoint.is_empty() || Url::parse(&telemetry.otlp_endpoint).is_ok(),
            "telemetry.otlp_endpoint: is empty or the address of a collector",
        );
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
        must(
            (1..=3600).contains(&self.serving.silence_seconds),
            "serving.silence_seconds: is from 1 to 3600",
        );
        must(
            (1..=3600).contains(&self.gateway.body_seconds),
            "gateway.body_seconds: is from 1 to 3600",
        );
        must(
            self.gateway.announce_seconds <= 600 && self.gateway.drain_seconds <= 86_400,
            "gateway: announce_seconds is at most 600, drain_seconds at most 86400",
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
            (1..=3650).contains(&self.training.paused_days),
            "training.paused_days: between 1 and 3650",
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
        let rows: [(&str, String); 31] = [
            ("public_url", self.public_url.to_string()),
            ("bind", self.bind.to_string()),
            ("log_format", self.log_format.clone()),
            ("demo", self.demo.to_string()),
            ("secret", secret(&self.secret).into()),
            ("signing_key", secret(&self.signing_key).into()),
            (
                "telemetry.metrics_bind",
                self.telemetry.metrics_bind.clone(),
            ),
            (
                "telemetry.otlp_endpoint",
                self.telemetry.otlp_endpoint.clone(),
            ),
            (
                "telemetry.otlp_headers",
                secret(&self.telemetry.otlp_headers).into(),
            ),
            ("gateway.price_unit", self.gateway.price_unit.clone()),
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

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
