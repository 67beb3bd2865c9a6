//! What a person does in a browser.

use std::collections::HashMap;

use reqwest::{Client, header};
use url::Url;

use crate::given::CALLBACK;

/// What comes back at the callback.
#[derive(Debug)]
pub(crate) struct Back {
    pub(crate) code: String,
    pub(crate) state: String,
}

/// A sign-in page in a browser.
pub(crate) struct SignInPage {
    web: Client,
    action: String,
    request: String,
    pub(crate) csrf: String,
    pub(crate) cookie: String,
    pub(crate) html: String,
}

impl SignInPage {
    /// Finds the form's hidden fields in the page.
    pub(crate) fn read(web: Client, action: String, cookie: String, html: String) -> Self {
        Self {
            web,
            action,
            request: hidden(&html, "request"),
            csrf: hidden(&html, "csrf"),
            cookie,
            html,
        }
    }

    pub(crate) async fn post(&self, fields: &[(&str, &str)]) -> Answer {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        form.append_pair("request", &self.request);
        form.append_pair("csrf", &self.csrf);
        let response = self
            .web
            .post(&self.action)
            .header(header::COOKIE, &self.cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.finish())
            .send()
            .await
            .unwrap();
        Answer {
            status: response.status().as_u16(),
            location: response
                .headers()
                .get(header::LOCATION)
                .map(|location| location.to_str().unwrap().to_owned()),
            html: response.text().await.unwrap(),
        }
    }
}

/// What the provider answers to a posted form.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) html: String,
}

impl Answer {
    /// The code and state at the application's callback.
    pub(crate) fn back(&self) -> Back {
        assert_eq!(self.status, 303, "{}", self.html);
        let location = Url::parse(self.location.as_deref().unwrap()).unwrap();
        assert!(location.as_str().starts_with(CALLBACK));
        let mut query: HashMap<String, String> = location.query_pairs().into_owned().collect();
        Back {
            code: query.remove("code").unwrap(),
            state: query.remove("state").unwrap(),
        }
    }
}

/// The value of a hidden field.
fn hidden(html: &str, name: &str) -> String {
    let marker = format!("name=\"{name}\" value=\"");
    let (_, rest) = html.split_once(&marker).unwrap();
    rest.split('"').next().unwrap().to_owned()
}
