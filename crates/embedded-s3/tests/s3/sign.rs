//! Signature version 4 by hand, for requests that the client would not send.

use std::time::SystemTime;

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::RequestBuilder;
use sha2::{Digest, Sha256};

use crate::given::{self, ACCESS_KEY, REGION, SECRET_KEY, World};

/// A point in time as signatures write it.
pub(crate) struct SigningTime {
    /// `20261123T220000Z`
    pub(crate) date: String,
    /// `20261123`
    pub(crate) day: String,
}

impl SigningTime {
    pub(crate) fn now() -> Self {
        let time = DateTime::from_secs(DateTime::from(SystemTime::now()).secs());
        let text = time.fmt(DateTimeFormat::DateTime).unwrap();
        let date = text.replace(['-', ':'], "");
        let day = date.split('T').next().unwrap().to_owned();
        Self { date, day }
    }

    pub(crate) fn scope(&self) -> String {
        format!("{}/{REGION}/s3/aws4_request", self.day)
    }

    /// The signature of a text, in hex.
    pub(crate) fn sign(&self, text: &str) -> String {
        let mut key = mac(format!("AWS4{SECRET_KEY}").as_bytes(), &self.day);
        for scope in [REGION, "s3", "aws4_request"] {
            key = mac(&key, scope);
        }
        HEXLOWER.encode(&mac(&key, text))
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// A request with all `headers` signed; one of them must be `x-amz-content-sha256`.
pub(crate) fn request(
    world: &World,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> RequestBuilder {
    let time = SigningTime::now();
    let endpoint = world.server.endpoint();
    let host = endpoint.trim_start_matches("http://").to_owned();
    let mut all = headers.to_vec();
    all.push(("host", &host));
    all.push(("x-amz-date", &time.date));
    all.sort_unstable();
    let lines: String = all
        .iter()
        .map(|it| format!("{}:{}\n", it.0, it.1))
        .collect();
    let names: Vec<_> = all.iter().map(|it| it.0).collect();
    let names = names.join(";");
    let hash = all.iter().find(|it| it.0 == "x-amz-content-sha256");
    let hash = hash.unwrap().1;
    let canonical = format!("{method}\n{path}\n\n{lines}\n{names}\n{hash}");
    let canonical = HEXLOWER.encode(&Sha256::digest(canonical));
    let scope = time.scope();
    let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{canonical}", time.date);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={names}, Signature={}",
        time.sign(&text)
    );
    let mut request = given::http()
        .request(method.parse().unwrap(), format!("{endpoint}{path}"))
        .header("authorization", authorization);
    for (name, value) in all {
        request = request.header(name, value);
    }
    request
}

/// A URL for one minute whose query carries more than the signature.
pub(crate) fn presigned_put(world: &World, path: &str, extra: &[(&str, &str)]) -> String {
    let time = SigningTime::now();
    let endpoint = world.server.endpoint();
    let host = endpoint.trim_start_matches("http://");
    let credential = format!("{ACCESS_KEY}/{}", time.scope());
    let mut query = extra.to_vec();
    query.extend([
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", &time.date),
        ("X-Amz-Expires", "60"),
        ("X-Amz-SignedHeaders", "host"),
    ]);
    query.sort_unstable();
    let encode = |text: &str| {
        let text = text.replace('/', "%2F").replace('+', "%2B");
        text.replace('=', "%3D")
    };
    let pairs = query.iter().map(|it| format!("{}={}", it.0, encode(it.1)));
    let query = pairs.collect::<Vec<_>>().join("&");
    let canonical = format!("PUT\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
    let canonical = HEXLOWER.encode(&Sha256::digest(canonical));
    let scope = time.scope();
    let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{canonical}", time.date);
    let signature = time.sign(&text);
    format!("{endpoint}{path}?{query}&X-Amz-Signature={signature}")
}
