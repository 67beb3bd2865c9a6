//! Somebody who is not signed in, with a browser.

use reqwest::{StatusCode, header};
use url::Url;

use super::TestApp;

/// A visitor's browser.
pub(crate) struct Visitor {
    http: reqwest::Client,
    portal: Url,
    /// What the browser says it comes from.
    pub(crate) origin: String,
}

/// What the public form is filled in with.
pub(crate) type Fields<'a> = Vec<(&'a str, &'a str)>;

/// What a visitor is told once, after sending the form.
#[derive(Debug, Clone)]
pub(crate) struct Filed {
    pub(crate) number: String,
    pub(crate) code: String,
}

/// A request that is right, but for what a test replaces.
pub(crate) fn request<'a>(changes: &[(&'a str, &'a str)]) -> Fields<'a> {
    let mut fields = vec![
        ("kind", "erasure"),
        ("capacity", "self"),
        ("name", "Jan-Willem de Vries"),
        ("email", "jan@voorbeeld.example"),
        ("request", "Haal mijn naam uit de notulen."),
        ("works", ""),
        ("terms", ""),
    ];
    for (name, value) in changes {
        for field in &mut fields {
            if field.0 == *name {
                field.1 = value;
            }
        }
    }
    fields
}

impl Visitor {
    pub(crate) fn new(app: &TestApp) -> Self {
        Self {
            http: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            portal: app.url.clone(),
            origin: app.url.origin().ascii_serialization(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer = self
            .http
            .get(self.portal.join(path).unwrap())
            .send()
            .await
            .unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// Sends a form as a browser does.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> (StatusCode, String) {
        let body = serde_html_form::to_string(fields).unwrap();
        let kind = "application/x-www-form-urlencoded".to_owned();
        self.send(path, kind, body.into_bytes()).await
    }

    pub(crate) async fn post_json(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> (StatusCode, String) {
        self.send(
            path,
            "application/json".to_owned(),
            body.to_string().into_bytes(),
        )
        .await
    }

    async fn send(&self, path: &str, kind: String, body: Vec<u8>) -> (StatusCode, String) {
        let answer = self
            .http
            .post(self.portal.join(path).unwrap())
            .header(header::ORIGIN, &self.origin)
            .header(header::CONTENT_TYPE, kind)
            .body(body)
            .send()
            .await
            .unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// The token of a form that was opened now.
    pub(crate) async fn token(&self) -> String {
        let (status, page) = self.get("/nl/complaints/new").await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    /// Sends the public form in parts.
    pub(crate) async fn file_with(
        &self,
        token: &str,
        fields: &[(&str, &str)],
        evidence: Option<(&str, &[u8])>,
    ) -> (StatusCode, String) {
        const EDGE: &str = "----edge-of-the-tests";
        let mut body = Vec::new();
        let mut part = |head: String, bytes: &[u8]| {
            body.extend_from_slice(
                format!("--{EDGE}\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes(),
            );
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        };
        part("name=\"csrf\"".into(), token.as_bytes());
        for (name, value) in fields {
            part(format!("name=\"{name}\""), value.as_bytes());
        }
        if let Some((name, bytes)) = evidence {
            part(
                format!(
                    "name=\"evidence\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream"
                ),
                bytes,
            );
        }
        body.extend_from_slice(format!("--{EDGE}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={EDGE}");
        self.send("/nl/complaints/new", kind, body).await
    }

    /// Fills the form in and sends it; answers number and code.
    pub(crate) async fn file(&self, fields: &[(&str, &str)]) -> Filed {
        let token = self.token().await;
        let (status, page) = self.file_with(&token, fields, None).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        filed(&page)
    }

    /// The page of one's own case.
    pub(crate) async fn follow(&self, filed: &Filed) -> (StatusCode, String) {
        let key = [
            ("number", filed.number.as_str()),
            ("code", filed.code.as_str()),
        ];
        self.post("/nl/complaints/follow", &key).await
    }
}

pub(crate) fn filed(page: &str) -> Filed {
    let between = |from: &str| {
        let (_, rest) = page
            .split_once(from)
            .unwrap_or_else(|| panic!("{from} in {page}"));
        rest.split('<').next().unwrap().to_owned()
    };
    Filed {
        number: between("id=\"case-number\">"),
        code: between("id=\"case-code\">"),
    }
}
