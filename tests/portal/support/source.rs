//! A website on loopback whose answers the test controls, and which counts what it was asked.

use std::{
    collections::HashMap,
    net::TcpListener,
    sync::{Arc, Mutex},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, web};

/// One answer: status, header fields, body.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn html(body: &str) -> Self {
        Self::of(200, body).with("content-type", "text/html; charset=utf-8")
    }

    pub(crate) fn text(body: &str) -> Self {
        Self::of(200, body).with("content-type", "text/plain")
    }

    pub(crate) fn of(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

#[derive(Default)]
struct State {
    answers: Mutex<HashMap<String, Answer>>,
    asked: Mutex<Vec<String>>,
}

/// Runs until it is dropped; what has no answer is not found.
pub(crate) struct Source {
    pub(crate) url: String,
    state: Arc<State>,
    handle: ServerHandle,
}

impl Source {
    pub(crate) fn start() -> Self {
        let state = Arc::new(State::default());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let data = web::Data::from(Arc::clone(&state));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .default_service(web::to(answer))
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

    /// Answers `path` so from now on.
    pub(crate) fn says(&self, path: &str, answer: Answer) {
        self.state
            .answers
            .lock()
            .unwrap()
            .insert(path.to_owned(), answer);
    }

    /// The paths that were asked for since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.state.asked.lock().unwrap())
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        actix_web::rt::spawn(self.handle.stop(false));
    }
}

async fn answer(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    state.asked.lock().unwrap().push(request.path().to_owned());
    let found = state.answers.lock().unwrap().get(request.path()).cloned();
    let Some(found) = found else {
        return HttpResponse::NotFound().finish();
    };
    let mut answer = HttpResponse::build(found.status.try_into().unwrap());
    for (name, value) in &found.headers {
        answer.insert_header((*name, value.as_str()));
    }
    answer.body(found.body)
}
