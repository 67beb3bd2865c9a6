//! What an institution puts around its requests: personal data is masked, a service of its own judges.

use std::{
    net::TcpListener,
    sync::{Arc, Mutex},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, web};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Keyholder, scripted_event};

const PRIVATE: [(&str, &str); 1] = [("FACULTY_RIGHTS_CHECKS__ALLOW_PRIVATE", "true")];

/// A service that flags what has the word `verboden` in it.
struct Service {
    url: String,
    state: Arc<State>,
    handle: ServerHandle,
}

#[derive(Default)]
struct State {
    is_broken: Mutex<bool>,
    /// Who asked, and for what.
    asked: Mutex<Vec<(String, Vec<String>)>>,
}

impl Service {
    fn start() -> Self {
        let state = Arc::new(State::default());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1/moderations", listener.local_addr().unwrap());
        let data = web::Data::from(Arc::clone(&state));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .route("/v1/moderations", web::post().to(judge))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { url, state, handle }
    }

    fn asked(&self) -> Vec<(String, Vec<String>)> {
        self.state.asked.lock().unwrap().clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

async fn judge(
    request: HttpRequest,
    body: web::Json<Value>,
    state: web::Data<State>,
) -> HttpResponse {
    let by = request.headers().get("authorization").unwrap();
    let texts: Vec<String> = serde_json::from_value(body["input"].clone()).unwrap();
    let asked = (by.to_str().unwrap().to_owned(), texts.clone());
    state.asked.lock().unwrap().push(asked);
    if *state.is_broken.lock().unwrap() {
        return HttpResponse::InternalServerError().finish();
    }
    let results = texts
        .iter()
        .map(|text| json!({"flagged": text.contains("verboden")}));
    HttpResponse::Ok()
        .json(json!({"id": "modr-1", "model": "own", "results": results.collect::<Vec<_>>()}))
}

async fn set(holder: &Keyholder, login: &str, steps: Value) -> Value {
    let mut manager = holder.app.browser(login).await;
    manager
        .api(Method::PUT, "/api/v1/safeguards", Some(steps))
        .await
        .unwrap()
}

fn piece(text: &str) -> Value {
    json!([{"index": 0, "delta": {"content": text}, "finish_reason": null}])
}

fn end() -> Value {
    json!([{"index": 0, "delta": {}, "finish_reason": "stop"}])
}

fn events(stream: &str) -> Vec<Value> {
    let lines = stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let lines = lines.filter(|line| *line != "[DONE]");
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn text_of(events: &[Value], path: &str) -> String {
    let texts = events.iter().filter_map(|event| event.pointer(path));
    texts.filter_map(Value::as_str).collect()
}

const PIECES: [&str; 7] = [
    "Mail j.jan",
    "sen@exam",
    "ple.nl, BSN 111",
    "222",
    "333 en NL91 ABNA 04",
    "17 1643 00",
    " klaar",
];
const MASKED: &str = "Mail [e-mail], BSN [BSN] en [IBAN] klaar";

fn script() -> Vec<Value> {
    let mut script: Vec<_> = PIECES.iter().map(|text| piece(text)).collect();
    script.push(end());
    script
}

#[actix_web::test]
async fn where_nothing_is_chosen_every_byte_passes() {
    let holder = Keyholder::start_with(&PRIVATE).await;
    // What another institution chose is its own.
    set(
        &holder,
        "manager.waterland",
        json!({"filters_prompts": true, "filters_answers": true}),
    )
    .await;
    holder.upstream.script(&script());
    let options = json!({"include_usage": true, "continuous_usage_stats": true});
    let wanted = json!({"stream": true, "stream_options": options});
    let answer = holder.ask("mail a@b.nl", wanted).send().await.unwrap();
    let mut expected = String::new();
    for (at, choices) in script().iter().enumerate() {
        expected.push_str(&scripted_event(choices, 2, at as u64 + 1));
    }
    expected.push_str(&scripted_event(&json!([]), 2, 8));
    expected.push_str("data: [DONE]\n\n");
    assert_eq!(answer.text().await.unwrap(), expected);
    let sent = holder.upstream.state.bodies.lock().unwrap()[0].clone();
    assert_eq!(sent["messages"][0]["content"], "mail a@b.nl");
    let whole = json!([{
        "index": 0, "message": {"role": "assistant", "content": "mail a@b.nl"}, "finish_reason": "stop",
    }]);
    holder.upstream.script(std::slice::from_ref(&whole));
    let answer = holder.ask("een", json!({})).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["choices"], whole);
}

#[actix_web::test]
async fn personal_data_is_masked_in_streams_and_whole_answers_and_counted_as_made() {
    let holder = Keyholder::start_with(&PRIVATE).await;
    set(
        &holder,
        "manager.harderwijk",
        json!({"filters_answers": true}),
    )
    .await;
    holder.upstream.script(&script());
    let wanted = json!({"stream": true, "stream_options": {"include_usage": true}});
    let answer = holder.ask("een twee", wanted).send().await.unwrap();
    let answer = answer.text().await.unwrap();
    let seen = events(&answer);
    assert_eq!(
        text_of(&seen, "/choices/0/delta/content"),
        MASKED,
        "{answer}"
    );
    assert_eq!(text_of(&seen, "/choices/0/finish_reason"), "stop");
    assert_eq!(seen.last().unwrap()["usage"]["total_tokens"], 10);
    assert!(answer.ends_with("data: [DONE]\n\n"));
    // An upstream that ends without saying so.
    holder.upstream.script(&[piece("bel 06-12345678")]);
    let answer = holder
        .ask("een", json!({"stream": true}))
        .send()
        .await
        .unwrap();
    let seen = events(&answer.text().await.unwrap());
    assert_eq!(text_of(&seen, "/choices/0/delta/content"), "bel [tel]");
    let whole = json!([{
        "index": 0, "message": {"role": "assistant", "content": PIECES.concat()}, "finish_reason": "stop",
    }]);
    holder.upstream.script(&[whole]);
    let answer = holder.ask("een", json!({})).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], MASKED);
    assert_eq!(answer["usage"]["total_tokens"], 2);
    let done = |prompt, made| (prompt, made, "completed".to_owned());
    assert_eq!(holder.records().await, [done(2, 8), done(1, 1), done(1, 1)]);
    assert_eq!(holder.counters().await, (14, 0));
}

#[actix_web::test]
async fn calls_of_tools_and_json_stay_json() {
    let holder = Keyholder::start_with(&PRIVATE).await;
    set(
        &holder,
        "manager.harderwijk",
        json!({"filters_answers": true}),
    )
    .await;
    let call = |arguments: &str| {
        let call = json!({"index": 0, "function": {"arguments": arguments}});
        json!([{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": null}])
    };
    holder.upstream.script(&[
        call("{\"bsn\": 1112"),
        call("22333, \"to\": \"\\nj@exa"),
        call("mple.nl\"}"),
        end(),
    ]);
    let answer = holder
        .ask("een", json!({"stream": true}))
        .send()
        .await
        .unwrap();
    let seen = events(&answer.text().await.unwrap());
    let arguments = text_of(&seen, "/choices/0/delta/tool_calls/0/function/arguments");
    let arguments: Value = serde_json::from_str(&arguments).unwrap();
    assert_eq!(arguments, json!({"bsn": "[BSN]", "to": "\n[e-mail]"}));
    holder
        .upstream
        .script(&[piece("{\"nummer\": 111222"), piece("333}"), end()]);
    let wanted = json!({"stream": true, "response_format": {"type": "json_object"}});
    let answer = holder.ask("een", wanted).send().await.unwrap();
    let seen = events(&answer.text().await.unwrap());
    let content = text_of(&seen, "/choices/0/delta/content");
    let content: Value = serde_json::from_str(&content).unwrap();
    assert_eq!(content, json!({"nummer": "[BSN]"}));
    // A text is masked as one, whatever the request says of its form.
    for says in [
        json!({"stream": true, "guided_json": {}}),
        json!({"stream": true, "response_format": {"type": "json_object"}}),
    ] {
        holder.upstream.script(&script());
        let answer = holder.ask("een", says).send().await.unwrap();
        let seen = events(&answer.text().await.unwrap());
        assert_eq!(text_of(&seen, "/choices/0/delta/content"), MASKED);
    }
}

#[actix_web::test]
async fn a_model_does_not_see_what_is_masked_in_prompts() {
    let holder = Keyholder::start_with(&PRIVATE).await;
    set(
        &holder,
        "manager.harderwijk",
        json!({"filters_prompts": true}),
    )
    .await;
    // What is cut over two parts of a message is found too.
    let parts = json!([{"type": "text", "text": "bsn 1112"}, {"type": "text", "text": "22333"}]);
    let messages = json!([
        {"role": "user", "content": parts},
        {"role": "assistant", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\":111222333}"}},
        ]},
        {"role": "tool", "tool_call_id": "c", "content": "mail j@example.nl"},
    ]);
    holder.upstream.script(&[json!([])]);
    let wanted = json!({"messages": messages, "user": "j@example.nl"});
    let answer = holder.ask("", wanted).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let sent = holder.upstream.state.bodies.lock().unwrap()[0].clone();
    assert_eq!(sent["messages"][0]["content"], "bsn [BSN]");
    assert_eq!(
        sent["messages"][1]["tool_calls"][0]["function"]["arguments"],
        "{\"a\":\"[BSN]\"}"
    );
    assert_eq!(sent["messages"][2]["content"], "mail [e-mail]");
    assert_eq!(sent["user"], "[e-mail]");
    let tokens = json!({"model": holder.name, "prompt": [1, 2, 3]});
    let answer = holder
        .post("/v1/completions", &tokens)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["error"]["param"], "prompt");
}

#[actix_web::test]
async fn a_flagged_prompt_reaches_no_model_and_a_flagged_answer_ends() {
    let holder = Keyholder::start_with(&PRIVATE).await;
    let service = Service::start();
    let hook = json!({"url": service.url, "judges_prompts": true, "judges_answers": true});
    let kept = set(&holder, "manager.harderwijk", json!({"moderation": hook})).await;
    let secret = kept["secret"].as_str().unwrap().to_owned();
    let answer = holder.ask("iets verboden", json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["error"]["code"], "content_filter");
    assert_eq!(holder.upstream.requests(), 0);
    assert_eq!(holder.counters().await, (0, 0));
    let asked = service.asked();
    assert_eq!(asked[0].0, format!("Bearer {secret}"));
    assert_eq!(asked[0].1, ["iets verboden"]);
    // In a stream: what came before it was flagged is seen, nothing after; what was made is counted.
    let long = "goed ".repeat(200);
    let pieces = [
        piece(&long),
        piece("dit is ver"),
        piece("boden"),
        piece("meer"),
        end(),
    ];
    holder.upstream.script(&pieces);
    let wanted = json!({"stream": true, "stream_options": {"include_usage": true}});
    let answer = holder.ask("een", wanted).send().await.unwrap();
    let answer = answer.text().await.unwrap();
    let seen = events(&answer);
    assert_eq!(text_of(&seen, "/choices/0/delta/content"), long, "{answer}");
    assert_eq!(text_of(&seen, "/choices/0/finish_reason"), "content_filter");
    assert_eq!(seen.last().unwrap()["usage"]["total_tokens"], 6);
    assert!(answer.ends_with("data: [DONE]\n\n"), "{answer}");
    let whole = json!([{
        "index": 0, "message": {"role": "assistant", "content": "verboden"}, "finish_reason": "stop",
    }]);
    holder.upstream.script(&[whole]);
    let answer = holder.ask("een", json!({})).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["choices"][0]["finish_reason"], "content_filter");
    assert_eq!(answer["choices"][0]["message"]["content"], "");
    holder.upstream.script(&[piece("alles goed"), end()]);
    let answer = holder
        .ask("een", json!({"stream": true}))
        .send()
        .await
        .unwrap();
    let seen = events(&answer.text().await.unwrap());
    assert_eq!(text_of(&seen, "/choices/0/delta/content"), "alles goed");
    let records = holder.records().await;
    let outcomes: Vec<_> = records
        .iter()
        .map(|one| (one.0 + one.1, one.2.as_str()))
        .collect();
    assert_eq!(
        outcomes,
        [
            (0, "failed"),
            (6, "cut"),
            (2, "completed"),
            (3, "completed")
        ]
    );
}

#[actix_web::test]
async fn a_service_that_is_away_holds_all_back_or_nothing_as_chosen() {
    let holder = Keyholder::start_with(&PRIVATE).await;
    let service = Service::start();
    *service.state.is_broken.lock().unwrap() = true;
    let hook = |on_failure: &str, prompts: bool| {
        json!({"moderation": {
            "url": service.url, "judges_prompts": prompts, "judges_answers": true, "on_failure": on_failure,
        }})
    };
    set(&holder, "manager.harderwijk", hook("refuse", true)).await;
    let answer = holder.ask("een", json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["error"]["code"], "moderation_unavailable");
    assert_eq!(holder.upstream.requests(), 0);
    set(&holder, "manager.harderwijk", hook("refuse", false)).await;
    holder.upstream.script(&[piece("geheim"), end()]);
    let answer = holder
        .ask("een", json!({"stream": true}))
        .send()
        .await
        .unwrap();
    let answer = answer.text().await.unwrap();
    assert!(
        answer.contains("moderation_unavailable") && !answer.contains("geheim"),
        "{answer}"
    );
    set(&holder, "manager.harderwijk", hook("pass", true)).await;
    let answer = holder
        .ask("een", json!({"stream": true}))
        .send()
        .await
        .unwrap();
    let answer = answer.text().await.unwrap();
    assert!(answer.contains("geheim"), "{answer}");
}

#[actix_web::test]
async fn only_a_manager_sets_steps_and_no_service_is_inside() {
    let holder = Keyholder::start(10_000, 100).await;
    let path = "/api/v1/safeguards";
    let inside = json!({"moderation": {"url": "http://127.0.0.1:9/", "judges_prompts": true}});
    let mut manager = holder.app.browser("manager.harderwijk").await;
    let refused = manager.call(Method::PUT, path, Some(inside)).await.unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let nothing = json!({"moderation": {"url": "https://example.nl/"}});
    let refused = manager
        .call(Method::PUT, path, Some(nothing))
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let mut developer = holder.app.browser("developer.harderwijk").await;
    let refused = developer
        .call(Method::PUT, path, Some(json!({"filters_answers": true})))
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(
        developer
            .get("/nl/institution/safeguards")
            .await
            .unwrap()
            .status,
        403
    );
    let institution = manager.get("/en/institution").await.unwrap();
    assert!(
        institution.text.contains("All off."),
        "{}",
        institution.text
    );
    let form = [
        ("filters", "filter-answers"),
        ("url", "https://example.nl/v1/moderations"),
        ("judges", "judge-answers"),
        ("failure", "pass"),
    ];
    let saved = manager
        .post_form("/en/institution/safeguards", &form)
        .await
        .unwrap();
    assert!(saved.text.contains("modsec_"), "{}", saved.text);
    let shown = manager.api(Method::GET, path, None).await.unwrap();
    assert_eq!(
        shown,
        json!({"filters_prompts": false, "filters_answers": true, "moderation": {
            "url": "https://example.nl/v1/moderations", "judges_prompts": false, "judges_answers": true,
            "on_failure": "pass",
        }})
    );
    let before = saved.text;
    let renewed = manager
        .api(Method::POST, "/api/v1/safeguards/rotate", None)
        .await
        .unwrap();
    assert!(!before.contains(renewed["secret"].as_str().unwrap()));
    let mut conn = holder.database().await;
    let kinds: Vec<String> =
        sqlx::query_scalar("SELECT kind FROM events WHERE kind LIKE 'safeguards.%' ORDER BY seq")
            .fetch_all(&mut conn)
            .await
            .unwrap();
    assert_eq!(kinds, ["safeguards.changed", "safeguards.rotated"]);
}
