//! Spans and figures as OTLP's JSON has them (opentelemetry-proto, JSON mapping: ids in hexadecimal, 64-bit numbers as texts).

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::{
    families::{Labels, PointKind, Points},
    span::{Span, Value},
};

const SCOPE: &str = "virtual-faculty.gateway";
const KIND_CLIENT: u8 = 3;
const STATUS_ERROR: u8 = 2;
/// Counts since `start`.
const CUMULATIVE: u8 = 2;

fn nanos(at: DateTime<Utc>) -> String {
    at.timestamp_nanos_opt().unwrap_or_default().to_string()
}

fn resource(service: &str) -> Json {
    json!({"attributes": [
        {"key": "service.name", "value": {"stringValue": service}},
        {"key": "service.version", "value": {"stringValue": env!("CARGO_PKG_VERSION")}},
    ]})
}

fn attributes(all: &[(&'static str, Value)]) -> Vec<Json> {
    all.iter()
        .map(|(key, value)| {
            let value = match value {
                Value::Text(text) => json!({"stringValue": text}),
                Value::Number(number) => json!({"intValue": number.to_string()}),
                Value::Seconds(seconds) => json!({"doubleValue": seconds}),
            };
            json!({"key": key, "value": value})
        })
        .collect()
}

/// The body for `/v1/traces`.
pub(super) fn traces(service: &str, spans: &[Span]) -> Json {
    let spans = spans.iter().map(|span| {
        json!({
            "traceId": span.trace,
            "spanId": span.id,
            "parentSpanId": span.parent.as_deref().unwrap_or(""),
            "name": span.name,
            "kind": KIND_CLIENT,
            "startTimeUnixNano": nanos(span.began_at),
            "endTimeUnixNano": nanos(span.ended_at),
            "attributes": attributes(&span.attributes),
            "status": if span.is_error { json!({"code": STATUS_ERROR}) } else { json!({}) },
        })
    });
    json!({"resourceSpans": [{
        "resource": resource(service),
        "scopeSpans": [{"scope": {"name": SCOPE}, "spans": spans.collect::<Vec<_>>()}],
    }]})
}

fn labels(labels: &Labels) -> Vec<Json> {
    let all = labels.iter().filter(|(_, value)| !value.is_empty());
    all.map(|(key, value)| json!({"key": key, "value": {"stringValue": &**value}}))
        .collect()
}

/// The body for `/v1/metrics`; counts began at `start`.
pub(super) fn metrics(
    service: &str,
    (start, now): (DateTime<Utc>, DateTime<Utc>),
    all: &[Points],
) -> Json {
    let (start, now) = (nanos(start), nanos(now));
    let metrics = all.iter().map(|points| {
        let mut metric = json!({
            "name": points.name, "unit": points.unit, "description": points.help,
        });
        let (kind, data) = match &points.kind {
            PointKind::Sum(all) => {
                let points = all.iter().map(|(of, count)| {
                    json!({
                        "attributes": labels(of), "startTimeUnixNano": start, "timeUnixNano": now,
                        "asInt": count.to_string(),
                    })
                });
                let points: Vec<_> = points.collect();
                let sum = json!({
                    "dataPoints": points, "aggregationTemporality": CUMULATIVE, "isMonotonic": true,
                });
                ("sum", sum)
            }
            PointKind::Histogram(all) => {
                let points = all.iter().map(|(of, histogram)| {
                    let counts = histogram.counts().iter().map(ToString::to_string);
                    json!({
                        "attributes": labels(of), "startTimeUnixNano": start, "timeUnixNano": now,
                        "count": histogram.count().to_string(), "sum": histogram.sum(),
                        "bucketCounts": counts.collect::<Vec<_>>(),
                        "explicitBounds": histogram.bounds(),
                    })
                });
                let points: Vec<_> = points.collect();
                let histogram = json!({"dataPoints": points, "aggregationTemporality": CUMULATIVE});
                ("histogram", histogram)
            }
        };
        if let Some(metric) = metric.as_object_mut() {
            metric.insert(kind.to_owned(), data);
        }
        metric
    });
    json!({"resourceMetrics": [{
        "resource": resource(service),
        "scopeMetrics": [{"scope": {"name": SCOPE}, "metrics": metrics.collect::<Vec<_>>()}],
    }]})
}
