//! Reads typed, bounded fields from a JSON object, and names the field that does not fit.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::ApiError;

/// Parses a body as a JSON object.
pub(crate) fn object(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(ApiError::invalid_body(
            "The request body must be a JSON object.",
        )),
        // The position tells enough; serde's message could repeat a part of the prompt.
        Err(error) => Err(ApiError::invalid_body(format!(
            "The request body is not valid JSON (line {}, column {}).",
            error.line(),
            error.column()
        ))),
    }
}

/// A field that is present and not null.
pub(crate) fn given<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.get(name).filter(|value| !value.is_null())
}

pub(crate) fn string(map: &Map<String, Value>, name: &str) -> Result<Option<String>, ApiError> {
    let Some(value) = given(map, name) else {
        return Ok(None);
    };
    match value {
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(wrong_type(name, "a string")),
    }
}

pub(crate) fn boolean(map: &Map<String, Value>, name: &str) -> Result<Option<bool>, ApiError> {
    let Some(value) = given(map, name) else {
        return Ok(None);
    };
    let flag = value
        .as_bool()
        .ok_or_else(|| wrong_type(name, "true or false"))?;
    Ok(Some(flag))
}

pub(crate) fn integer(
    map: &Map<String, Value>,
    name: &str,
    range: RangeInclusive<i64>,
) -> Result<Option<i64>, ApiError> {
    let Some(value) = given(map, name) else {
        return Ok(None);
    };
    let number = value
        .as_i64()
        .ok_or_else(|| wrong_type(name, "an integer"))?;
    if !range.contains(&number) {
        return Err(out_of_range(name, range.start(), range.end()));
    }
    Ok(Some(number))
}

pub(crate) fn number(
    map: &Map<String, Value>,
    name: &str,
    range: RangeInclusive<f64>,
) -> Result<Option<f32>, ApiError> {
    let Some(value) = given(map, name) else {
        return Ok(None);
    };
    let number = value.as_f64().ok_or_else(|| wrong_type(name, "a number"))?;
    if !range.contains(&number) {
        return Err(out_of_range(name, range.start(), range.end()));
    }
    Ok(Some(number as f32))
}

pub(crate) fn wrong_type(name: &str, wanted: &str) -> ApiError {
    let mut error = ApiError::invalid_param(name, format!("'{name}' must be {wanted}."));
    error.body.code = Some("invalid_type".to_owned());
    error
}

pub(crate) fn missing(name: &str) -> ApiError {
    let mut error = ApiError::invalid_param(name, format!("'{name}' is required."));
    error.body.code = Some("missing_required_parameter".to_owned());
    error
}

fn out_of_range(
    name: &str,
    low: &impl std::fmt::Display,
    high: &impl std::fmt::Display,
) -> ApiError {
    ApiError::invalid_param(name, format!("'{name}' must be between {low} and {high}."))
}
