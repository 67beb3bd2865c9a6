//! Calls to the portal, tried again while it is away.

use std::time::{Duration, Instant};

use job_contract::{
    ArtifactRequest, ArtifactUpload, EventAnswer, EventBatch, GrantRequest, Outcome, ReadGrant,
    Refusal,
};
use reqwest::{Method, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::stop::{Stop, StopSign};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// Longest answer that is read; a spec with thousands of files stays below.
const MOST_ANSWER_BYTES: usize = 16 << 20;

/// Why a call gave no answer to work with.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error(transparent)]
    Stop(#[from] Stop),
    #[error("the portal rejects the request ({status}): {message}")]
    Rejected {
        /// HTTP status.
        status: StatusCode,
        message: String,
    },
    #[error("the portal's answer is not what the contract says: {0}")]
    Answer(String),
}

/// One attempt's door to the portal.
#[derive(Debug)]
pub struct Portal {
    http: reqwest::Client,
    base: String,
    attempt: Uuid,
    token: String,
    patience: Duration,
    sign: StopSign,
}

impl Portal {
    /// `url` is the portal's address; calls are tried again for `patience` before they give up.
    ///
    /// # Errors
    /// Where the HTTP client cannot be made.
    pub fn new(
        url: &str,
        attempt: Uuid,
        token: String,
        patience: Duration,
        sign: StopSign,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            http: http_client()?,
            base: format!(
                "{}/internal/v1/attempts/{attempt}",
                url.trim_end_matches('/')
            ),
            attempt,
            token,
            patience,
            sign,
        })
    }

    /// The attempt that is worked on.
    pub fn attempt(&self) -> Uuid {
        self.attempt
    }

    /// How long to try before giving up.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// The client for addresses that the portal hands out; the token stays out of those requests.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// True where the process was told to end, so that nothing is waited for any more.
    pub fn must_hurry(&self) -> bool {
        self.sign.check() == Err(Stop::Terminated)
    }

    /// The job, not yet taken apart: its version decides how.
    pub async fn spec(&self) -> Result<serde_json::Value, CallError> {
        self.call(Method::GET, "spec", None::<&()>).await
    }

    /// Leave to read one file now.
    pub async fn grant(&self, file: Uuid) -> Result<ReadGrant, CallError> {
        self.call(Method::POST, "grants", Some(&GrantRequest { file }))
            .await
    }

    /// Tells what happened; hears whether to go on.
    pub async fn events(&self, batch: &EventBatch) -> Result<EventAnswer, CallError> {
        self.call(Method::POST, "events", Some(batch)).await
    }

    /// A place for a file.
    pub async fn artifact(&self, request: &ArtifactRequest) -> Result<ArtifactUpload, CallError> {
        self.call(Method::POST, "artifacts", Some(request)).await
    }

    /// The end of the attempt.
    pub async fn finish(&self, outcome: &Outcome) -> Result<(), CallError> {
        let answer = self.answer(Method::POST, "finish", Some(outcome)).await?;
        drop(answer);
        Ok(())
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, CallError> {
        let answer = self.answer(method, path, body).await?;
        serde_json::from_slice(&answer).map_err(|error| CallError::Answer(error.to_string()))
    }

    /// Sends until there is an answer that another try would not change.
    async fn answer(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Vec<u8>, CallError> {
        let mut pauses = Pauses::new(self.patience);
        loop {
            let problem = match self.once(method.clone(), path, body).await {
                Ok((status, answer)) if status.is_success() => return Ok(answer),
                Ok((status, answer)) => match verdict(status, &answer) {
                    Some(error) => return Err(error),
                    None => format!("it answers {status}"),
                },
                Err(error) => format!("{error:#}"),
            };
            tracing::warn!(path, problem, "the portal cannot be used, trying again");
            // A process that was told to end does not wait for a portal that is away.
            if self.must_hurry() {
                return Err(Stop::Terminated.into());
            }
            if !pauses.pause().await {
                let message = format!(
                    "the portal could not be reached for {:?}: {problem}",
                    self.patience
                );
                return Err(Stop::Unreachable(message).into());
            }
        }
    }

    async fn once(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<(StatusCode, Vec<u8>), reqwest::Error> {
        let mut request = self
            .http
            .request(method, format!("{}/{path}", self.base))
            .timeout(Duration::from_secs(60))
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if answer.len() + chunk.len() > MOST_ANSWER_BYTES {
                break;
            }
            answer.extend_from_slice(&chunk);
        }
        Ok((status, answer))
    }
}

/// What a status means that is not success; none where another try may help.
fn verdict(status: StatusCode, answer: &[u8]) -> Option<CallError> {
    let refusal: Option<Refusal> = serde_json::from_slice(answer).ok();
    let message = match &refusal {
        Some(refusal) if refusal.rules.is_empty() => {
            format!("{} ({})", refusal.message, refusal.code)
        }
        Some(refusal) => format!(
            "{} ({}: {})",
            refusal.message,
            refusal.code,
            refusal.rules.join(", ")
        ),
        None => format!("the portal answers {status}"),
    };
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Some(Stop::Refused(message).into()),
        StatusCode::CONFLICT => Some(Stop::Ended.into()),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => None,
        status if status.is_client_error() => Some(CallError::Rejected { status, message }),
        _ => None,
    }
}

fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        // Between two pieces of an answer; a large file as a whole may take longer.
        .read_timeout(Duration::from_secs(60))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("faculty-training/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Pauses that grow, until patience ends.
#[derive(Debug)]
pub struct Pauses {
    next: Duration,
    end: Instant,
}

impl Pauses {
    /// Starts counting now.
    pub fn new(patience: Duration) -> Self {
        Self {
            next: FIRST_PAUSE,
            end: Instant::now() + patience,
        }
    }

    /// Waits a little longer than last time; false, at once, where patience has ended.
    pub async fn pause(&mut self) -> bool {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        // Many jobs lose the portal at once; they should not come back at once.
        let spread = rand::random_range(0.5..1.0);
        tokio::time::sleep(self.next.mul_f64(spread).min(left)).await;
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        true
    }
}
