//! Slurm through slurmrestd.
//!
//! Its answers are not mapped by their HTTP code alone: version 22.05 answers 500 for a token that ran out, for a job
//! that it does not know and for a controller that is away (after 18 seconds) alike.

mod marked;
mod plain;
mod read;
mod version;

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use tokio::sync::Mutex;

use self::version::{Shape, Version};
use super::{
    config::RestSettings,
    fault,
    record::Record,
    script::Request,
    token::{Token, Tokens, now},
    transport::Queue,
};
use crate::{ComputeError, Refusal, Trouble};

/// An answer that takes longer is none: slurmrestd itself waits 18 seconds for a controller that is away.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a job finds programs in; slurmrestd passes on no environment of its own.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";
/// Slurm's number for a job that it does not know.
const NO_SUCH_JOB: i64 = 2017;

/// slurmrestd.
pub(super) struct Rest {
    client: Client,
    settings: RestSettings,
    tokens: Tokens,
    version: Mutex<Option<Version>>,
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    body: Value,
}

impl Answer {
    /// Slurm's own error, where the answer names one that says something.
    fn error(&self) -> Option<(i64, String)> {
        read::error(&self.body).filter(|(code, _)| *code > 0)
    }

    fn complaint(&self) -> String {
        match read::error(&self.body) {
            Some((code, words)) => fault::told(&format!("{words} ({code})")),
            None => format!("slurmrestd answered {}", self.status),
        }
    }
}

impl Rest {
    /// # Errors
    /// Where there can be no client.
    pub(super) fn new(settings: RestSettings) -> Result<Self, String> {
        let client = Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| error.to_string())?;
        let is_http = settings.url.starts_with("http://") || settings.url.starts_with("https://");
        if !is_http {
            return Err("slurm.rest.url: is not an address".to_owned());
        }
        Ok(Self {
            client,
            tokens: Tokens::new(settings.clone()),
            settings,
            version: Mutex::default(),
        })
    }

    async fn send(
        &self,
        token: &Token,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, ComputeError> {
        let url = format!("{}/{path}", self.settings.url.trim_end_matches('/'));
        let mut request = self
            .client
            .request(method.clone(), url)
            .header("X-SLURM-USER-NAME", &self.settings.user)
            .header("X-SLURM-USER-TOKEN", token.secret());
        if let Some(body) = body {
            request = request.json(body);
        }
        let failed = |error: reqwest::Error| {
            let what = if error.is_timeout() {
                "slurmrestd does not answer in time"
            } else {
                "slurmrestd cannot be reached"
            };
            tracing::debug!(%error, "{what}");
            fault::unreachable(what)
        };
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let text = response.bytes().await.map_err(failed)?;
        let body = serde_json::from_slice(&text).unwrap_or(Value::Null);
        Ok(Answer { status, body })
    }

    /// Sends with a token that is good for something, or says that there is none.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, ComputeError> {
        let mut token = self.tokens.get().await?;
        let mut answer = self.send(&token, &method, path, body).await?;
        if Self::may_be_token(&answer, &token) {
            if let Some(other) = self.tokens.instead_of(&token).await? {
                token = other;
                answer = self.send(&token, &method, path, body).await?;
            }
            if Self::may_be_token(&answer, &token) {
                return Err(Self::why_refused(&answer, &token));
            }
        }
        Ok(answer)
    }

    /// Whether the answer may mean that the token is not liked.
    fn may_be_token(answer: &Answer, token: &Token) -> bool {
        let is_auth = matches!(answer.status.as_u16(), 401 | 403 | 511);
        let says_nothing = answer.status.is_server_error() && answer.error().is_none();
        is_auth || says_nothing || (token.is_expired(now()) && !answer.status.is_success())
    }

    /// What stands in the way, where another token does not help. Version 22.05 answers a token that somebody changed
    /// like a controller that is away; only for one that has run out by its own word, the reason is known.
    fn why_refused(answer: &Answer, token: &Token) -> ComputeError {
        if token.is_expired(now()) {
            Trouble::Credentials("the token has run out".to_owned()).into()
        } else if matches!(answer.status.as_u16(), 401 | 403 | 511) {
            Trouble::Credentials(answer.complaint()).into()
        } else {
            fault::unreachable(answer.complaint())
        }
    }

    /// The newest version that both sides know.
    async fn version(&self) -> Result<Version, ComputeError> {
        let mut known = self.version.lock().await;
        if let Some(version) = *known {
            return Ok(version);
        }
        for version in Version::KNOWN {
            let answer = self.call(Method::GET, &version.path("ping"), None).await?;
            if answer.status.is_success() {
                tracing::info!(version = version.0, url = %self.settings.url, "slurmrestd speaks");
                *known = Some(version);
                return Ok(version);
            }
            if answer.status != StatusCode::NOT_FOUND {
                return Err(fault::unreachable(answer.complaint()));
            }
        }
        Err(Trouble::Settings("slurmrestd speaks no version that is known here".to_owned()).into())
    }

    /// All jobs that Slurm has in mind: it can be asked for one id, or for all.
    async fn jobs(&self) -> Result<Value, ComputeError> {
        let version = self.version().await?;
        let answer = self.call(Method::GET, &version.path("jobs"), None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            // It was another version when we asked; the next call finds out.
            *self.version.lock().await = None;
        }
        if answer.status.is_success() {
            Ok(answer.body)
        } else {
            Err(fault::unreachable(answer.complaint()))
        }
    }
}

#[async_trait]
impl Queue for Rest {
    async fn named(&self, names: &[String]) -> Result<Vec<Record>, ComputeError> {
        let mut records = read::queue(&self.jobs().await?, &self.settings.user);
        records.retain(|record| names.contains(&record.name));
        Ok(records)
    }

    async fn active(&self) -> Result<Vec<Record>, ComputeError> {
        let mut records = read::queue(&self.jobs().await?, &self.settings.user);
        records.retain(Record::is_active);
        Ok(records)
    }

    async fn history(&self, names: &[String]) -> Result<Vec<Record>, ComputeError> {
        let version = self.version().await?;
        let mut records = Vec::new();
        for name in names {
            let path = version.accounts_path(&format!("jobs?job_name={name}"));
            let token = self.tokens.get().await?;
            let answer = self.send(&token, &Method::GET, &path, None).await?;
            if answer.status == StatusCode::NOT_FOUND
                || answer.complaint().contains("storage is disabled")
            {
                return Ok(Vec::new());
            }
            if !answer.status.is_success() {
                return Err(fault::unreachable(answer.complaint()));
            }
            records.extend(read::accounts(&answer.body, &self.settings.user));
        }
        records.retain(|record| names.contains(&record.name));
        Ok(records)
    }

    async fn waiting(&self, partition: &str) -> Result<Vec<u64>, ComputeError> {
        Ok(read::waiting(&self.jobs().await?, partition))
    }

    async fn submit(&self, request: &Request) -> Result<u64, ComputeError> {
        let version = self.version().await?;
        let body = match version.shape() {
            Shape::Plain => plain::submission(request),
            Shape::Marked => marked::submission(request),
        };
        let answer = self
            .call(Method::POST, &version.path("job/submit"), Some(&body))
            .await?;
        let id = answer
            .body
            .get("job_id")
            .and_then(read::number)
            .unwrap_or(0);
        // One that waits for its partition has an id and an error beside it.
        match u64::try_from(id) {
            Ok(id) if id > 0 && answer.status.is_success() => Ok(id),
            _ => Err(match answer.error() {
                Some((_, words)) => fault::of_submission(
                    1,
                    &format!("sbatch: error: Batch job submission failed: {words}"),
                ),
                None if answer.status.is_client_error() => {
                    Refusal::Scheduler(answer.complaint()).into()
                }
                None => fault::unreachable(answer.complaint()),
            }),
        }
    }

    async fn cancel(&self, ids: &[u64]) -> Result<(), ComputeError> {
        let version = self.version().await?;
        for id in ids {
            let path = version.path(&format!("job/{id}"));
            let answer = self.call(Method::DELETE, &path, None).await?;
            let is_gone = answer.status == StatusCode::NOT_FOUND
                || answer
                    .error()
                    .is_some_and(|(code, words)| code == NO_SUCH_JOB || words.contains("already"));
            if !answer.status.is_success() && !is_gone {
                return Err(fault::unreachable(answer.complaint()));
            }
        }
        Ok(())
    }
}
