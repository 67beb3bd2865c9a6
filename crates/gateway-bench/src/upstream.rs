//! The upstream: canned answers in OpenAI's form, with true counts.

use std::{fmt::Write as _, net::SocketAddr, sync::Arc};

use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};

use crate::http::{Wire, find};

const PROMPT: u32 = 10;

struct Canned {
    whole: Vec<u8>,
    events: Vec<Vec<u8>>,
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
            "{{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{{\
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
                chunk(&format!(
                    "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
                     \"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"woord \"}},\"finish_reason\":null}}],\
                     \"usage\":{}}}\n\n",
                    usage(made)
                ))
            })
            .collect();
        let closing = format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
             \"choices\":[],\"usage\":{}}}\n\ndata: [DONE]\n\n",
            usage(tokens)
        );
        events.push([chunk(&closing), b"0\r\n\r\n".to_vec()].concat());
        if let Some(first) = events.first_mut() {
            *first = [head.as_bytes(), first].concat();
        }
        Self {
            whole: whole.into(),
            events,
        }
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
            for event in &canned.events {
                wire.stream.write_all(event).await?;
                tokio::task::yield_now().await;
            }
        } else if head.line.starts_with("POST") {
            wire.stream.write_all(&canned.whole).await?;
        } else {
            // Also what a store of objects would be asked at the start.
            let nothing = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            wire.stream.write_all(nothing.as_bytes()).await?;
        }
    }
    Ok(())
}
