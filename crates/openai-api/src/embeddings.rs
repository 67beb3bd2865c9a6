use serde_json::{Map, Value};

use crate::{
    ApiError, Forward, Generation, Prompt, TextKind,
    fields::{given, missing, object, wrong_type},
    texts,
};

/// Most inputs of one request, as OpenAI has it.
pub const MAX_INPUTS: usize = 2048;

/// A `POST /v1/embeddings` body.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingsRequest {
    /// Of which only the model says anything here.
    pub generation: Generation,
    /// 1 to [`MAX_INPUTS`] inputs, none of them empty.
    pub inputs: Vec<Prompt>,
    raw: Map<String, Value>,
}

impl EmbeddingsRequest {
    /// Reads a request body.
    ///
    /// # Errors
    /// A 400 [`ApiError`] that names the first field that does not fit.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let raw = object(body)?;
        let generation = Generation::parse(&raw)?;
        if generation.stream {
            let message = "Embeddings are not streamed.";
            return Err(ApiError::unsupported_param("stream", message));
        }
        let inputs = inputs(&raw)?;
        Ok(Self {
            generation,
            inputs,
            raw,
        })
    }

    /// A field as it was sent, where it is there and not null; for fields this type does not know.
    pub fn field(&self, name: &str) -> Option<&Value> {
        given(&self.raw, name)
    }

    /// Shows every text of the inputs to `look`, which answers what it becomes where it changes.
    ///
    /// # Errors
    /// 400 where what it became is no request any more.
    pub fn look_at_texts(
        &mut self,
        look: &mut dyn FnMut(TextKind, &str) -> Option<String>,
    ) -> Result<(), ApiError> {
        texts::look(&mut self.raw, look);
        self.inputs = inputs(&self.raw)?;
        Ok(())
    }

    /// The body to send on: as it came, unknown fields included, with another name of the model where one is given.
    pub fn forward(&self, model: Option<&str>) -> Vec<u8> {
        let changes = Forward {
            model: model.map(str::to_owned),
            ..Forward::default()
        };
        Generation::forward(&self.raw, false, &changes)
    }
}

fn inputs(raw: &Map<String, Value>) -> Result<Vec<Prompt>, ApiError> {
    let expected = || {
        wrong_type(
            "input",
            "a string, a list of strings or a list of token ids",
        )
    };
    let empty = || ApiError::invalid_param("input", "'input' must not be empty.");
    let text = |text: &str| match text {
        "" => Err(empty()),
        text => Ok(Prompt::Text(text.to_owned())),
    };
    let list = match given(raw, "input") {
        Some(Value::String(one)) => return Ok(vec![text(one)?]),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(expected()),
        None => return Err(missing("input")),
    };
    if list.is_empty() {
        return Err(empty());
    }
    let tokens = |ids: &[Value]| -> Result<Prompt, ApiError> {
        let ids: Option<Vec<u32>> = ids
            .iter()
            .map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok()))
            .collect();
        ids.filter(|ids| !ids.is_empty())
            .map(Prompt::Tokens)
            .ok_or_else(expected)
    };
    if list.first().is_some_and(Value::is_number) {
        return Ok(vec![tokens(list)?]);
    }
    if list.len() > MAX_INPUTS {
        let message = format!("'input' may have {MAX_INPUTS} entries at most.");
        return Err(ApiError::invalid_param("input", message));
    }
    list.iter()
        .map(|value| match value {
            Value::String(one) => text(one),
            Value::Array(ids) => tokens(ids),
            _ => Err(expected()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(input: &Value) -> Result<EmbeddingsRequest, ApiError> {
        let body = json!({"model": "m", "input": input, "dimensions": 8});
        EmbeddingsRequest::parse(body.to_string().as_bytes())
    }

    #[test]
    fn inputs_come_in_four_forms() {
        assert_eq!(parse(&json!("a")).unwrap().inputs.len(), 1);
        assert_eq!(parse(&json!(["a", "b"])).unwrap().inputs.len(), 2);
        assert_eq!(parse(&json!([1, 2, 3])).unwrap().inputs.len(), 1);
        let several = parse(&json!([[1], [2, 3]])).unwrap();
        assert_eq!(several.inputs.len(), 2);
        let sent: Value = serde_json::from_slice(&several.forward(None)).unwrap();
        assert_eq!(sent["dimensions"], 8);
    }

    #[test]
    fn what_is_no_input_is_named() {
        let many = vec!["a"; MAX_INPUTS + 1];
        for wrong in [
            json!(null),
            json!(""),
            json!([]),
            json!([""]),
            json!(7),
            json!([["a"]]),
            json!([-1]),
            json!(many),
        ] {
            let error = parse(&wrong).unwrap_err();
            assert_eq!(error.body.param.as_deref(), Some("input"), "{wrong}");
        }
    }
}
