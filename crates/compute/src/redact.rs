//! Secrets are taken out of what programs and schedulers write.
//!
//! | what | how it is known | what stays |
//! |---|---|---|
//! | tokens of attempts, API keys, webhook secrets | `vfa_…`, `gptnl_…`, `whsec_…` | the beginning |
//! | bearer tokens | the word after `Bearer` | `Bearer` |
//! | presigned addresses | the values of `X-Amz-…=` | the names |
//! | JSON web tokens | `eyJ…` with two dots | `eyJ` |

use std::borrow::Cow;

const GONE: &str = "[redacted]";
/// Shorter ones are words, not secrets.
const SHORTEST_SECRET: usize = 8;
const PREFIXES: [&str; 3] = ["vfa_", "gptnl_", "whsec_"];

/// `text` without its secrets.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut kept = 0;
    let mut at = 0;
    while at < text.len() {
        match secret_at(text, at) {
            Some((from, to)) => {
                out.push_str(text.get(kept..from).unwrap_or_default());
                out.push_str(GONE);
                kept = to;
                at = to;
            }
            None => {
                let next = text.get(at..).and_then(|rest| rest.chars().next());
                at += next.map_or(1, char::len_utf8);
            }
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(kept..).unwrap_or_default());
    Cow::Owned(out)
}

/// Where the secret that is announced at `at` begins and ends.
fn secret_at(text: &str, at: usize) -> Option<(usize, usize)> {
    let rest = text.get(at..)?;
    let first = rest.bytes().next()?;
    match first.to_ascii_lowercase() {
        b'v' | b'g' | b'w' => PREFIXES
            .iter()
            .find_map(|prefix| span(text, at, prefix, SHORTEST_SECRET, is_secret)),
        b'b' => bearer(text, at),
        b'x' => amazon(text, at),
        b'e' => jwt(text, at),
        _ => None,
    }
}

/// The run of `belongs` after `prefix`, if it is long enough.
fn span(
    text: &str,
    at: usize,
    prefix: &str,
    shortest: usize,
    belongs: fn(u8) -> bool,
) -> Option<(usize, usize)> {
    let from = at + prefix.len();
    let is_there = text.get(at..from)?.eq_ignore_ascii_case(prefix);
    let length = text
        .get(from..)?
        .bytes()
        .take_while(|b| belongs(*b))
        .count();
    (is_there && length >= shortest).then_some((from, from + length))
}

/// `Bearer TOKEN`, also as `Bearer%20TOKEN` and `Bearer: TOKEN`.
fn bearer(text: &str, at: usize) -> Option<(usize, usize)> {
    [
        "bearer ",
        "bearer%20",
        "bearer: ",
        "bearer:",
        "bearer\\t",
        "bearer\t",
    ]
    .iter()
    .find_map(|prefix| span(text, at, prefix, SHORTEST_SECRET, is_word))
}

/// `X-Amz-NAME=VALUE`, also where the address itself stands in an address.
fn amazon(text: &str, at: usize) -> Option<(usize, usize)> {
    let rest = text.get(at..)?;
    rest.get(..6)
        .filter(|it| it.eq_ignore_ascii_case("x-amz-"))?;
    let name = rest
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || *b == b'-')
        .count();
    let after = rest.get(name..)?;
    // `name=value` in an address, `"name": "value"` and `name: value` among headers.
    let sign: usize = ["=", "%3D", "%3d", "\": \"", "\":\"", ": ", ":"]
        .iter()
        .find(|sign| after.starts_with(**sign))
        .map(|sign| sign.len())?;
    let from = at + name + sign;
    let length = text
        .get(from..)?
        .bytes()
        .take_while(|b| is_value(*b))
        .count();
    (length > 0).then_some((from, from + length))
}

/// Three parts in base64url, the first of which begins with `{"`; the last may be empty.
fn jwt(text: &str, at: usize) -> Option<(usize, usize)> {
    let rest = text.get(at..)?;
    rest.strip_prefix("eyJ")?;
    let length = rest
        .bytes()
        .take_while(|b| is_base64_url(*b) || *b == b'.')
        .count();
    let token = rest.get(..length)?;
    let is_jwt = token.bytes().filter(|b| *b == b'.').count() >= 2;
    (is_jwt && length > 3 * SHORTEST_SECRET).then_some((at + 3, at + length))
}

fn is_base64_url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// All signs of base64 too: webhook secrets are written in it.
fn is_secret(byte: u8) -> bool {
    is_base64_url(byte) || matches!(byte, b'+' | b'/' | b'=')
}

fn is_word(byte: u8) -> bool {
    !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b'\'' | b',' | b'}' | b'<' | b'>')
}

fn is_value(byte: u8) -> bool {
    is_word(byte) && !matches!(byte, b'&' | b')' | b'#' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_and_the_rest_stays() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdW4iOiJtZSIsImV4cCI6MX0.c2lnbmF0dXJlLW9mLXRoaXM";
        for (given, expected) in [
            (
                "token vfa_0190a0b0-1111-7222-8333-444455556666_00ff00ff00ff00ff sent".to_owned(),
                "token vfa_[redacted] sent".to_owned(),
            ),
            (
                "key=gptnl_abcdefgh_0123456789; next".into(),
                "key=gptnl_[redacted]; next".into(),
            ),
            (
                "whsec_AbC+/def012==\nnext".into(),
                "whsec_[redacted]\nnext".into(),
            ),
            (
                "Authorization: Bearer abc.def-1, more".into(),
                "Authorization: Bearer [redacted], more".into(),
            ),
            (
                "{\"authorization\":\"bearer s3cr3t-word\"}".into(),
                "{\"authorization\":\"bearer [redacted]\"}".into(),
            ),
            (
                "GET /b/k?X-Amz-Algorithm=AWS4&X-Amz-Signature=0f0f&versionId=3 200".into(),
                "GET /b/k?X-Amz-Algorithm=[redacted]&X-Amz-Signature=[redacted]&versionId=3 200"
                    .into(),
            ),
            (
                "x-amz-security-token: abc/def+=".into(),
                "x-amz-security-token: [redacted]".into(),
            ),
            (
                format!("X-SLURM-USER-TOKEN: {jwt}."),
                "X-SLURM-USER-TOKEN: eyJ[redacted]".into(),
            ),
            (format!("é{jwt} ü"), "éeyJ[redacted] ü".into()),
            (
                "SLURM_JWT=eyJhbGciOiJub25lIn0.eyJzdW4iOiJtZSJ9. end".into(),
                "SLURM_JWT=eyJ[redacted] end".into(),
            ),
        ] {
            assert_eq!(redact(&given), expected, "{given}");
        }
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        for text in [
            "",
            "epoch 3, loss 2.31, 400 tokens/s: één",
            "gptnl_ and vfa_1 are no secrets, nor is the bearer of this",
            "eyJust a word. Another. And another.",
            "x-amz- and X-Amz-Date are names",
            "vfa",
            "e",
            "日本語のログ",
        ] {
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    fn redacting_twice_changes_nothing_more() {
        let once = redact("Bearer abcdefgh vfa_0190a0b0-1111 X-Amz-Date=20261125").into_owned();
        assert_eq!(
            redact(&once),
            "Bearer [redacted] vfa_[redacted] X-Amz-Date=[redacted]"
        );
    }
}
