use serde::{Deserialize, Serialize};

/// The body of every answer that is not a success: `{"error": {…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorEnvelope {
    pub error: ErrorBody,
}

/// What went wrong, in the four fields that the SDKs read. `param` and `code` are sent as `null` where unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    pub message: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub param: Option<String>,
    #[serde(default)]
    pub code: Option<String>,
}

/// An error as one HTTP answer: status, envelope, and the headers that steer the SDKs' retries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status; it decides the SDK's exception class.
    pub status: u16,
    pub body: ErrorBody,
    /// Seconds for the `retry-after` header. SDKs of version 2 and 3 give up above 120.
    pub retry_after_seconds: Option<u64>,
    /// True: send `x-should-retry: false`, for a 429 that waiting does not cure.
    pub is_final: bool,
}

impl ApiError {
    /// An error of any status; the named constructors below are to be preferred.
    pub fn new(status: u16, kind: &str, code: Option<&str>, message: impl Into<String>) -> Self {
        Self {
            status,
            body: ErrorBody {
                message: message.into(),
                kind: kind.to_owned(),
                param: None,
                code: code.map(str::to_owned),
            },
            retry_after_seconds: None,
            is_final: false,
        }
    }

    /// 400 for a field that is missing, of a wrong type or out of range.
    pub fn invalid_param(param: &str, message: impl Into<String>) -> Self {
        let error = Self::new(400, "invalid_request_error", Some("invalid_value"), message);
        error.with_param(param)
    }

    /// 400 for a field that asks for something this server does not do.
    pub fn unsupported_param(param: &str, message: impl Into<String>) -> Self {
        let error = Self::new(
            400,
            "invalid_request_error",
            Some("unsupported_parameter"),
            message,
        );
        error.with_param(param)
    }

    /// 400 for a body that is not a JSON object.
    pub fn invalid_body(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", Some("invalid_json"), message)
    }

    /// 400 where prompt and answer do not fit the model's context of `limit` tokens.
    pub fn context_length_exceeded(limit: usize, prompt_tokens: usize, param: &str) -> Self {
        let message = format!(
            "This model's maximum context length is {limit} tokens, but the prompt has {prompt_tokens}. Please \
             shorten it."
        );
        let code = Some("context_length_exceeded");
        Self::new(400, "invalid_request_error", code, message).with_param(param)
    }

    /// 401 for a key that is missing, malformed, unknown, expired or revoked: one body for all of them.
    pub fn invalid_api_key() -> Self {
        Self::new(
            401,
            "invalid_request_error",
            Some("invalid_api_key"),
            "The API key is missing or not valid.",
        )
    }

    /// 403 for something that the caller may know about but not do; `code` names the rule.
    pub fn permission_denied(code: &str, message: impl Into<String>) -> Self {
        Self::new(403, "permission_error", Some(code), message)
    }

    /// 401 for a key that may not be used from where it was.
    pub fn address_not_allowed() -> Self {
        Self::new(
            401,
            "invalid_request_error",
            Some("ip_not_authorized"),
            "This key may not be used from this address. The portal shows from which networks it may.",
        )
    }

    /// 404 for a model that is not there or that the caller may not know of.
    pub fn model_not_found(model: &str) -> Self {
        let shown: String = model.chars().take(200).collect();
        let message =
            format!("The model '{shown}' does not exist or you do not have access to it.");
        Self::new(
            404,
            "invalid_request_error",
            Some("model_not_found"),
            message,
        )
        .with_param("model")
    }

    /// 400 for a model that makes no embeddings.
    pub fn no_embeddings(model: &str) -> Self {
        let shown: String = model.chars().take(200).collect();
        let message = format!("The model '{shown}' has no embeddings.");
        let code = Some("model_has_no_embeddings");
        Self::new(400, "invalid_request_error", code, message).with_param("model")
    }

    /// 404 for a path or an object that is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "invalid_request_error", Some("not_found"), message)
    }

    /// 405 for a path that is there under another method.
    pub fn method_not_allowed() -> Self {
        Self::new(
            405,
            "invalid_request_error",
            Some("method_not_allowed"),
            "This path does not answer this method.",
        )
    }

    /// 413 for a body of more than `limit_bytes`.
    pub fn too_large(limit_bytes: usize) -> Self {
        let message = format!("The request body is larger than {limit_bytes} bytes.");
        Self::new(
            413,
            "invalid_request_error",
            Some("request_too_large"),
            message,
        )
    }

    /// 415 for a body of another media type.
    pub fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(
            415,
            "invalid_request_error",
            Some("unsupported_media_type"),
            message,
        )
    }

    /// 429 for a rate that is exceeded now and free again after `retry_after_seconds`.
    pub fn rate_limit_exceeded(message: impl Into<String>, retry_after_seconds: u64) -> Self {
        let mut error = Self::new(429, "requests", Some("rate_limit_exceeded"), message);
        error.retry_after_seconds = Some(retry_after_seconds);
        error
    }

    /// 429 for a quota that is used up; the SDKs are told not to try again.
    pub fn insufficient_quota(message: impl Into<String>) -> Self {
        let kind = "insufficient_quota";
        let mut error = Self::new(429, kind, Some("insufficient_quota"), message);
        error.is_final = true;
        error
    }

    /// 500 for a fault of ours; the message must not tell more than a request id.
    pub fn internal(request_id: &str) -> Self {
        let message = format!("The server had an error. Please quote request {request_id}.");
        Self::new(500, "server_error", Some("internal_error"), message)
    }

    /// 502 where the serving program behind the gateway did not answer properly.
    pub fn bad_upstream(message: impl Into<String>) -> Self {
        Self::new(502, "server_error", Some("bad_upstream"), message)
    }

    /// 503 where the server is full, starting or stopping.
    pub fn overloaded(message: impl Into<String>, retry_after_seconds: u64) -> Self {
        let mut error = Self::new(503, "server_error", Some("overloaded"), message);
        error.retry_after_seconds = Some(retry_after_seconds);
        error
    }

    /// The same error with the field it is about.
    #[must_use]
    pub fn with_param(mut self, param: &str) -> Self {
        self.body.param = Some(param.to_owned());
        self
    }

    /// The envelope as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let envelope = ErrorEnvelope {
            error: self.body.clone(),
        };
        // Strings and nulls always serialise.
        serde_json::to_vec(&envelope).unwrap_or_default()
    }

    /// The headers beside `content-type`, lower-case names.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if let Some(seconds) = self.retry_after_seconds {
            headers.push(("retry-after", seconds.to_string()));
        }
        if self.is_final {
            headers.push(("x-should-retry", "false".to_owned()));
        }
        headers
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, self.body.message)
    }
}

impl std::error::Error for ApiError {}
