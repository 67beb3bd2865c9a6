//! What a signature must cover, beyond what the protocol crate checks.
//!
//! Every `x-amz-` header that is there must be signed. Otherwise whoever holds a presigned URL for one upload could
//! add `x-amz-copy-source` and have the signer's rights copy any other object.

use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use s3s::{S3Error, S3ErrorCode, s3_error};

/// The one way of signing that is taken.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Presigned URLs may be valid for a week at most; S3's own limit, in seconds.
const MAX_EXPIRES: u32 = 7 * 24 * 3600;

/// What a presigned URL has in its query for the signature itself.
const OF_SIGNATURE: [&str; 8] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    "x-amz-signature",
    "x-amz-security-token",
    // Always the same: the body is not part of such a signature.
    "x-amz-content-sha256",
];

/// What a signature says of itself.
struct Signature {
    /// `KEY/DATE/REGION/SERVICE/aws4_request`
    credential: String,
    /// Names in lower case with `;` between them.
    headers: String,
    is_presigned: bool,
}

/// Refuses signatures that cover too little, or are of another region, service or kind; makes headers of what a
/// presigned URL has in its query.
///
/// A request without a signature passes: the protocol crate refuses it, or finds the signature in its form.
///
/// # Errors
/// The answer for the client.
pub(super) fn check(request: &mut Parts, region: &str) -> Result<(), S3Error> {
    let Some(signature) = find(request)? else {
        return Ok(());
    };
    let mut scope = signature.credential.rsplit('/');
    let (end, service, signed_region) = (scope.next(), scope.next(), scope.next());
    if end != Some("aws4_request") || service != Some("s3") {
        return Err(malformed("the credential is not of the service s3"));
    }
    if signed_region != Some(region) {
        return Err(malformed(&format!("the region must be {region}")));
    }
    let signed: Vec<&str> = signature.headers.split(';').collect();
    if !signed.contains(&"host") {
        return Err(malformed("the host header must be signed"));
    }
    for name in request.headers.keys().map(header::HeaderName::as_str) {
        // A presigned URL leaves the body open; a hash that is given is held against it all the same.
        let is_free = signature.is_presigned && name == "x-amz-content-sha256";
        if name.starts_with("x-amz-") && !is_free && !signed.contains(&name) {
            return Err(s3_error!(
                AccessDenied,
                "there are headers in the request that are not signed: {name}"
            ));
        }
    }
    if signature.is_presigned {
        for (name, value) in hoisted(request)? {
            request.headers.insert(name, value);
        }
    }
    Ok(())
}

/// Headers that the signer put into the query of a presigned URL, as some clients do with all `x-amz-` headers.
///
/// The signature covers the query, so they count like signed headers: a checksum among them must hold.
fn hoisted(request: &Parts) -> Result<Vec<(HeaderName, HeaderValue)>, S3Error> {
    let mut found = Vec::new();
    for (name, value) in query(request) {
        let name = name.to_ascii_lowercase();
        if !name.starts_with("x-amz-") || OF_SIGNATURE.contains(&name.as_str()) {
            continue;
        }
        let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) else {
            return Err(bad_query("a header in the query is not valid"));
        };
        if request.headers.contains_key(&name) {
            return Err(bad_query("a header is in the query and in the head"));
        }
        found.push((name, value));
    }
    Ok(found)
}

fn query(request: &Parts) -> Vec<(String, String)> {
    let query = request.uri.query().unwrap_or_default();
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.into_owned().collect()
}

fn find(request: &Parts) -> Result<Option<Signature>, S3Error> {
    let query = query(request);
    let has = |name: &str| query.iter().any(|(key, _)| key == name);
    // Signature version 2: HMAC-SHA1, and it does not cover the headers.
    if has("Signature") || has("AWSAccessKeyId") {
        return Err(not_supported());
    }
    let header = authorization(&request.headers)?;
    if !has("X-Amz-Signature") {
        return Ok(header);
    }
    if header.is_some() {
        return Err(s3_error!(InvalidRequest, "signed in two ways at once"));
    }
    let only = |name: &str| {
        let mut values = query.iter().filter(|(key, _)| key == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Ok(value.clone()),
            _ => Err(bad_query(&format!("{name} must be there once"))),
        }
    };
    let expires: Option<u32> = only("X-Amz-Expires")?.parse().ok();
    if !expires.is_some_and(|expires| (1..=MAX_EXPIRES).contains(&expires)) {
        return Err(bad_query("X-Amz-Expires must be between 1 and 604800"));
    }
    Ok(Some(Signature {
        credential: only("X-Amz-Credential")?,
        headers: only("X-Amz-SignedHeaders")?,
        is_presigned: true,
    }))
}

fn authorization(headers: &HeaderMap) -> Result<Option<Signature>, S3Error> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(s3_error!(InvalidRequest, "signed in two ways at once"));
    }
    let value = value.to_str().map_err(|_| not_supported())?;
    let fields = value.strip_prefix(ALGORITHM).ok_or_else(not_supported)?;
    let field = |name: &str| {
        let mut fields = fields.split(',');
        let found = fields.find_map(|field| field.trim().strip_prefix(name));
        found
            .and_then(|rest| rest.strip_prefix('='))
            .map(ToOwned::to_owned)
            .ok_or_else(|| malformed(&format!("{name} is missing")))
    };
    Ok(Some(Signature {
        credential: field("Credential")?,
        headers: field("SignedHeaders")?,
        is_presigned: false,
    }))
}

fn not_supported() -> S3Error {
    s3_error!(
        InvalidRequest,
        "this way of authorization is not supported; use {ALGORITHM}"
    )
}

fn malformed(why: &str) -> S3Error {
    s3_error!(AuthorizationHeaderMalformed, "{why}")
}

fn bad_query(why: &str) -> S3Error {
    let code = S3ErrorCode::Custom("AuthorizationQueryParametersError".into());
    let mut refusal = S3Error::with_message(code, why.to_owned());
    refusal.set_status_code(http::StatusCode::BAD_REQUEST);
    refusal
}
