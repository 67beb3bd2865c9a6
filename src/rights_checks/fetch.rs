//! Fetches from the web for a check, and from nowhere else: each address is looked at when its name has been
//! resolved and the connection goes to exactly those; each redirect begins anew; what comes is bounded.

use std::{
    error::Error as _,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use reqwest::{
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION},
    redirect::Policy,
};
use url::Url;

use super::{
    address::{Reach, Refused, check, is_public, parse},
    robots::AGENT,
};

const CONNECT: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(15);
const MOST_REDIRECTS: usize = 5;
/// So long a connection is kept for the next question: less than servers keep theirs, many of them five seconds.
const KEPT: Duration = Duration::from_secs(4);
/// So many are kept to one server.
const MOST_KEPT: usize = 64;

/// Asks the web, within bounds.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: reqwest::Client,
    /// Keeps its connections, for services that are asked again and again.
    keeping: reqwest::Client,
    reach: Reach,
}

/// What came.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Where it came from, after redirects.
    pub url: Url,
    /// The status of the answer.
    pub status: u16,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body, as far as it was read.
    pub body: Vec<u8>,
    /// Whether there was more.
    pub is_cut: bool,
}

impl Fetched {
    /// One header field as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// What kind of thing it is said to be, without parameters.
    #[must_use]
    pub fn media_type(&self) -> String {
        self.headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map_or_else(String::new, |kind| kind.trim().to_ascii_lowercase())
    }
}

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("there were more than {MOST_REDIRECTS} redirects")]
    Redirects,
    #[error("the answer is compressed, and it was asked not to be")]
    Compressed,
    #[error("there was no answer in time")]
    Timeout,
    #[error("no connection could be made")]
    Connect(#[source] reqwest::Error),
    #[error("the answer broke off")]
    Broken(#[source] reqwest::Error),
}

impl FetchError {
    /// The code in the database and in texts (`rights-problem-{code}`).
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(why) => why.code(),
            Self::Redirects => "redirects",
            Self::Compressed => "compressed",
            Self::Timeout => "timeout",
            Self::Connect(_) => "connect",
            Self::Broken(_) => "broken",
        }
    }
}

/// Resolves names, and answers nothing where one of the addresses is not public.
#[derive(Debug)]
struct PublicOnly(Reach);

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if reach == Reach::Web && !found.iter().all(|address| is_public(address.ip())) {
                return Err(Refused::Inside.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

impl Fetcher {
    /// A fetcher that reaches the web only, unless `allow_private`. `contact` is where people may ask about it.
    ///
    /// # Errors
    /// Where the client cannot be built.
    pub fn new(allow_private: bool, contact: &Url) -> Result<Self, reqwest::Error> {
        let reach = if allow_private {
            Reach::Anything
        } else {
            Reach::Web
        };
        let mut always = HeaderMap::new();
        // Nothing is unpacked here, so nothing can swell.
        always.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let builder = || {
            reqwest::Client::builder()
                .dns_resolver(PublicOnly(reach))
                .redirect(Policy::none())
                // A proxy would resolve names for us, unseen.
                .no_proxy()
                .referer(false)
                .connect_timeout(CONNECT)
                .timeout(WHOLE)
                .default_headers(always.clone())
                .user_agent(format!(
                    "{AGENT}/{} (+{contact})",
                    env!("CARGO_PKG_VERSION")
                ))
        };
        Ok(Self {
            client: builder().pool_max_idle_per_host(0).build()?,
            // The address was looked at when the connection was made, and stays what it is. With HTTP/1 a connection that
            // died unseen fails one question, not all that share it.
            keeping: builder()
                .http1_only()
                .pool_idle_timeout(KEPT)
                .pool_max_idle_per_host(MOST_KEPT)
                .build()?,
            reach,
        })
    }

    /// Whether `text` is an address that it may ask.
    ///
    /// # Errors
    /// [`Refused`] with the reason.
    pub fn parse(&self, text: &str) -> Result<Url, Refused> {
        parse(text, self.reach)
    }

    /// Sends `body` to `url` and answers the status; a redirect is not followed, and of the answer nothing is read.
    ///
    /// # Errors
    /// [`FetchError`]; an answer with any status is no error.
    pub async fn post(
        &self,
        url: &Url,
        headers: &[(&'static str, String)],
        body: String,
    ) -> Result<u16, FetchError> {
        check(url, self.reach)?;
        let mut request = self.client.post(url.clone()).body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let answer = request.send().await.map_err(sorted)?;
        if self.reach == Reach::Web && !answer.remote_addr().is_some_and(|at| is_public(at.ip())) {
            return Err(Refused::Inside.into());
        }
        Ok(answer.status().as_u16())
    }

    /// Sends `body` to `url` and reads at most `most` bytes of the answer, all within `patience`; a redirect is not followed.
    /// Answers the status with what was read; nothing where there was more. Connections are kept for the next question, and
    /// what was sent on one that ended just then is sent once more: it must be well to be asked twice.
    ///
    /// # Errors
    /// [`FetchError`]; an answer with any status is no error.
    pub async fn ask(
        &self,
        url: &Url,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
        (most, patience): (usize, Duration),
    ) -> Result<(u16, Option<Vec<u8>>), FetchError> {
        check(url, self.reach)?;
        let (begun, body) = (Instant::now(), Bytes::from(body));
        let send = |patience: Duration| {
            let request = self.keeping.post(url.clone()).timeout(patience);
            let mut request = request.body(body.clone());
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            request.send()
        };
        let sent = match send(patience).await {
            Err(error) if has_broken_off(&error) => {
                send(patience.saturating_sub(begun.elapsed())).await
            }
            sent => sent,
        };
        let mut answer = sent.map_err(sorted)?;
        if self.reach == Reach::Web && !answer.remote_addr().is_some_and(|at| is_public(at.ip())) {
            return Err(Refused::Inside.into());
        }
        let status = answer.status().as_u16();
        let mut read = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(sorted_body)? {
            if read.len() + chunk.len() > most {
                return Ok((status, None));
            }
            read.extend_from_slice(&chunk);
        }
        Ok((status, Some(read)))
    }

    /// Gets `url`, following redirects, and reads at most `most` bytes of what comes.
    ///
    /// # Errors
    /// [`FetchError`]; an answer with any status is no error.
    pub async fn get(&self, url: &Url, most: usize) -> Result<Fetched, FetchError> {
        let mut url = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            check(&url, self.reach)?;
            let mut answer = self.client.get(url.clone()).send().await.map_err(sorted)?;
            // What the connection really goes to, whoever resolved the name.
            if self.reach == Reach::Web
                && !answer.remote_addr().is_some_and(|at| is_public(at.ip()))
            {
                return Err(Refused::Inside.into());
            }
            if let Some(next) = redirected(&answer, self.reach)? {
                url = next;
                continue;
            }
            let is_plain = answer
                .headers()
                .get(CONTENT_ENCODING)
                .is_none_or(|encoding| encoding == "identity");
            if !is_plain {
                return Err(FetchError::Compressed);
            }
            let mut body = BytesMut::new();
            let mut is_cut = false;
            while let Some(chunk) = answer.chunk().await.map_err(sorted_body)? {
                let room = most - body.len();
                body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
                if chunk.len() > room {
                    is_cut = true;
                    break;
                }
            }
            return Ok(Fetched {
                url,
                status: answer.status().as_u16(),
                headers: answer.headers().clone(),
                body: body.to_vec(),
                is_cut,
            });
        }
        Err(FetchError::Redirects)
    }
}

/// Where the answer sends us, if it does.
fn redirected(answer: &reqwest::Response, reach: Reach) -> Result<Option<Url>, FetchError> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = answer.headers().get(LOCATION) else {
        return Ok(None);
    };
    let text = location.to_str().map_err(|_| Refused::NotAnAddress)?;
    Ok(Some(next(answer.url(), text, reach)?))
}

/// Where `location` leads from `base`, judged as any address.
fn next(base: &Url, location: &str, reach: Reach) -> Result<Url, Refused> {
    // A whole address is judged as it is written; a path stays at the same host.
    if location.contains("://") {
        return parse(location, reach);
    }
    let url = base.join(location).map_err(|_| Refused::NotAnAddress)?;
    check(&url, reach)?;
    Ok(url)
}

/// Whether a connection ended before an answer came, as kept ones may.
fn has_broken_off(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_connect() && !error.is_timeout()
}

fn sorted(error: reqwest::Error) -> FetchError {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(refused) = inner.downcast_ref::<Refused>() {
            return (*refused).into();
        }
        cause = inner.source();
    }
    if error.is_timeout() {
        FetchError::Timeout
    } else {
        FetchError::Connect(error)
    }
}

fn sorted_body(error: reqwest::Error) -> FetchError {
    if error.is_timeout() {
        FetchError::Timeout
    } else {
        FetchError::Broken(error)
    }
}

#[cfg(test)]
mod tests;
