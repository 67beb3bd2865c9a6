//! What was done, from when to when, for a collector.

use chrono::{DateTime, Utc};

/// Who caused it, as the header `traceparent` says (W3C Trace Context).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    pub trace: String,
    pub span: String,
}

impl Parent {
    /// Reads the header; none where it is not of version 00 or makes no sense.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.trim().split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str, length: usize| {
            text.len() == length
                && text
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
                && text.bytes().any(|b| b != b'0')
        };
        let is_good = version == "00"
            && is_hex(trace, 32)
            && is_hex(span, 16)
            && flags.len() == 2
            && parts.next().is_none();
        is_good.then(|| Self {
            trace: trace.to_owned(),
            span: span.to_owned(),
        })
    }
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Number(i64),
    Seconds(f64),
}

/// One thing that was done.
#[derive(Debug, Clone)]
pub struct Span {
    /// 32 hexadecimal digits.
    pub trace: String,
    /// 16 hexadecimal digits.
    pub id: String,
    pub parent: Option<String>,
    pub name: String,
    pub began_at: DateTime<Utc>,
    pub ended_at: DateTime<Utc>,
    /// Whether it failed.
    pub is_error: bool,
    pub attributes: Vec<(&'static str, Value)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_read_or_ignored() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let parent = Parent::parse(good).unwrap();
        assert_eq!(parent.span, "b7ad6b7169203331");
        for wrong in [
            "",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        ] {
            assert_eq!(Parent::parse(wrong), None, "{wrong}");
        }
    }
}
