//! A model's own chat template, rendered as its makers meant it.
//!
//! Templates are Jinja programs that come with the model, so they run with bounded fuel and recursion.

use minijinja::{
    Environment, Error, ErrorKind, State, UndefinedBehavior, Value, context, syntax::SyntaxConfig,
    value::Serde,
};
use serde::{Deserialize, Serialize};

/// Instructions that a template may take; a chat of thousands of turns stays far below.
const FUEL: u64 = 2_000_000;

/// One turn of a chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    pub content: String,
}

/// A stretch of a rendered chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub text: String,
    /// True where an assistant speaks: what a model is trained to say.
    pub is_answer: bool,
}

/// Why a chat cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum ChatTemplateError {
    #[error("the chat template failed: {0}")]
    Template(#[source] Error),
    #[error("there is no assistant message to learn from")]
    NoAnswer,
    /// The text before an answer changes once the answer is there, so the answer cannot be told apart.
    #[error("the chat template rewrites what comes before an answer")]
    Rewrites,
}

/// A chat template and the tokens it may mention.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    source: String,
    bos: String,
    eos: String,
}

impl ChatTemplate {
    /// Takes the template's source and the texts of the begin and end tokens.
    ///
    /// # Errors
    /// [`ChatTemplateError::Template`] where the source is no valid template.
    pub fn new(source: String, bos: String, eos: String) -> Result<Self, ChatTemplateError> {
        environment()
            .template_from_str(&source)
            .map_err(ChatTemplateError::Template)?;
        Ok(Self { source, bos, eos })
    }

    /// The template's own text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The chat as text; with `opens_answer` it ends where the assistant's next answer begins.
    ///
    /// # Errors
    /// [`ChatTemplateError::Template`], also where the template itself refuses (`raise_exception`).
    pub fn render(
        &self,
        messages: &[Message],
        opens_answer: bool,
    ) -> Result<String, ChatTemplateError> {
        environment()
            .render_str(
                &self.source,
                context! {
                    messages => Value::from(Serde(messages)),
                    add_generation_prompt => opens_answer,
                    bos_token => &self.bos,
                    eos_token => &self.eos,
                },
            )
            .map_err(ChatTemplateError::Template)
    }

    /// The chat cut at the bounds of each assistant answer, its closing token with it.
    ///
    /// Each answer starts exactly where [`ChatTemplate::render`] with `opens_answer` ends, so that training and
    /// inference see the same tokens. What follows the last answer is left out.
    ///
    /// # Errors
    /// [`ChatTemplateError`]; `NoAnswer` where no message has the role `assistant`.
    pub fn segments(&self, messages: &[Message]) -> Result<Vec<Segment>, ChatTemplateError> {
        let mut segments = Vec::new();
        let mut rendered = String::new();
        for (place, message) in messages.iter().enumerate() {
            if message.role != "assistant" {
                continue;
            }
            let (before, with) = (messages.get(..place), messages.get(..=place));
            let before = self.render(before.unwrap_or_default(), true)?;
            let with = self.render(with.unwrap_or_default(), false)?;
            let question = before
                .strip_prefix(&rendered)
                .ok_or(ChatTemplateError::Rewrites)?;
            let answer = with
                .strip_prefix(&before)
                .ok_or(ChatTemplateError::Rewrites)?;
            segments.push(Segment {
                text: question.to_owned(),
                is_answer: false,
            });
            segments.push(Segment {
                text: answer.to_owned(),
                is_answer: true,
            });
            rendered = with;
        }
        if segments.is_empty() {
            return Err(ChatTemplateError::NoAnswer);
        }
        Ok(segments)
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // As the model hub's own library renders them.
    if let Ok(syntax) = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
    {
        environment.set_syntax(syntax);
    }
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(64);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_unknown_method_callback(python_method);
    environment.add_function(
        "raise_exception",
        |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        },
    );
    environment
}

/// The few Python string methods that published templates call.
fn python_method(
    _: &mut State,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    let unknown = || Error::from(ErrorKind::UnknownMethod);
    let text = value.as_str().ok_or_else(unknown)?;
    let argument = || {
        arguments
            .first()
            .and_then(Value::as_str)
            .ok_or_else(unknown)
    };
    Ok(match method {
        "strip" => Value::from(text.trim()),
        "lstrip" => Value::from(text.trim_start()),
        "rstrip" => Value::from(text.trim_end()),
        "upper" => Value::from(text.to_uppercase()),
        "lower" => Value::from(text.to_lowercase()),
        "startswith" => Value::from(text.starts_with(argument()?)),
        "endswith" => Value::from(text.ends_with(argument()?)),
        _ => return Err(unknown()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHATML: &str = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou help.<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

    fn chat(turns: &[(&str, &str)]) -> Vec<Message> {
        turns
            .iter()
            .map(|(role, content)| Message {
                role: (*role).to_owned(),
                content: (*content).to_owned(),
            })
            .collect()
    }

    fn template(source: &str) -> ChatTemplate {
        ChatTemplate::new(source.to_owned(), String::new(), "<|im_end|>".to_owned()).unwrap()
    }

    #[test]
    fn a_chat_renders_with_its_default_system_line() {
        let text = template(CHATML)
            .render(&chat(&[("user", "Hoi <b>&</b>")]), true)
            .unwrap();
        assert_eq!(
            text,
            "<|im_start|>system\nYou help.<|im_end|>\n<|im_start|>user\nHoi <b>&</b><|im_end|>\n<|im_start|>assistant\n"
        );
    }

    #[test]
    fn segments_join_to_the_whole_and_mark_the_answers() {
        let messages = chat(&[
            ("system", "S"),
            ("user", "een"),
            ("assistant", "EEN"),
            ("user", "twee"),
            ("assistant", "TWEE"),
            ("user", "drie"),
        ]);
        let segments = template(CHATML).segments(&messages).unwrap();
        let whole: String = segments
            .iter()
            .map(|segment| segment.text.as_str())
            .collect();
        assert_eq!(
            whole,
            template(CHATML).render(&messages[..5], false).unwrap()
        );
        let answers: Vec<&str> = segments
            .iter()
            .filter(|segment| segment.is_answer)
            .map(|segment| segment.text.as_str())
            .collect();
        assert_eq!(answers, ["EEN<|im_end|>\n", "TWEE<|im_end|>\n"]);
    }

    #[test]
    fn a_template_that_never_ends_is_stopped() {
        let endless =
            "{% for a in range(99999) %}{% for b in range(99999) %}{{ b }}{% endfor %}{% endfor %}";
        let result = template(endless).render(&[], false);
        assert!(
            matches!(result, Err(ChatTemplateError::Template(_))),
            "{result:?}"
        );
    }

    #[test]
    fn a_template_may_refuse_and_may_call_python_methods() {
        let source =
            "{{ messages[0].content.strip() }}{{ raise_exception('no ' + messages[0].role) }}";
        let error = template(source)
            .render(&chat(&[("tool", " x ")]), false)
            .unwrap_err();
        let ChatTemplateError::Template(cause) = error else {
            unreachable!("the template raised it")
        };
        assert!(cause.to_string().contains("no tool"), "{cause}");
    }
}
