//! What Prometheus and a collector learn of requests, and what they never do.

use std::{
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, web};
use serde_json::{Value, json};
use virtual_faculty::app;

use crate::support::Keyholder;

const SECRET_WORDS: &str = "geheimzinnige schatkaart";

/// A stand-in for a collector: keeps what it is sent.
struct Collector {
    url: String,
    came: Arc<Mutex<Vec<(String, Value)>>>,
    handle: ServerHandle,
}

impl Collector {
    fn start() -> Self {
        let came: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let data = web::Data::from(Arc::clone(&came));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .default_service(web::to(take))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { url, came, handle }
    }

    /// What was sent to a path, once there is something of it that `holds`.
    async fn sent(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..200 {
            let came = self.came.lock().unwrap().clone();
            let found = came
                .into_iter()
                .find(|(at, body)| at == path && holds(body));
            if let Some((_, body)) = found {
                return body;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("nothing came: {:#?}", self.came.lock().unwrap());
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

async fn take(
    request: HttpRequest,
    body: web::Json<Value>,
    came: web::Data<Mutex<Vec<(String, Value)>>>,
) -> HttpResponse {
    let key = request.headers().get("x-collector-key").unwrap();
    assert_eq!(key.to_str().unwrap(), "abc");
    let one = (request.path().to_owned(), body.into_inner());
    came.lock().unwrap().push(one);
    HttpResponse::Ok().json(json!({}))
}

fn attribute<'a>(span: &'a Value, key: &str) -> &'a Value {
    let all = span["attributes"].as_array().unwrap();
    let found = all.iter().find(|one| one["key"] == key);
    let value = found.unwrap_or_else(|| panic!("{key} in {span}"));
    value["value"].as_object().unwrap().values().next().unwrap()
}

#[actix_web::test]
async fn a_collector_gets_a_span_of_each_request_and_no_word_of_it() {
    let collector = Collector::start();
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-collector-key=abc"),
        ("FACULTY_TELEMETRY__EXPORT_SECONDS", "1"),
    ];
    let holder = Keyholder::start_with(&settings).await;
    let wanted = json!({"stream": true, "max_tokens": 5});
    let answer = holder
        .ask(SECRET_WORDS, wanted)
        .header(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        .send()
        .await
        .unwrap();
    let id = answer.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    answer.text().await.unwrap();
    let body = collector.sent("/v1/traces", |_| true).await;
    let span = &body["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(span["name"], format!("chat {}", holder.name));
    assert_eq!(span["traceId"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(span["parentSpanId"], "b7ad6b7169203331");
    assert_eq!(span["spanId"].as_str().unwrap().len(), 16);
    assert_eq!(attribute(span, "gen_ai.operation.name"), "chat");
    assert_eq!(attribute(span, "gen_ai.request.model"), &json!(holder.name));
    assert_eq!(attribute(span, "gen_ai.usage.input_tokens"), "2");
    assert_eq!(attribute(span, "gen_ai.usage.output_tokens"), "5");
    assert_eq!(attribute(span, "faculty.institution"), "harderwijk");
    assert_eq!(attribute(span, "faculty.request.id"), &json!(id));
    let named = |body: &Value| body.to_string().contains("gen_ai.client.token.usage");
    let is_counted = |body: &Value| named(body) && body.to_string().contains("\"sum\":5.0");
    let figures = collector.sent("/v1/metrics", is_counted).await;
    let metrics = &figures["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
    assert_eq!(metrics[0]["name"], "gateway_requests");
    holder.app.ports.gateway.settled().await;
    let all = format!("{:?}", collector.came.lock().unwrap());
    for word in SECRET_WORDS
        .split(' ')
        .chain(["woord", &holder.key, &holder.key[..14], &holder.id])
    {
        assert!(!all.contains(word), "{word} was told");
    }
}

#[actix_web::test]
async fn prometheus_reads_figures_at_an_address_of_their_own() {
    let holder = Keyholder::start(400, 100).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    let server = app::serve_metrics(&holder.app.ports, listener).unwrap();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    let wanted = json!({"stream": true, "max_tokens": 5});
    let answer = holder.ask(SECRET_WORDS, wanted).send().await.unwrap();
    answer.text().await.unwrap();
    let refused = holder
        .ask(SECRET_WORDS, json!({"max_tokens": 5000}))
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 429);
    let text = holder
        .client
        .get(&url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let of = format!("model=\"{}\",institution=\"harderwijk\"", holder.name);
    let all = format!(
        "gen_ai_provider_name=\"virtual-faculty\",gen_ai_request_model=\"{}\"",
        holder.name
    );
    for line in [
        format!("gateway_requests_total{{{of},outcome=\"completed\"}} 1"),
        format!("gateway_requests_total{{{of},outcome=\"refused\"}} 1"),
        format!(
            "gen_ai_client_token_usage_sum{{gen_ai_operation_name=\"chat\",{all},gen_ai_token_type=\"output\"}} 5"
        ),
        format!(
            "gen_ai_server_time_to_first_token_seconds_count{{gen_ai_operation_name=\"chat\",{all}}} 1"
        ),
        format!(
            "gen_ai_server_time_per_output_token_seconds_count{{gen_ai_operation_name=\"chat\",{all}}} 1"
        ),
        format!(
            "gateway_overhead_seconds_count{{model=\"{}\"}} 1",
            holder.name
        ),
        "quota_open_reservations 0".to_owned(),
        "quota_waiting 0".to_owned(),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
    assert!(
        text.contains("gen_ai_server_request_duration_seconds_bucket"),
        "{text}"
    );
    assert!(text.contains("quota_exchanges_total"), "{text}");
    for word in SECRET_WORDS
        .split(' ')
        .chain([&holder.key[..14], &holder.id])
    {
        assert!(!text.contains(word), "{word} was told\n{text}");
    }
    // Not where everybody comes.
    let public = holder.app.url.join("/metrics").unwrap();
    assert_eq!(
        holder.client.get(public).send().await.unwrap().status(),
        404
    );
    handle.stop(false).await;
}
