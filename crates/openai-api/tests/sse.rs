use openai_api::{DONE_EVENT, SseSplitter, encode_event};
use serde_json::json;

#[test]
fn events_come_out_alike_however_the_bytes_are_cut() {
    let mut stream = encode_event(&json!({"text": "één\nregel"})).unwrap();
    stream.extend_from_slice(b": ping\r\n\r\ndata: a\r\ndata:b\r\n\r\n");
    stream.extend_from_slice(DONE_EVENT);
    for size in 1..=stream.len() {
        let mut splitter = SseSplitter::new(1024);
        let mut events = Vec::new();
        for piece in stream.chunks(size) {
            events.extend(splitter.push(piece).unwrap());
        }
        assert!(!splitter.has_rest());
        let raw: Vec<u8> = events.iter().flat_map(|event| event.raw.clone()).collect();
        assert_eq!(raw, stream, "the raw bytes of all events are the stream");
        let data: Vec<&[u8]> = events.iter().map(|event| event.data.as_slice()).collect();
        let first = json!({"text": "één\nregel"}).to_string();
        assert_eq!(data, [first.as_bytes(), b"", b"a\nb", b"[DONE]"]);
        assert!(events.last().unwrap().is_done());
    }
}

#[test]
fn an_event_without_end_is_refused_at_the_limit() {
    let mut splitter = SseSplitter::new(16);
    assert!(splitter.push(b"data: 0123456789").is_ok());
    assert!(splitter.has_rest());
    assert!(splitter.push(b"x").is_err());
}
