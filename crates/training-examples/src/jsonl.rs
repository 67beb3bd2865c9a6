//! One line of JSONL: an example, or the field that is wrong.

use serde_json::{Map, Value};

use super::{Example, Fault, MOST_MESSAGE_BYTES, Message, fault::quoted};

const ROLES: [&str; 3] = ["system", "user", "assistant"];
const ANSWERS: &str = "assistant";
/// The fields that say what a line is, by kind.
const KINDS: [&[&str]; 4] = [
    &["messages"],
    &["prompt", "completion"],
    &["text"],
    &["input", "preferred_output", "non_preferred_output"],
];

/// Reads a line. Other fields are allowed: people keep ids and sources beside their texts.
///
/// # Errors
/// [`Fault`] with the field that cannot be used.
pub fn example(text: &str) -> Result<Example, Fault> {
    let line: Value = serde_json::from_str(text).map_err(|error| syntax(&error))?;
    let Value::Object(line) = line else {
        return Err(Fault::of_line(format!(
            "expected an object in braces, found {}",
            kind_of(&line)
        )));
    };
    no_tools(&line, "")?;
    let has = |field: &&&str| line.contains_key(**field);
    let begun: Vec<usize> = (0..KINDS.len())
        .filter(|kind| KINDS[*kind].iter().any(|field| has(&field)))
        .collect();
    let &[kind] = begun.as_slice() else {
        return Err(Fault::of_line(
            "expected either \"messages\", or \"prompt\" and \"completion\", or \"text\", or \"input\", \"preferred_output\" and \"non_preferred_output\"",
        ));
    };
    if let Some(missing) = KINDS[kind].iter().find(|field| !has(field)) {
        return Err(Fault::of_field(*missing, "this field is missing; add it"));
    }
    match kind {
        0 => chat(&line),
        1 => completion(&line),
        2 => text_of(string(&line, "text", "text")?),
        _ => preference(&line),
    }
}

/// Whether anything stands in a field that programs also send empty.
fn is_used(value: &Value) -> bool {
    !value.is_null() && *value != Value::Array(Vec::new())
}

/// Refuses descriptions of tools in an object; `path` is what stands before the names of its fields.
fn no_tools(object: &Map<String, Value>, path: &str) -> Result<(), Fault> {
    for field in ["tools", "functions"] {
        if object.get(field).is_some_and(is_used) {
            return Err(Fault::of_field(
                format!("{path}{field}"),
                "tools cannot be learnt; leave them out",
            ));
        }
    }
    Ok(())
}

/// serde's own words, without its line number: that counts inside the line.
fn syntax(error: &serde_json::Error) -> Fault {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    let hint = match error.classify() {
        serde_json::error::Category::Eof => "; the line ends too early, the file may have been cut",
        _ => "",
    };
    Fault::of_line(format!(
        "this is not valid JSON ({}, column {}){hint}",
        quoted(text),
        error.column()
    ))
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn string(object: &Map<String, Value>, key: &str, path: &str) -> Result<String, Fault> {
    match object.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(Fault::of_field(
            path,
            format!("expected text in quotes, found {}", kind_of(other)),
        )),
        None => Err(Fault::of_field(path, "this field is missing; add it")),
    }
}

/// Texts of one turn; running text may be longer.
fn short(text: String, path: &str) -> Result<String, Fault> {
    if text.len() > MOST_MESSAGE_BYTES {
        return Err(Fault::of_field(
            path,
            format!(
                "{} bytes are more than one message may have (1 MB); split it or take it as \"text\"",
                text.len()
            ),
        ));
    }
    Ok(text)
}

fn chat(line: &Map<String, Value>) -> Result<Example, Fault> {
    let (messages, counts) = messages(line.get("messages"), "messages")?;
    let is_learnt = |(message, counts): (&Message, &bool)| message.role == ANSWERS && *counts;
    if !messages.iter().any(|message| message.role == ANSWERS) {
        return Err(Fault::of_field(
            "messages",
            "no message is the assistant's, so there is nothing to learn; add its answer",
        ));
    }
    if !messages.iter().zip(&counts).any(is_learnt) {
        return Err(Fault::of_field(
            "messages",
            "every answer has the weight 0, so there is nothing to learn; give one the weight 1",
        ));
    }
    Ok(Example::Chat { messages, counts })
}

/// Messages, and for each whether it counts.
fn messages(value: Option<&Value>, path: &str) -> Result<(Vec<Message>, Vec<bool>), Fault> {
    let Some(Value::Array(list)) = value else {
        let found = value.map_or("nothing", kind_of);
        return Err(Fault::of_field(
            path,
            format!("expected a list of messages, found {found}"),
        ));
    };
    let mut messages = Vec::with_capacity(list.len());
    let mut counts = Vec::with_capacity(list.len());
    for (place, value) in list.iter().enumerate() {
        let path = format!("{path}[{place}]");
        let (message, is_counted) = message(value, &path)?;
        messages.push(message);
        counts.push(is_counted);
    }
    Ok((messages, counts))
}

fn message(value: &Value, path: &str) -> Result<(Message, bool), Fault> {
    let Value::Object(object) = value else {
        return Err(Fault::of_field(
            path,
            format!(
                "expected an object with \"role\" and \"content\", found {}",
                kind_of(value)
            ),
        ));
    };
    let field = |name: &str| format!("{path}.{name}");
    let role = string(object, "role", &field("role"))?;
    if !ROLES.contains(&role.as_str()) {
        let found = quoted(&role);
        return Err(Fault::quoting(
            field("role"),
            format!("the role {found:?} is not known, only system, user and assistant"),
            "the role is not known, only system, user and assistant",
        ));
    }
    for calls in ["tool_calls", "function_call"] {
        if object.get(calls).is_some_and(is_used) {
            return Err(Fault::of_field(
                field(calls),
                "calls of tools cannot be learnt; leave out the messages with calls, and what tools answered",
            ));
        }
    }
    let content = short(
        string(object, "content", &field("content"))?,
        &field("content"),
    )?;
    if role == ANSWERS && content.trim().is_empty() {
        return Err(Fault::of_field(
            field("content"),
            "an answer of the assistant is empty; write it or leave the message out",
        ));
    }
    let counts = weight(object.get("weight"), &role, &field("weight"))?;
    Ok((Message { role, content }, counts))
}

fn weight(value: Option<&Value>, role: &str, path: &str) -> Result<bool, Fault> {
    let weight = match value {
        None | Some(Value::Null) => return Ok(true),
        Some(value) => value,
    };
    match weight.as_f64() {
        Some(0.0) => Ok(false),
        Some(1.0) if role == ANSWERS => Ok(true),
        Some(1.0) => Err(Fault::of_field(
            path,
            format!(
                "only answers of the assistant are learnt, so a weight of 1 means nothing for {role}; leave it out"
            ),
        )),
        _ => {
            let found = match weight {
                Value::Number(number) => quoted(&number.to_string()),
                other => kind_of(other).to_owned(),
            };
            Err(Fault::quoting(
                path,
                format!("the weight is {found}, but it must be 0 (not learnt) or 1 (learnt)"),
                "the weight must be 0 (not learnt) or 1 (learnt)",
            ))
        }
    }
}

fn completion(line: &Map<String, Value>) -> Result<Example, Fault> {
    let prompt = short(string(line, "prompt", "prompt")?, "prompt")?;
    let completion = short(string(line, "completion", "completion")?, "completion")?;
    completion_of(prompt, completion)
}

/// A completion with something to learn.
///
/// # Errors
/// [`Fault`] where it is empty.
pub fn completion_of(prompt: String, completion: String) -> Result<Example, Fault> {
    if completion.trim().is_empty() {
        return Err(Fault::of_field(
            "completion",
            "the completion is empty; write it or leave the line out",
        ));
    }
    Ok(Example::Completion { prompt, completion })
}

/// A text with something to learn.
///
/// # Errors
/// [`Fault`] where it is empty.
pub fn text_of(text: String) -> Result<Example, Fault> {
    if text.trim().is_empty() {
        return Err(Fault::of_field(
            "text",
            "the text is empty; leave the line out",
        ));
    }
    Ok(Example::Text(text))
}

fn preference(line: &Map<String, Value>) -> Result<Example, Fault> {
    let input = match line.get("input") {
        Some(Value::String(text)) => vec![Message {
            role: "user".to_owned(),
            content: short(text.clone(), "input")?,
        }],
        Some(Value::Object(object)) => {
            no_tools(object, "input.")?;
            messages(object.get("messages"), "input.messages")?.0
        }
        other => {
            let found = other.map_or("nothing", kind_of);
            return Err(Fault::of_field(
                "input",
                format!("expected {{\"messages\": [..]}} or text, found {found}"),
            ));
        }
    };
    if input.last().is_none_or(|message| message.role == ANSWERS) {
        return Err(Fault::of_field(
            "input",
            "the last message must be one that the assistant answers; move the answer to the outputs",
        ));
    }
    let preferred = answer(line, "preferred_output")?;
    let rejected = answer(line, "non_preferred_output")?;
    if preferred == rejected {
        return Err(Fault::of_field(
            "non_preferred_output",
            "both answers are the same, so neither can be preferred; change one or leave the line out",
        ));
    }
    Ok(Example::Preference {
        input,
        preferred,
        rejected,
    })
}

/// One answer: a list with one message of the assistant, or its text.
fn answer(line: &Map<String, Value>, field: &str) -> Result<String, Fault> {
    let text = match line.get(field) {
        Some(Value::String(text)) => short(text.clone(), field)?,
        value => {
            let (messages, _) = messages(value, field)?;
            match <[Message; 1]>::try_from(messages) {
                Ok([message]) if message.role == ANSWERS => message.content,
                _ => {
                    return Err(Fault::of_field(
                        field,
                        "expected exactly one message, the assistant's; put earlier ones in \"input\"",
                    ));
                }
            }
        }
    };
    if text.trim().is_empty() {
        return Err(Fault::of_field(
            field,
            "the answer is empty; write it or leave the line out",
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
