use serde_json::{Map, Value, json};

use crate::{
    ApiError,
    fields::{boolean, given, integer, missing, number, string, wrong_type},
};

/// Most choices (`n`) of one request.
pub const MAX_CHOICES: u32 = 8;
/// Most stop strings of one request.
pub const MAX_STOPS: usize = 4;
/// Longest stop string, in bytes.
pub const MAX_STOP_BYTES: usize = 256;

const MAX_MODEL_BYTES: usize = 256;
const MAX_TOKENS: i64 = 1_000_000;

/// What chat and text completion requests have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    pub model: String,
    /// Number of choices, 1 to [`MAX_CHOICES`].
    pub n: u32,
    /// Most completion tokens a choice; `max_completion_tokens` wins over `max_tokens`.
    pub max_tokens: Option<u32>,
    /// At most [`MAX_STOPS`] strings, none of them empty.
    pub stop: Vec<String>,
    /// 0 to 2; 0 is greedy.
    pub temperature: Option<f32>,
    /// 0 to 1.
    pub top_p: Option<f32>,
    /// -2 to 2.
    pub frequency_penalty: Option<f32>,
    /// -2 to 2.
    pub presence_penalty: Option<f32>,
    pub seed: Option<i64>,
    pub stream: bool,
    pub stream_options: StreamOptions,
}

/// What a stream should tell beside the text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamOptions {
    /// A last chunk without choices carries the usage.
    pub include_usage: bool,
    /// Every chunk carries the usage so far (vLLM's extension).
    pub continuous_usage_stats: bool,
}

/// What a gateway changes in a request before it sends it on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forward {
    /// Another model name.
    pub model: Option<String>,
    /// A tighter token limit.
    pub max_tokens: Option<u32>,
    /// Ask a stream for its usage at the end.
    pub with_usage: bool,
    /// Ask for it on every chunk too, which is vLLM's extension: strict servers refuse it.
    pub counts_along: bool,
}

impl Generation {
    pub(crate) fn parse(map: &Map<String, Value>) -> Result<Self, ApiError> {
        let model = string(map, "model")?.ok_or_else(|| missing("model"))?;
        if model.is_empty() || model.len() > MAX_MODEL_BYTES {
            let message = format!("'model' must have 1 to {MAX_MODEL_BYTES} bytes.");
            return Err(ApiError::invalid_param("model", message));
        }
        let newer = integer(map, "max_completion_tokens", 1..=MAX_TOKENS)?;
        let older = integer(map, "max_tokens", 1..=MAX_TOKENS)?;
        let stream = boolean(map, "stream")?.unwrap_or(false);
        Ok(Self {
            model,
            n: integer(map, "n", 1..=i64::from(MAX_CHOICES))?.map_or(1, |n| n as u32),
            max_tokens: newer.or(older).map(|tokens| tokens as u32),
            stop: stops(map)?,
            temperature: number(map, "temperature", 0.0..=2.0)?,
            top_p: number(map, "top_p", 0.0..=1.0)?,
            frequency_penalty: number(map, "frequency_penalty", -2.0..=2.0)?,
            presence_penalty: number(map, "presence_penalty", -2.0..=2.0)?,
            seed: integer(map, "seed", i64::MIN..=i64::MAX)?,
            stream,
            stream_options: stream_options(map, stream)?,
        })
    }

    pub(crate) fn forward(raw: &Map<String, Value>, stream: bool, changes: &Forward) -> Vec<u8> {
        let mut map = raw.clone();
        if let Some(model) = &changes.model {
            map.insert("model".to_owned(), json!(model));
        }
        if let Some(tokens) = changes.max_tokens {
            // One of the two names only, or an upstream could read the other one.
            map.remove("max_completion_tokens");
            map.insert("max_tokens".to_owned(), json!(tokens));
        }
        if changes.with_usage && stream {
            let mut options = json!({"include_usage": true});
            if let (true, Some(options)) = (changes.counts_along, options.as_object_mut()) {
                options.insert("continuous_usage_stats".to_owned(), json!(true));
            }
            map.insert("stream_options".to_owned(), options);
        }
        // A map of JSON values always serialises.
        serde_json::to_vec(&map).unwrap_or_default()
    }
}

fn stops(map: &Map<String, Value>) -> Result<Vec<String>, ApiError> {
    let expected = || wrong_type("stop", "a string or a list of strings");
    let stops = match given(map, "stop") {
        None => Vec::new(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => list
            .iter()
            .map(|stop| stop.as_str().map(str::to_owned).ok_or_else(expected))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(expected()),
    };
    if stops.len() > MAX_STOPS {
        let message = format!("'stop' may have {MAX_STOPS} strings at most.");
        return Err(ApiError::invalid_param("stop", message));
    }
    if stops
        .iter()
        .any(|stop| stop.is_empty() || stop.len() > MAX_STOP_BYTES)
    {
        let message = format!("A stop string must have 1 to {MAX_STOP_BYTES} bytes.");
        return Err(ApiError::invalid_param("stop", message));
    }
    Ok(stops)
}

fn stream_options(map: &Map<String, Value>, stream: bool) -> Result<StreamOptions, ApiError> {
    let Some(value) = given(map, "stream_options") else {
        return Ok(StreamOptions::default());
    };
    let Value::Object(options) = value else {
        return Err(wrong_type("stream_options", "an object"));
    };
    if !stream {
        let message = "'stream_options' is only allowed where 'stream' is true.";
        return Err(ApiError::invalid_param("stream_options", message));
    }
    let flag = |name: &str| {
        boolean(options, name).map_err(|mut error| {
            error.body.param = Some(format!("stream_options.{name}"));
            error
        })
    };
    Ok(StreamOptions {
        include_usage: flag("include_usage")?.unwrap_or(false),
        continuous_usage_stats: flag("continuous_usage_stats")?.unwrap_or(false),
    })
}
