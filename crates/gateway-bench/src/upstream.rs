//! The upstream: canned answers in OpenAI's form, with true counts, each with an id of its own.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};

use crate::http::{Wire, find};

const PROMPT: u32 = 10;

/// What stands where an answer has its id: as long as each of them.
const NO_ID: &str = "chatcmpl-0000000000000000";

struct Canned {
    whole: Part,
    events: Vec<Part>,
    answered: AtomicU64,
}

/// What is sent at once.
struct Part {
    bytes: Vec<u8>,
    /// Where the id is.
    id_at: usize,
}

pub(crate) async fn serve(bind: SocketAddr, tokens: u32) -> anyhow::Result<()> {
    let listener = TcpListener::bind(bind).await?;
    let canned = Arc::new(Canned::new(tokens));
    loop {
        let (stream, _) = listener.accept().await?;
        let canned = Arc::clone(&canned);
        tokio::spawn(async move { answer(stream, &canned).await });
    }
}

impl Canned {
    fn new(tokens: u32) -> Self {
        let usage = |made: u32| {
            format!(
                "{{\"prompt_tokens\":{PROMPT},\"completion_tokens\":{made},\"total_tokens\":{}}}",
                PROMPT + made
            )
        };
        let body = format!(
            "{{\"id\":\"{NO_ID}\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{{\
             \"index\":0,\"finish_reason\":\"stop\",\"message\":{{\"role\":\"assistant\",\"content\":\"{}\"}}}}],\
             \"usage\":{}}}",
            "woord ".repeat(tokens as usize),
            usage(tokens)
        );
        let whole = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut events: Vec<_> = (1..=tokens)
            .map(|made| {
                let finish = if made == tokens { "\"stop\"" } else { "null" };
                chunk(&format!(
                    "data: {{\"id\":\"{NO_ID}\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
                     \"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"woord \"}},\"finish_reason\":{finish}}}],\
                     \"usage\":{}}}\n\n",
                    usage(made)
                ))
            })
            .collect();
        let closing = format!(
            "data: {{\"id\":\"{NO_ID}\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
             \"choices\":[],\"usage\":{}}}\n\ndata: [DONE]\n\n",
            usage(tokens)
        );
        events.push([chunk(&closing), b"0\r\n\r\n".to_vec()].concat());
        if let Some(first) = events.first_mut() {
            *first = [head.as_bytes(), first].concat();
        }
        Self {
            whole: Part::new(whole.into()),
            events: events.into_iter().map(Part::new).collect(),
            answered: AtomicU64::new(0),
        }
    }

    /// The id of the next answer.
    fn id(&self) -> String {
        format!(
            "chatcmpl-{:016x}",
            self.answered.fetch_add(1, Ordering::Relaxed)
        )
    }
}

impl Part {
    fn new(bytes: Vec<u8>) -> Self {
        let id_at = find(&bytes, NO_ID.as_bytes()).unwrap_or(0);
        Self { bytes, id_at }
    }

    fn with(&self, id: &str) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        if let Some(place) = bytes.get_mut(self.id_at..self.id_at + id.len()) {
            place.copy_from_slice(id.as_bytes());
        }
        bytes
    }
}

fn chunk(event: &str) -> Vec<u8> {
    let mut chunk = String::new();
    // Writing to a string cannot fail.
    let _ = write!(chunk, "{:x}\r\n{event}\r\n", event.len());
    chunk.into()
}

async fn answer(stream: TcpStream, canned: &Canned) -> anyhow::Result<()> {
    let mut wire = Wire::new(stream)?;
    while let Some(head) = wire.head().await? {
        let body = wire.body(&head, || {}).await?;
        if head.line.starts_with("POST") && find(&body, b"\"stream\":true").is_some() {
            let id = canned.id();
            for event in &canned.events {
                wire.stream.write_all(&event.with(&id)).await?;
                tokio::task::yield_now().await;
            }
        } else if head.line.starts_with("POST") {
            wire.stream
                .write_all(&canned.whole.with(&canned.id()))
                .await?;
        } else {
            // Also what a store of objects would be asked at the start.
            let nothing = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            wire.stream.write_all(nothing.as_bytes()).await?;
        }
    }
    Ok(())
}
