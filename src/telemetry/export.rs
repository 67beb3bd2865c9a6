//! Sends spans and figures to a collector: OTLP over HTTP, in JSON. What the collector does not take is dropped; nobody waits for it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value as Json;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{families::Points, otlp, span::Span};

/// Spans that wait at most; what comes then is dropped, and counted.
const MOST_WAITING: usize = 4096;
const MOST_AT_ONCE: usize = 512;
const PATIENCE: Duration = Duration::from_secs(5);

/// Where to send, and how often.
#[derive(Debug, Clone)]
pub struct ExporterSettings {
    /// Without `/v1/traces`.
    pub endpoint: String,
    /// `name=value,name=value`, as OTEL_EXPORTER_OTLP_HEADERS has them.
    pub headers: SecretString,
    pub every: Duration,
    pub service: String,
}

/// Takes spans while a task of its own sends them.
pub struct Exporter {
    settings: ExporterSettings,
    http: reqwest::Client,
    spans: mpsc::Sender<Span>,
    waiting: Mutex<Option<mpsc::Receiver<Span>>>,
}

impl Exporter {
    /// One that sends nothing before it runs.
    ///
    /// # Errors
    /// Where the HTTP client cannot be built.
    pub fn new(settings: ExporterSettings) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        let (spans, waiting) = mpsc::channel(MOST_WAITING);
        Ok(Self {
            settings,
            http,
            spans,
            waiting: Mutex::new(Some(waiting)),
        })
    }

    /// Takes a span, unless too many wait.
    pub fn take(&self, span: Span) {
        // A collector that is slow costs spans, never requests.
        let _ = self.spans.try_send(span);
    }

    /// Sends what comes until it is stopped, and then the rest; `figures` are those of the moment, `now` tells the time.
    pub async fn run(
        &self,
        stop: CancellationToken,
        now: impl Fn() -> DateTime<Utc>,
        figures: impl Fn() -> Vec<Points>,
    ) {
        let waiting = self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(mut waiting) = waiting else { return };
        let start = now();
        let mut ticks = interval(self.settings.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_over = tokio::select! {
                () = stop.cancelled() => true,
                _ = ticks.tick() => false,
            };
            let mut spans = Vec::new();
            while let Ok(span) = waiting.try_recv() {
                spans.push(span);
                if spans.len() == MOST_AT_ONCE {
                    self.send("/v1/traces", &otlp::traces(&self.settings.service, &spans))
                        .await;
                    spans.clear();
                }
            }
            if !spans.is_empty() {
                self.send("/v1/traces", &otlp::traces(&self.settings.service, &spans))
                    .await;
            }
            let figures = figures();
            let body = otlp::metrics(&self.settings.service, (start, now()), &figures);
            self.send("/v1/metrics", &body).await;
            if is_over {
                return;
            }
        }
    }

    async fn send(&self, path: &str, body: &Json) {
        let url = format!("{}{path}", self.settings.endpoint.trim_end_matches('/'));
        let mut post = self.http.post(url).json(body);
        let headers = self.settings.headers.expose_secret().split(',');
        for (name, value) in headers.filter_map(|one| one.split_once('=')) {
            post = post.header(name.trim(), value.trim());
        }
        match post.send().await {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => {
                let status = answer.status().as_u16();
                tracing::warn!(path, status, "the collector refused what it was sent");
            }
            Err(error) => {
                let error = error.without_url();
                tracing::warn!(path, %error, "the collector cannot be reached");
            }
        }
    }
}
