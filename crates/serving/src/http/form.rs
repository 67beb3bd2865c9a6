//! The form that an answer is asked to have (`response_format`).

use std::sync::Arc;

use openai_api::ApiError;
use serde_json::Value;

use crate::constraint::Schema;

/// The schema of a request; none where any text will do.
///
/// # Errors
/// 400 for a form that is not known, or a schema that cannot be held to.
pub(super) fn asked(field: Option<&Value>) -> Result<Option<Arc<Schema>>, ApiError> {
    let Some(field) = field else {
        return Ok(None);
    };
    let refused = |param: &str, message: String| Err(ApiError::invalid_param(param, message));
    match field.get("type").and_then(Value::as_str) {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(Arc::new(Schema::any_object()))),
        Some("json_schema") => {
            let param = "response_format.json_schema.schema";
            let Some(schema) = field.pointer("/json_schema/schema") else {
                return refused(param, format!("'{param}' is needed."));
            };
            match Schema::parse(schema) {
                Ok(schema) => Ok(Some(Arc::new(schema))),
                Err(error) => refused(param, format!("The schema cannot be held to: {error}.")),
            }
        }
        _ => refused(
            "response_format.type",
            "'response_format.type' must be text, json_object or json_schema.".to_owned(),
        ),
    }
}
