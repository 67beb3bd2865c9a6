//! What is measured of requests: for Prometheus, and for a collector that speaks OTLP. Names are OpenTelemetry's for generative
//! AI where it has any. Labels are of models, institutions and outcomes, never of keys or texts.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use chrono::{DateTime, Utc};
use openai_api::Usage;
use tokio::time::Instant;

use crate::{
    config,
    ids::RequestId,
    quota::Figures,
    telemetry::{
        Counters, Exporter, ExporterSettings, Histograms, Parent, Points, Span, Text, Value,
    },
};

const PROVIDER: &str = "virtual-faculty";

const TOKENS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
const DURATION: &[f64] = &[
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
const FIRST_TOKEN: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
const PER_TOKEN: &[f64] = &[
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5,
];
const OVERHEAD: &[f64] = &[
    0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0,
];

/// Everything that one process measures.
pub(super) struct Measures {
    requests: Counters<3>,
    tokens: Histograms<4>,
    duration: Histograms<4>,
    first_token: Histograms<3>,
    per_token: Histograms<3>,
    overhead: Histograms<1>,
    pub(super) exporter: Option<Exporter>,
}

/// What a request is about.
#[derive(Clone)]
pub(super) struct About {
    pub(super) request: RequestId,
    /// `chat`, `text_completion` or `embeddings`.
    pub(super) operation: &'static str,
    pub(super) model: Arc<str>,
    /// The institution's short name.
    pub(super) institution: Arc<str>,
    pub(super) is_streamed: bool,
    pub(super) parent: Option<Parent>,
}

/// When a request was where.
pub(super) struct Times {
    began_at: DateTime<Utc>,
    began: Instant,
    sent: OnceLock<Instant>,
    first: OnceLock<Instant>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Completed,
    Cut,
    Failed,
    /// A limit was in the way.
    Refused,
    /// A service of the institution said no.
    Flagged,
}

impl End {
    fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Cut => "cut",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Flagged => "flagged",
        }
    }

    fn error(self) -> &'static str {
        match self {
            Self::Completed => "",
            other => other.name(),
        }
    }
}

impl Times {
    pub(super) fn begin(now: DateTime<Utc>) -> Self {
        Self {
            began_at: now,
            began: Instant::now(),
            sent: OnceLock::new(),
            first: OnceLock::new(),
        }
    }

    /// It is sent on now.
    pub(super) fn sent(&self) {
        self.sent.get_or_init(Instant::now);
    }

    /// The first of the answer is there.
    pub(super) fn first(&self) {
        self.first.get_or_init(Instant::now);
    }
}

impl Measures {
    pub(super) fn new(config: &config::Telemetry) -> Result<Self, reqwest::Error> {
        let settings = ExporterSettings {
            endpoint: config.otlp_endpoint.clone(),
            headers: config.otlp_headers.clone(),
            every: Duration::from_secs(config.export_seconds.max(1)),
            service: PROVIDER.to_owned(),
        };
        let is_exported = !settings.endpoint.is_empty();
        let of_request = [
            "gen_ai.operation.name",
            "gen_ai.provider.name",
            "gen_ai.request.model",
        ];
        let [operation, provider, model] = of_request;
        Ok(Self {
            requests: Counters::new(
                "gateway_requests",
                "Requests by model, institution and how they ended.",
                ["model", "institution", "outcome"],
            ),
            tokens: Histograms::new(
                ("gen_ai.client.token.usage", "{token}"),
                "Tokens of prompts and answers, by the upstream's count.",
                [operation, provider, model, "gen_ai.token.type"],
                TOKENS,
            ),
            duration: Histograms::new(
                ("gen_ai.server.request.duration", "s"),
                "From a request's beginning until it is booked.",
                [operation, provider, model, "error.type"],
                DURATION,
            ),
            first_token: Histograms::new(
                ("gen_ai.server.time_to_first_token", "s"),
                "From a request's beginning until the first of its streamed answer.",
                of_request,
                FIRST_TOKEN,
            ),
            per_token: Histograms::new(
                ("gen_ai.server.time_per_output_token", "s"),
                "Between tokens of a streamed answer, after the first.",
                of_request,
                PER_TOKEN,
            ),
            overhead: Histograms::new(
                ("gateway_overhead", "s"),
                "From a request's beginning until it is sent on: keys, limits, safeguards.",
                ["model"],
                OVERHEAD,
            ),
            exporter: is_exported.then(|| Exporter::new(settings)).transpose()?,
        })
    }

    /// Counts a request that has ended.
    pub(super) fn ended(
        &self,
        about: &About,
        times: &Times,
        usage: Option<Usage>,
        end: End,
        now: DateTime<Utc>,
    ) {
        let done = Instant::now();
        let model = &about.model;
        let text = |text: &'static str| -> Arc<str> { Arc::from(text) };
        let institution = Arc::clone(&about.institution);
        self.requests
            .add([Arc::clone(model), institution, text(end.name())], 1);
        let of_request = || [text(about.operation), text(PROVIDER), Arc::clone(model)];
        let [operation, provider, _] = of_request();
        let labels = [operation, provider, Arc::clone(model), text(end.error())];
        let whole = done.duration_since(times.began);
        self.duration.observe(labels, whole.as_secs_f64());
        if let Some(sent) = times.sent.get() {
            let before = sent.duration_since(times.began);
            self.overhead
                .observe([Arc::clone(model)], before.as_secs_f64());
        }
        if let Some(usage) = usage {
            for (kind, tokens) in [
                ("input", usage.prompt_tokens),
                ("output", usage.completion_tokens),
            ] {
                let [operation, provider, model] = of_request();
                self.tokens
                    .observe([operation, provider, model, text(kind)], tokens as f64);
            }
        }
        let first = times.first.get().filter(|_| about.is_streamed);
        if let Some(first) = first {
            let until = first.duration_since(times.began);
            self.first_token.observe(of_request(), until.as_secs_f64());
            let more = usage.map_or(0, |usage| usage.completion_tokens.saturating_sub(1));
            if more > 0 {
                let each = done.duration_since(*first).as_secs_f64() / more as f64;
                self.per_token.observe(of_request(), each);
            }
        }
        if let Some(exporter) = &self.exporter {
            exporter.take(span(about, times, usage, (end, whole, now)));
        }
    }

    /// What Prometheus reads.
    pub(super) fn text(&self, ledger: Figures, waiting_tasks: &[(String, i64)]) -> String {
        let mut text = Text::default();
        self.requests.write(&mut text);
        self.tokens.write(&mut text);
        self.duration.write(&mut text);
        self.first_token.write(&mut text);
        self.per_token.write(&mut text);
        self.overhead.write(&mut text);
        let count = "quota_exchanges_total";
        text.counter(count, "Exchanges with the ledger.", ledger.exchanges);
        let count = "quota_exchange_failures_total";
        text.counter(
            count,
            "Exchanges that failed and are repeated.",
            ledger.failures,
        );
        let signed = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let open = [(None, signed(ledger.open))];
        text.gauge("quota_open_reservations", "Requests under way here.", &open);
        let waiting = [(None, signed(ledger.waiting))];
        text.gauge(
            "quota_waiting",
            "Wishes that wait for the ledger.",
            &waiting,
        );
        let tasks: Vec<_> = waiting_tasks
            .iter()
            .map(|(kind, count)| (Some(("kind", kind.as_str())), *count))
            .collect();
        text.gauge(
            "worker_tasks_waiting",
            "Background tasks that wait.",
            &tasks,
        );
        text.into_string()
    }

    /// The same for a collector.
    pub(super) fn points(&self) -> Vec<Points> {
        vec![
            self.requests.points(),
            self.tokens.points(),
            self.duration.points(),
            self.first_token.points(),
            self.per_token.points(),
            self.overhead.points(),
        ]
    }
}

fn span(
    about: &About,
    times: &Times,
    usage: Option<Usage>,
    (end, whole, now): (End, Duration, DateTime<Utc>),
) -> Span {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut attributes = vec![
        ("gen_ai.operation.name", text(about.operation)),
        ("gen_ai.provider.name", text(PROVIDER)),
        ("gen_ai.request.model", text(&about.model)),
        ("faculty.institution", text(&about.institution)),
        ("faculty.request.id", Value::Text(about.request.to_string())),
        ("faculty.outcome", text(end.name())),
    ];
    let tokens = |count: u64| Value::Number(i64::try_from(count).unwrap_or(i64::MAX));
    if let Some(usage) = usage {
        attributes.push(("gen_ai.usage.input_tokens", tokens(usage.prompt_tokens)));
        attributes.push((
            "gen_ai.usage.output_tokens",
            tokens(usage.completion_tokens),
        ));
    }
    if let Some(first) = times.first.get().filter(|_| about.is_streamed) {
        let until = first.duration_since(times.began).as_secs_f64();
        attributes.push(("gen_ai.response.time_to_first_chunk", Value::Seconds(until)));
    }
    if end != End::Completed {
        attributes.push(("error.type", text(end.error())));
    }
    // Both are random enough: a request's id has 74 random bits.
    let id = about.request.0.simple().to_string();
    let parent = about.parent.clone();
    let own = id.get(16..).unwrap_or_default().to_owned();
    let began_at = times.began_at;
    let ended_at = chrono::TimeDelta::from_std(whole).map_or(now, |whole| began_at + whole);
    Span {
        trace: parent.as_ref().map_or(id, |parent| parent.trace.clone()),
        id: own,
        parent: parent.map(|parent| parent.span),
        name: format!("{} {}", about.operation, about.model),
        began_at,
        ended_at,
        is_error: matches!(end, End::Failed | End::Cut),
        attributes,
    }
}
