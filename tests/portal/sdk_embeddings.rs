//! Embeddings with the stock clients: as numbers, in base64, and of token ids, booked to the token.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicI64, Ordering},
};

use actix_web::{App, HttpResponse, HttpServer, dev::ServerHandle, web};
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::support::{Keyholder, check_with, sdk_checks};

/// Two numbers for each input, in the form that was asked for, at a token a word or id.
async fn embed(body: web::Json<Value>, told: web::Data<AtomicI64>) -> HttpResponse {
    let body = body.into_inner();
    let inputs = match &body["input"] {
        Value::Array(list) if !list[0].is_number() => list.clone(),
        one => vec![one.clone()],
    };
    let tokens = |input: &Value| match input {
        Value::Array(ids) => ids.len(),
        text => text.as_str().unwrap().split_whitespace().count(),
    };
    let counts: Vec<u8> = inputs
        .iter()
        .map(|input| u8::try_from(tokens(input)).unwrap())
        .collect();
    let data: Vec<Value> = counts
        .iter()
        .enumerate()
        .map(|(index, count)| {
            // Halves and quarters are the same in either form.
            let vector = [f32::from(*count) / 2.0, -0.25];
            let embedding = if body["encoding_format"] == "base64" {
                json!(BASE64.encode(&vector.map(f32::to_le_bytes).concat()))
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let prompt: i64 = counts.iter().map(|count| i64::from(*count)).sum();
    told.fetch_add(prompt, Ordering::Relaxed);
    HttpResponse::Ok().json(json!({
        "object": "list", "data": data, "model": body["model"],
        "usage": {"prompt_tokens": prompt, "total_tokens": prompt},
    }))
}

/// A server that makes embeddings and counts in `told` what it says they took; its address too.
fn engine(told: web::Data<AtomicI64>) -> (String, ServerHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(told.clone())
            .route("/v1/embeddings", web::post().to(embed))
    })
    .workers(1)
    .disable_signals()
    .listen(listener)
    .unwrap()
    .run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    (url, handle)
}

#[actix_web::test]
async fn stock_clients_get_embeddings_in_every_form() {
    let told = web::Data::new(AtomicI64::new(0));
    let (url, server) = engine(told.clone());
    let holder = Keyholder::start(100_000, 1000).await;
    holder.serve_at(&url).await;
    let address = holder.app.url.join("/v1").unwrap();
    let settings = [
        ("OPENAI_BASE_URL", address.as_str()),
        ("OPENAI_API_KEY", holder.key.as_str()),
        ("MODEL", holder.name.as_str()),
    ];
    for (program, script) in sdk_checks() {
        check_with((&program, script), &["embeddings"], &settings).await;
    }
    let told = told.load(Ordering::Relaxed);
    assert!(told > 0, "nothing was asked of the engine");
    assert_eq!(
        holder.counters().await,
        (told, 0),
        "what the clients were told they took is what the key used"
    );
    server.stop(false).await;
}
