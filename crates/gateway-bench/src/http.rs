//! As much of HTTP/1.1 (RFC 9112) as both ends of a measurement need: keep-alive, lengths and chunks.

use anyhow::Context as _;
use tokio::{io::AsyncReadExt as _, net::TcpStream};

/// A connection with what was read and not used yet.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

/// The head of a message.
pub(crate) struct Head {
    /// The first line.
    pub(crate) line: String,
    length: Option<usize>,
    is_chunked: bool,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> anyhow::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(8192),
        })
    }

    async fn more(&mut self) -> anyhow::Result<usize> {
        Ok(self.stream.read_buf(&mut self.buffer).await?)
    }

    /// The next head; none where the other side has closed.
    pub(crate) async fn head(&mut self) -> anyhow::Result<Option<Head>> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            if self.more().await? == 0 {
                return Ok(None);
            }
        };
        let text = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end + 4);
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let (mut length, mut is_chunked) = (None, false);
        for header in lines {
            let Some((name, value)) = header.split_once(':') else {
                continue;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse()?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                is_chunked = value.trim().eq_ignore_ascii_case("chunked");
            }
        }
        Ok(Some(Head {
            line,
            length,
            is_chunked,
        }))
    }

    /// The body that belongs to a head; `first` is called at its first bytes.
    pub(crate) async fn body(
        &mut self,
        head: &Head,
        mut first: impl FnMut(),
    ) -> anyhow::Result<Vec<u8>> {
        if head.is_chunked {
            return self.chunks(first).await;
        }
        let length = head.length.unwrap_or(0);
        while self.buffer.len() < length {
            anyhow::ensure!(self.more().await? > 0, "the body breaks off");
        }
        if length > 0 {
            first();
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn chunks(&mut self, mut first: impl FnMut()) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = find(&self.buffer, b"\r\n") {
                    break at;
                }
                anyhow::ensure!(self.more().await? > 0, "a chunk breaks off");
            };
            let size = std::str::from_utf8(&self.buffer[..end])?;
            let size = usize::from_str_radix(size.trim(), 16).context("the size of a chunk")?;
            let whole = end + 2 + size + 2;
            while self.buffer.len() < whole {
                anyhow::ensure!(self.more().await? > 0, "a chunk breaks off");
            }
            if body.is_empty() && size > 0 {
                first();
            }
            body.extend_from_slice(&self.buffer[end + 2..end + 2 + size]);
            self.buffer.drain(..whole);
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

/// Where `needle` begins.
pub(crate) fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|part| part == needle)
}
