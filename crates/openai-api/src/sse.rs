//! Server-sent events as the OpenAI streams use them (WHATWG HTML, section 9.2, without ids and retries).

use serde::Serialize;

/// The event that closes a stream.
pub const DONE_EVENT: &[u8] = b"data: [DONE]\n\n";

/// One `data:` event with `value` as JSON.
///
/// # Errors
/// Where `value` does not serialise, for example a map with keys that are no strings.
pub fn encode_event(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut event = b"data: ".to_vec();
    // Compact JSON has no line breaks, so one `data:` line always suffices.
    serde_json::to_writer(&mut event, value)?;
    event.extend_from_slice(b"\n\n");
    Ok(event)
}

/// One event of a stream, with the bytes it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// The event as it was sent, with its closing empty line.
    pub raw: Vec<u8>,
    /// The `data:` lines, joined by line feeds; empty for comments.
    pub data: Vec<u8>,
}

impl SseEvent {
    /// Whether this closes the stream.
    pub fn is_done(&self) -> bool {
        self.data == b"[DONE]"
    }
}

/// An event was longer than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SseTooLong {
    pub limit_bytes: usize,
}

impl std::fmt::Display for SseTooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an event is longer than {} bytes", self.limit_bytes)
    }
}

impl std::error::Error for SseTooLong {}

/// Cuts a stream of bytes into events; keeps at most one unfinished event.
#[derive(Debug)]
pub struct SseSplitter {
    limit_bytes: usize,
    raw: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    /// Where the line that is being read starts in `raw`.
    line_start: usize,
}

impl SseSplitter {
    /// A splitter that refuses events of more than `limit_bytes`.
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            raw: Vec::new(),
            data: Vec::new(),
            has_data: false,
            line_start: 0,
        }
    }

    /// Takes the next bytes and returns the events that they complete. Lines end in LF or CRLF.
    ///
    /// # Errors
    /// [`SseTooLong`]; the stream cannot be read on after it.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<SseEvent>, SseTooLong> {
        let mut events = Vec::new();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.raw.len() + piece.len() > self.limit_bytes {
                return Err(SseTooLong {
                    limit_bytes: self.limit_bytes,
                });
            }
            self.raw.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                events.extend(self.end_line());
            }
        }
        Ok(events)
    }

    /// Whether bytes of an unfinished event are left; true at the end of a stream that was cut off.
    pub fn has_rest(&self) -> bool {
        !self.raw.is_empty()
    }

    fn end_line(&mut self) -> Option<SseEvent> {
        let line = self.raw.get(self.line_start..).unwrap_or_default();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            self.line_start = 0;
            self.has_data = false;
            return Some(SseEvent {
                raw: std::mem::take(&mut self.raw),
                data: std::mem::take(&mut self.data),
            });
        }
        if let Some(value) = line.strip_prefix(b"data:") {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            if self.has_data {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value);
            self.has_data = true;
        }
        self.line_start = self.raw.len();
        None
    }
}
