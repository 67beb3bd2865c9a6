//! A server in OpenAI's form whose answers the test controls, and which counts what it really made.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::TcpListener,
    sync::{Arc, Mutex},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, web};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// Runs until it is dropped.
pub(crate) struct Upstream {
    pub(crate) url: String,
    pub(crate) state: Arc<State>,
    handle: ServerHandle,
}

/// What it does with the next requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Answers at once.
    Answer,
    /// Waits for a permit of `State::gate`: before a whole answer, or after the third token of a stream.
    Hold,
    /// Breaks off after the second token of a stream.
    Break,
    /// Says that the prompt is too long.
    Refuse,
    /// Fails before it makes anything.
    Fail,
    /// Makes a token each two milliseconds, whole answers too.
    Paced,
    /// Makes a token of 32 KiB each twenty milliseconds, whether anybody reads it or not, as an engine does.
    Flood,
    /// Makes three tokens of a stream, and breaks off before the first of them is sent.
    Collapse,
    /// Says that it has enough to do.
    Busy,
    /// Answers with a page.
    Nonsense,
    /// Says of a whole answer that it took a thousand million tokens.
    Boast,
}

/// What it was asked and what it made.
pub(crate) struct State {
    pub(crate) plan: Mutex<Plan>,
    pub(crate) gate: Semaphore,
    /// Bodies, as they came.
    pub(crate) bodies: Mutex<Vec<Value>>,
    /// `Authorization` of each request, empty where it had none.
    pub(crate) authorizations: Mutex<Vec<String>>,
    /// By request id: tokens of the prompt, tokens made, whether it is done.
    pub(crate) counts: Mutex<HashMap<String, (u64, u64, bool)>>,
    /// `choices` of the events of a stream, or of a whole answer with the first of them; each is one token.
    pub(crate) script: Mutex<Vec<Value>>,
}

/// Tokens of an answer whose request says nothing of its length.
const MOST: u64 = 512;
const PACE: std::time::Duration = std::time::Duration::from_millis(2);
const FLOOD_PACE: std::time::Duration = std::time::Duration::from_millis(20);

/// Says that a request is done, also where the client left.
struct Running {
    state: Arc<State>,
    id: String,
}

impl Running {
    fn made(&self, tokens: u64) {
        if let Some(counts) = self.state.counts.lock().unwrap().get_mut(&self.id) {
            counts.1 = tokens;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(counts) = self.state.counts.lock().unwrap().get_mut(&self.id) {
            counts.2 = true;
        }
    }
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let state = Arc::new(State {
            plan: Mutex::new(Plan::Answer),
            gate: Semaphore::new(0),
            bodies: Mutex::default(),
            authorizations: Mutex::default(),
            counts: Mutex::default(),
            script: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let data = web::Data::from(Arc::clone(&state));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .route("/v1/chat/completions", web::post().to(chat))
                .route("/v1/embeddings", web::post().to(embeddings))
                .route("/v1/requests/{id}/usage", web::get().to(usage))
        })
        .workers(1)
        .h1_allow_half_closed(false)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { url, state, handle }
    }

    pub(crate) fn plan(&self, plan: Plan) {
        *self.state.plan.lock().unwrap() = plan;
    }

    /// Answers with these `choices` from now on.
    pub(crate) fn script(&self, choices: &[Value]) {
        *self.state.script.lock().unwrap() = choices.to_vec();
    }

    /// What it made in all, over all requests.
    pub(crate) fn tokens(&self) -> u64 {
        let counts = self.state.counts.lock().unwrap();
        counts.values().map(|(prompt, made, _)| prompt + made).sum()
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.bodies.lock().unwrap().len()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

fn request_id(request: &HttpRequest) -> String {
    let header = request.headers().get("x-request-id").unwrap();
    header.to_str().unwrap().to_owned()
}

async fn chat(
    request: HttpRequest,
    body: web::Json<Value>,
    state: web::Data<State>,
) -> HttpResponse {
    let (body, state) = (body.into_inner(), state.into_inner());
    let plan = *state.plan.lock().unwrap();
    state.bodies.lock().unwrap().push(body.clone());
    let authorization = request.headers().get("authorization");
    let authorization = authorization.map_or("", |value| value.to_str().unwrap());
    let seen = authorization.to_owned();
    state.authorizations.lock().unwrap().push(seen);
    if plan == Plan::Busy {
        return HttpResponse::TooManyRequests().body("{}");
    }
    if plan == Plan::Nonsense {
        return HttpResponse::Ok()
            .content_type("text/html")
            .body("<html>Welkom</html>");
    }
    if plan == Plan::Refuse {
        let error = openai_api::ApiError::context_length_exceeded(8, 9, "messages");
        return HttpResponse::BadRequest().body(error.to_json());
    }
    if plan == Plan::Fail {
        return HttpResponse::InternalServerError().body("{}");
    }
    let words = body["messages"][0]["content"].as_str().unwrap();
    let prompt = words.split_whitespace().count() as u64;
    let most = body["max_tokens"].as_u64().unwrap_or(MOST);
    let id = request_id(&request);
    let counts = (prompt, 0, false);
    state.counts.lock().unwrap().insert(id.clone(), counts);
    let running = Running {
        state: Arc::clone(&state),
        id,
    };
    let script = state.script.lock().unwrap().clone();
    if !script.is_empty() {
        return scripted(&running, &body, prompt, &script);
    }
    if body["stream"] == json!(true) {
        return match plan {
            Plan::Flood => flood(running, prompt, most),
            Plan::Collapse => collapse(&running),
            _ => stream_answer(running, plan, prompt, most),
        };
    }
    if plan == Plan::Hold {
        state.gate.acquire().await.unwrap().forget();
    }
    if plan == Plan::Paced {
        for made in 1..=most {
            tokio::time::sleep(PACE).await;
            running.made(made);
        }
    }
    running.made(most);
    let (told_prompt, told) = match plan {
        Plan::Boast => (1_000_000_000, 1_000_000_000),
        _ => (prompt, most),
    };
    HttpResponse::Ok().json(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"],
        "choices": [{
            "index": 0, "finish_reason": "length",
            "message": {"role": "assistant", "content": "woord ".repeat(most as usize)},
        }],
        "usage": {"prompt_tokens": told_prompt, "completion_tokens": told, "total_tokens": told_prompt + told},
    }))
}

/// Two numbers for each input, at a token a word; a server without embeddings where it is to refuse.
async fn embeddings(
    request: HttpRequest,
    body: web::Json<Value>,
    state: web::Data<State>,
) -> HttpResponse {
    let (body, state) = (body.into_inner(), state.into_inner());
    let plan = *state.plan.lock().unwrap();
    state.bodies.lock().unwrap().push(body.clone());
    match plan {
        Plan::Refuse => return HttpResponse::NotFound().finish(),
        Plan::Fail => return HttpResponse::InternalServerError().body("{}"),
        _ => {}
    }
    let inputs = match &body["input"] {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    let words = |text: &Value| text.as_str().unwrap().split_whitespace().count() as u64;
    let prompt: u64 = inputs.iter().map(words).sum();
    let counts = (prompt, 0, true);
    state
        .counts
        .lock()
        .unwrap()
        .insert(request_id(&request), counts);
    let data: Vec<_> = inputs
        .iter()
        .enumerate()
        .map(|(at, _)| json!({"object": "embedding", "index": at, "embedding": [0.5, -0.25]}))
        .collect();
    HttpResponse::Ok().json(json!({
        "object": "list", "data": data, "model": body["model"],
        "usage": {"prompt_tokens": prompt, "total_tokens": prompt},
    }))
}

/// An event of a scripted stream.
pub(crate) fn scripted_event(choices: &Value, prompt: u64, made: u64) -> String {
    let chunk = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices,
        "usage": {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made},
    });
    format!("data: {chunk}\n\n")
}

fn scripted(running: &Running, body: &Value, prompt: u64, script: &[Value]) -> HttpResponse {
    let made = script.len() as u64;
    running.made(made);
    if body["stream"] != json!(true) {
        return HttpResponse::Ok().json(json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"],
            "choices": script[0],
            "usage": {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made},
        }));
    }
    let mut text = String::new();
    for (at, choices) in script.iter().enumerate() {
        text.push_str(&scripted_event(choices, prompt, at as u64 + 1));
    }
    text.push_str(&scripted_event(&json!([]), prompt, made));
    text.push_str("data: [DONE]\n\n");
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .body(text)
}

fn stream_answer(running: Running, plan: Plan, prompt: u64, most: u64) -> HttpResponse {
    let events = stream::unfold((running, 0_u64), move |(running, at)| async move {
        if plan == Plan::Hold && at == 3 {
            running.state.gate.acquire().await.unwrap().forget();
        }
        if plan == Plan::Paced {
            tokio::time::sleep(PACE).await;
        }
        if at > most || plan == Plan::Break && at == 2 {
            return None;
        }
        let mut text = String::new();
        let made = (at + 1).min(most);
        let usage = json!({
            "prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made,
        });
        if at < most {
            running.made(made);
            let chunk = json!({
                "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                "choices": [{"index": 0, "delta": {"content": "woord "}, "finish_reason": null}],
                "usage": usage,
            });
            text.push_str(&format!("data: {chunk}\n\n"));
        } else {
            let closing = json!({
                "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                "choices": [], "usage": usage,
            });
            text.push_str(&format!("data: {closing}\n\ndata: [DONE]\n\n"));
        }
        Some((Ok::<_, Infallible>(Bytes::from(text)), (running, at + 1)))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .streaming(events)
}

fn collapse(running: &Running) -> HttpResponse {
    running.made(3);
    let broken = stream::once(async { Err::<Bytes, _>(std::io::Error::other("broke off")) });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .streaming(broken)
}

fn flood(running: Running, prompt: u64, most: u64) -> HttpResponse {
    let (sender, events) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
    actix_web::rt::spawn(async move {
        let word = "w".repeat(32 * 1024);
        for made in 1..=most {
            tokio::time::sleep(FLOOD_PACE).await;
            if sender.is_closed() {
                return;
            }
            running.made(made);
            let choices = json!([{"index": 0, "delta": {"content": word}, "finish_reason": null}]);
            let event = scripted_event(&choices, prompt, made);
            drop(sender.send(event.into()));
        }
        drop(sender.send(Bytes::from_static(b"data: [DONE]\n\n")));
    });
    let events = stream::unfold(events, |mut events| async move {
        let event = events.recv().await?;
        Some((Ok::<_, Infallible>(event), events))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .streaming(events)
}

async fn usage(id: web::Path<String>, state: web::Data<State>) -> HttpResponse {
    match state.counts.lock().unwrap().get(id.as_str()) {
        None => HttpResponse::NotFound().finish(),
        Some(&(prompt, made, is_finished)) => HttpResponse::Ok().json(json!({
            "request_id": *id, "model": "m", "is_finished": is_finished,
            "usage": {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made},
        })),
    }
}
