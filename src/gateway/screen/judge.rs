//! Asks the service of an institution what it thinks of texts, in the form of OpenAI's `/v1/moderations`.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::{
    ids::{InstitutionId, RequestId},
    rights_checks::Fetcher,
    safeguards::{Hook, OnFailure, token},
};

const PATIENCE: Duration = Duration::from_secs(5);
const MOST_ANSWER_BYTES: usize = 256 * 1024;
/// A longer text is judged in parts of so many bytes, which overlap by [`OVERLAP`].
const PART: usize = 16 * 1024;
const OVERLAP: usize = 256;

/// Reaches the services of institutions.
pub(in crate::gateway) struct Judges {
    fetcher: Fetcher,
    secret: SecretString,
}

/// One institution's service, for one request.
pub(super) struct Judge {
    fetcher: Fetcher,
    /// None: it is no address that may be asked.
    url: Option<Url>,
    token: String,
    request: RequestId,
    on_failure: OnFailure,
}

/// What is thought of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    Pass,
    Flagged,
    /// Nobody said, and it is not to pass then.
    Unknown,
}

#[derive(Deserialize)]
struct Answer {
    results: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    flagged: bool,
}

impl Judges {
    pub(in crate::gateway) fn new(fetcher: Fetcher, secret: SecretString) -> Self {
        Self { fetcher, secret }
    }

    /// The service of an institution.
    pub(super) fn of(
        &self,
        institution: InstitutionId,
        hook: &Hook,
        request: RequestId,
    ) -> Arc<Judge> {
        Arc::new(Judge {
            fetcher: self.fetcher.clone(),
            url: self.fetcher.parse(&hook.url).ok(),
            token: token(&self.secret, institution, hook.generation),
            request,
            on_failure: hook.on_failure,
        })
    }
}

impl Judge {
    /// What the service thinks of these texts; nothing is asked where there are none.
    pub(super) async fn judge(&self, texts: &[String]) -> Judgement {
        let input = parts(texts);
        if input.is_empty() {
            return Judgement::Pass;
        }
        match self.ask(&input).await {
            Ok(true) => Judgement::Flagged,
            Ok(false) => Judgement::Pass,
            Err(why) => self.failed(why),
        }
    }

    /// What is to be thought of texts that the service does not judge.
    pub(super) fn failed(&self, why: &'static str) -> Judgement {
        tracing::warn!(request = %self.request, why, "a moderation service did not judge");
        match self.on_failure {
            OnFailure::Refuse => Judgement::Unknown,
            OnFailure::Pass => Judgement::Pass,
        }
    }

    async fn ask(&self, input: &[String]) -> Result<bool, &'static str> {
        let url = self.url.as_ref().ok_or("address")?;
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("authorization", format!("Bearer {}", self.token)),
            ("x-request-id", self.request.to_string()),
        ];
        let body = json!({ "input": input }).to_string().into_bytes();
        let bounds = (MOST_ANSWER_BYTES, PATIENCE);
        let asked = self.fetcher.ask(url, &headers, body, bounds).await;
        let (status, body) = asked.map_err(|error| error.code())?;
        if !(200..300).contains(&status) {
            return Err("status");
        }
        let answer: Answer =
            serde_json::from_slice(&body.ok_or("too long")?).map_err(|_| "form")?;
        if answer.results.len() != input.len() {
            return Err("results");
        }
        Ok(answer.results.iter().any(|one| one.flagged))
    }
}

/// Texts in parts that a service can take; short ones together.
fn parts(texts: &[String]) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for text in texts.iter().filter(|text| !text.trim().is_empty()) {
        match parts.last_mut() {
            Some(last) if last.len() + text.len() < PART => {
                last.push('\n');
                last.push_str(text);
            }
            _ => cut(text, &mut parts),
        }
    }
    parts
}

fn cut(text: &str, parts: &mut Vec<String>) {
    let boundary = |mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let mut begin = 0;
    loop {
        let end = boundary((begin + PART).min(text.len()));
        parts.push(text.get(begin..end).unwrap_or_default().to_owned());
        if end == text.len() {
            return;
        }
        begin = boundary(end - OVERLAP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sign_of_a_long_text_is_in_a_part() {
        let long: String = "é".repeat(20_000);
        let parts = parts(&["kort".into(), String::new(), "ook".into(), long.clone()]);
        assert_eq!(parts[0], "kort\nook");
        assert!(parts.iter().all(|part| part.len() <= PART));
        let (first, rest) = (parts[1].len(), &parts[2..]);
        let told: usize = first + rest.iter().map(|part| part.len() - OVERLAP).sum::<usize>();
        assert_eq!(told, long.len());
    }
}
