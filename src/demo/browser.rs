//! A client that signs in and calls the portal as its pages do: cookies, the csrf token, the upload protocol
//! of `static/upload.js`.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, bail, ensure};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;
use uuid::Uuid;

/// A person's browser, as far as the portal can tell.
pub struct Browser {
    portal: Url,
    http: reqwest::Client,
    /// By origin, then by name.
    cookies: BTreeMap<String, BTreeMap<String, String>>,
    csrf: Option<String>,
}

/// What verification said of an uploaded file.
#[derive(Debug, Clone)]
pub struct Uploaded {
    /// The file's id.
    pub id: String,
    /// Documents in it.
    pub documents: i64,
}

impl std::fmt::Display for Uploaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} documents", self.documents)
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Where it sends one on, if it does.
    pub location: Option<String>,
    /// Its body.
    pub text: String,
}

impl Answer {
    /// The body as JSON, where the status says it went well.
    ///
    /// # Errors
    /// With the portal's own words, where it did not.
    pub fn json(self) -> anyhow::Result<Value> {
        ensure!(
            self.status.is_success(),
            "{}: {}",
            self.status,
            self.text.chars().take(600).collect::<String>()
        );
        if self.text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&self.text).context("the answer is no JSON")
    }
}

impl Browser {
    /// One without cookies.
    ///
    /// # Errors
    /// Where the HTTP client cannot be built.
    pub fn new(portal: &Url) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(300))
            .build()?;
        Ok(Self {
            portal: portal.clone(),
            http,
            cookies: BTreeMap::new(),
            csrf: None,
        })
    }

    /// One that holds a session already.
    ///
    /// # Errors
    /// Where the HTTP client cannot be built.
    pub fn with_session(portal: &Url, cookie: &str) -> anyhow::Result<Self> {
        let mut browser = Self::new(portal)?;
        let name = if portal.scheme() == "https" {
            "__Host-session"
        } else {
            "session"
        };
        browser
            .cookies
            .entry(portal.origin().ascii_serialization())
            .or_default()
            .insert(name.to_owned(), cookie.to_owned());
        Ok(browser)
    }

    /// Signs in through the identity provider's own page, with login name and password.
    ///
    /// # Errors
    /// Where a step of the flow does not do what a browser would need.
    pub async fn sign_in(portal: &Url, login: &str, password: &str) -> anyhow::Result<Self> {
        let mut browser = Self::new(portal)?;
        let begun = browser
            .get("/auth/login?return_to=/nl/tasks")
            .await?
            .location
            .context("signing in does not lead to the provider")?;
        let authorize = Url::parse(&begun)?;
        let page = browser.send(Method::GET, authorize.clone(), None).await?;
        ensure!(
            page.status == StatusCode::OK,
            "the provider's page answers {}: {}",
            page.status,
            page.text
        );
        let form = hidden_fields(&page.text);
        let action = authorize.join("/login")?;
        let mut fields: Vec<(&str, &str)> = form
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        fields.extend([("username", login), ("password", password)]);
        let body = serde_html_form::to_string(&fields)?;
        let answer = browser
            .send(Method::POST, action, Some(Body::Form(body)))
            .await?;
        let back = answer
            .location
            .with_context(|| format!("the provider did not accept {login}: {}", answer.status))?;
        let arrived = browser.send(Method::GET, Url::parse(&back)?, None).await?;
        ensure!(
            arrived.status == StatusCode::SEE_OTHER,
            "the portal did not accept the login of {login}: {} {}",
            arrived.status,
            arrived.text
        );
        Ok(browser)
    }

    /// GETs a path of the portal.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        let url = self.portal.join(path)?;
        self.send(Method::GET, url, None).await
    }

    /// Calls the JSON API.
    ///
    /// # Errors
    /// Where there is no answer, or one that is not 2xx.
    pub async fn api(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        self.call(method.clone(), path, body)
            .await?
            .json()
            .with_context(|| format!("{method} {path}"))
    }

    /// Calls the JSON API; any status.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Answer> {
        let url = self.portal.join(path)?;
        self.learn_csrf().await?;
        self.send(method, url, body.map(Body::Json)).await
    }

    /// Sends a form of the pages; any status.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn post_form(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        let url = self.portal.join(path)?;
        let csrf = self.learn_csrf().await?;
        let mut fields = fields.to_vec();
        fields.push(("csrf", &csrf));
        let body = serde_html_form::to_string(&fields)?;
        self.send(Method::POST, url, Some(Body::Form(body))).await
    }

    /// The token of this session's forms.
    ///
    /// # Errors
    /// Where nobody is signed in.
    pub async fn csrf_token(&mut self) -> anyhow::Result<String> {
        self.learn_csrf().await
    }

    /// Sends a body of any kind to one of the pages; any status.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn post_bytes(
        &mut self,
        path: &str,
        content_type: &str,
        bytes: Vec<u8>,
    ) -> anyhow::Result<Answer> {
        let url = self.portal.join(path)?;
        self.learn_csrf().await?;
        let body = Body::Bytes(content_type.to_owned(), bytes);
        self.send(Method::POST, url, Some(body)).await
    }

    /// Uploads one file as the page does: parts with checksums, sent where the portal says; waits until the
    /// portal has verified it.
    ///
    /// # Errors
    /// Where a part is refused or the file is rejected, with the reason.
    pub async fn upload(
        &mut self,
        dataset: Uuid,
        name: &str,
        bytes: &[u8],
    ) -> anyhow::Result<Uploaded> {
        let opened = self
            .api(
                Method::POST,
                &format!("/api/v1/datasets/{dataset}/uploads"),
                Some(json!({
                    "path": name,
                    "size": bytes.len(),
                    "mime": "application/octet-stream",
                    "fingerprint": format!("{name}|{}", bytes.len()),
                })),
            )
            .await?;
        let upload = opened["upload_id"]
            .as_str()
            .context("no upload_id")?
            .to_owned();
        let part_size = usize::try_from(opened["part_size"].as_u64().context("no part_size")?)?;
        let mut tree = Sha256::new();
        let mut parts = Vec::new();
        for (number, part) in (1..).zip(bytes.chunks(part_size)) {
            let digest = Sha256::digest(part);
            tree.update(digest);
            let sha256 = data_encoding::HEXLOWER.encode(&digest);
            let signed = self
                .api(
                    Method::POST,
                    &format!("/api/v1/uploads/{upload}/parts:sign"),
                    Some(
                        json!({ "parts": [{ "n": number, "size": part.len(), "sha256": sha256 }] }),
                    ),
                )
                .await?;
            self.put_part(&signed["urls"][0], part).await?;
            parts.push(json!({ "n": number, "sha256": sha256 }));
        }
        let tree = data_encoding::HEXLOWER.encode(&tree.finalize());
        self.api(
            Method::POST,
            &format!("/api/v1/uploads/{upload}/complete"),
            Some(json!({ "parts": parts, "tree": tree })),
        )
        .await?;
        self.verified(&upload).await
    }

    async fn put_part(&mut self, signed: &Value, part: &[u8]) -> anyhow::Result<()> {
        let url = self
            .portal
            .join(signed["url"].as_str().context("no url for a part")?)?;
        let mut request = self.http.put(url.clone()).body(part.to_vec());
        if let Some(headers) = signed["headers"].as_object() {
            for (name, value) in headers {
                // The length is said by the client itself.
                if !name.eq_ignore_ascii_case("content-length")
                    && !name.eq_ignore_ascii_case("host")
                {
                    request = request.header(name, value.as_str().unwrap_or_default());
                }
            }
        }
        if url.origin() == self.portal.origin() {
            request = request.headers(self.headers_for(&url, true)?);
        }
        let answer = request.send().await?;
        let status = answer.status();
        ensure!(
            status.is_success(),
            "a part was refused with {status}: {}",
            answer.text().await.unwrap_or_default()
        );
        Ok(())
    }

    async fn verified(&mut self, upload: &str) -> anyhow::Result<Uploaded> {
        loop {
            let state = self
                .api(Method::GET, &format!("/api/v1/uploads/{upload}"), None)
                .await?;
            match state["state"].as_str() {
                Some("ready") => {
                    return Ok(Uploaded {
                        id: upload.to_owned(),
                        documents: state["documents"].as_i64().unwrap_or_default(),
                    });
                }
                Some("rejected" | "aborted") => bail!("the file was not accepted: {state}"),
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    async fn learn_csrf(&mut self) -> anyhow::Result<String> {
        if let Some(csrf) = &self.csrf {
            return Ok(csrf.clone());
        }
        let page = self.get("/nl/tasks").await?;
        let csrf = between(&page.text, "<meta name=\"csrf-token\" content=\"", "\"")
            .filter(|token| !token.is_empty())
            .context("the page holds no csrf token: not signed in?")?
            .to_owned();
        self.csrf = Some(csrf.clone());
        Ok(csrf)
    }

    fn headers_for(&self, url: &Url, is_change: bool) -> anyhow::Result<header::HeaderMap> {
        let mut headers = header::HeaderMap::new();
        let jar = self.cookies.get(&url.origin().ascii_serialization());
        let cookies: Vec<String> = jar
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            headers.insert(header::COOKIE, cookies.join("; ").parse()?);
        }
        headers.insert(header::ACCEPT_LANGUAGE, "nl".parse()?);
        if is_change {
            headers.insert(header::ORIGIN, url.origin().ascii_serialization().parse()?);
            if let Some(csrf) = &self.csrf {
                headers.insert("x-csrf-token", csrf.parse()?);
            }
        }
        Ok(headers)
    }

    async fn send(
        &mut self,
        method: Method,
        url: Url,
        body: Option<Body>,
    ) -> anyhow::Result<Answer> {
        let is_change = method != Method::GET;
        let mut request = self
            .http
            .request(method, url.clone())
            .headers(self.headers_for(&url, is_change)?);
        request = match body {
            Some(Body::Json(json)) => request.json(&json),
            Some(Body::Form(form)) => request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form),
            Some(Body::Bytes(kind, bytes)) => {
                request.header(header::CONTENT_TYPE, kind).body(bytes)
            }
            None => request,
        };
        let answer = request.send().await?;
        let jar = self
            .cookies
            .entry(url.origin().ascii_serialization())
            .or_default();
        for cookie in answer.headers().get_all(header::SET_COOKIE) {
            let Some((name, rest)) = cookie.to_str().unwrap_or_default().split_once('=') else {
                continue;
            };
            let value = rest.split(';').next().unwrap_or_default();
            if value.is_empty() {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(Answer {
            status: answer.status(),
            location: answer
                .headers()
                .get(header::LOCATION)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
            text: answer.text().await?,
        })
    }
}

enum Body {
    Json(Value),
    Form(String),
    Bytes(String, Vec<u8>),
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(found, _)| found)
}

/// The hidden fields of the first form.
fn hidden_fields(page: &str) -> Vec<(String, String)> {
    let form = between(page, "<form", "</form>").unwrap_or_default();
    form.split("<input")
        .filter(|input| input.contains("type=\"hidden\""))
        .filter_map(|input| {
            let name = between(input, "name=\"", "\"")?;
            let value = between(input, "value=\"", "\"")?;
            Some((name.to_owned(), value.to_owned()))
        })
        .collect()
}
