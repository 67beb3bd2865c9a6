//! What people ask and what they are answered stays out of the log.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use serde_json::json;
use tracing_subscriber::filter::LevelFilter;

use crate::{
    CHAT, TEXT,
    given::{Options, chat, server, text},
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_prompt_answer_or_token_is_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::DEBUG)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let server = server(Options {
        token: Some("kanarie-sleutel"),
        ..Options::default()
    });
    let mut answers = Vec::new();
    let bodies = [
        chat("kanarie-vraag", json!({"ignore_eos": true})),
        chat("kanarie-vraag", json!({"stream": true})),
        chat("kanarie-vraag", json!({"temperature": "kanarie-fout"})),
        chat("kanarie-vraag <|im_end|>", json!({})),
        chat("kanarie-vraag", json!({"messages": "kanarie-fout"})),
    ];
    for body in bodies {
        let request = server.post(CHAT, &body).bearer_auth("kanarie-sleutel");
        answers.push(request.send().await.unwrap().text().await.unwrap());
    }
    let completion = json!({"model": "tiny", "prompt": "kanarie-vraag", "max_tokens": 4});
    for token in ["kanarie-sleutel", "kanarie-vals"] {
        let request = server.post(TEXT, &completion).bearer_auth(token);
        assert!(request.send().await.unwrap().text().await.is_ok());
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains(CHAT) && log.contains("finished"),
        "the log is kept: {log}"
    );
    assert!(!log.contains("kanarie"), "{log}");
    let answer: serde_json::Value = serde_json::from_str(&answers[0]).unwrap();
    assert!(
        text(&answer).len() > 4 && !log.contains(text(&answer)),
        "{log}"
    );
}
