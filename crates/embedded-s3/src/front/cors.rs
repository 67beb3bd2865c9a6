//! CORS: which pages of other origins may call, by the bucket's rules or the server's default origins.

use http::{HeaderMap, HeaderName, HeaderValue, Request, header};

use crate::store::{Store, StoreError, record::CorsRule};

/// How long a browser may keep the answer to a preflight, in seconds, by default.
const MAX_AGE_SECONDS: i32 = 3000;

/// The rules of all buckets.
pub(super) struct Cors {
    store: Store,
    default_rules: Vec<CorsRule>,
}

/// What a request with an `Origin` may do; without one there is nothing to judge.
pub(super) enum Verdict {
    NoOrigin,
    Refused,
    Allowed(Vec<(HeaderName, HeaderValue)>),
}

impl Cors {
    pub(super) fn new(store: Store, origins: Vec<String>) -> Self {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        let rule = CorsRule {
            id: None,
            origins,
            methods: texts(&["GET", "HEAD", "PUT", "POST", "DELETE"]),
            headers: texts(&["*"]),
            expose: texts(&[
                "ETag",
                "x-amz-checksum-sha256",
                "x-amz-version-id",
                "x-amz-request-id",
            ]),
            max_age_seconds: Some(MAX_AGE_SECONDS),
        };
        Self {
            store,
            default_rules: vec![rule],
        }
    }

    /// Judges a preflight, or an actual request from another origin.
    pub(super) async fn judge<B>(&self, request: &Request<B>) -> Verdict {
        let headers = request.headers();
        let Some(origin) = text(headers, &header::ORIGIN) else {
            return Verdict::NoOrigin;
        };
        let asked = text(headers, &header::ACCESS_CONTROL_REQUEST_METHOD);
        let is_preflight = request.method() == http::Method::OPTIONS;
        let method = match (is_preflight, asked) {
            (true, Some(asked)) => asked,
            (true, None) => return Verdict::Refused,
            (false, _) => request.method().as_str(),
        };
        let wanted = text(headers, &header::ACCESS_CONTROL_REQUEST_HEADERS);
        let wanted: Vec<&str> = match wanted {
            Some(wanted) if is_preflight => wanted.split(',').map(str::trim).collect(),
            _ => Vec::new(),
        };
        let Some(rules) = self.rules(request.uri().path()).await else {
            return Verdict::Refused;
        };
        let rule = rules
            .iter()
            .find(|rule| allows(rule, origin, method, &wanted));
        match rule {
            Some(rule) => Verdict::Allowed(answer(rule, origin, is_preflight.then_some(&wanted))),
            None => Verdict::Refused,
        }
    }

    async fn rules(&self, path: &str) -> Option<Vec<CorsRule>> {
        let name = path.trim_start_matches('/').split('/').next()?;
        match self.store.bucket(name.to_owned()).await {
            Ok(bucket) => Some(bucket.cors.unwrap_or_else(|| self.default_rules.clone())),
            // So that a page of ours can read why: the bucket is not there.
            Err(StoreError::NoSuchBucket) => Some(self.default_rules.clone()),
            Err(error) => {
                tracing::error!(error = ?error, "the CORS rules could not be read");
                None
            }
        }
    }
}

impl Verdict {
    pub(super) fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }

    /// Adds the headers that tell the browser.
    pub(super) fn mark(self, headers: &mut HeaderMap) {
        if let Self::Allowed(given) = self {
            for (name, value) in given {
                headers.append(name, value);
            }
        }
    }
}

fn allows(rule: &CorsRule, origin: &str, method: &str, headers: &[&str]) -> bool {
    let fits = |patterns: &[String], text: &str| {
        let text = text.to_ascii_lowercase();
        let mut patterns = patterns.iter();
        patterns.any(|pattern| matches_pattern(&pattern.to_ascii_lowercase(), &text))
    };
    fits(&rule.origins, origin)
        && rule.methods.iter().any(|allowed| allowed == method)
        && headers.iter().all(|header| fits(&rule.headers, header))
}

/// Whether `text` fits a pattern with at most one `*`.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => {
            text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
        }
    }
}

/// The headers for a rule that fits; `wanted` are the headers that a preflight asks for.
fn answer(
    rule: &CorsRule,
    origin: &str,
    wanted: Option<&Vec<&str>>,
) -> Vec<(HeaderName, HeaderValue)> {
    let is_open = rule.origins.iter().any(|allowed| allowed == "*");
    let mut all = vec![(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        if is_open { "*" } else { origin }.to_owned(),
    )];
    let vary = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";
    all.push((header::VARY, vary.to_owned()));
    let methods = rule.methods.join(", ");
    all.push((header::ACCESS_CONTROL_ALLOW_METHODS, methods));
    if !rule.expose.is_empty() {
        let expose = rule.expose.join(", ");
        all.push((header::ACCESS_CONTROL_EXPOSE_HEADERS, expose));
    }
    if let Some(wanted) = wanted {
        if !wanted.is_empty() {
            all.push((header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.join(", ")));
        }
        let age = rule.max_age_seconds.unwrap_or(MAX_AGE_SECONDS);
        all.push((header::ACCESS_CONTROL_MAX_AGE, age.to_string()));
    }
    let value = |(name, text): (HeaderName, String)| Some((name, text.parse().ok()?));
    all.into_iter().filter_map(value).collect()
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::matches_pattern;

    #[test]
    fn a_star_stands_for_any_text_once() {
        assert!(matches_pattern("*", "https://a.example"));
        assert!(matches_pattern("https://*.example", "https://a.example"));
        assert!(!matches_pattern("https://*.example", "https://a.other"));
        assert!(!matches_pattern("aba*aba", "aba"), "the ends overlap");
        assert!(!matches_pattern(
            "https://a.example",
            "https://a.example.evil"
        ));
    }
}
