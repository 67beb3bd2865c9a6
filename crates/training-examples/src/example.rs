//! Examples, and which of them go together.

use super::{Fault, fault::quoted};

/// The longest message, prompt or completion, in bytes.
pub const MOST_MESSAGE_BYTES: usize = 1_000_000;

/// One turn of a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    pub content: String,
}

/// One thing to learn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Example {
    /// A chat; the assistant's answers are learnt where they count.
    Chat {
        messages: Vec<Message>,
        /// For each message; only the assistant's matter.
        counts: Vec<bool>,
    },
    /// A text that goes on; the completion is learnt.
    Completion { prompt: String, completion: String },
    /// Running text; all of it is learnt.
    Text(String),
    /// A question with a better and a worse answer.
    Preference {
        /// Ends with a message that the assistant answers.
        input: Vec<Message>,
        preferred: String,
        rejected: String,
    },
}

impl Example {
    /// What it is called in messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Chat { .. } => "a chat (\"messages\")",
            Self::Completion { .. } => "a prompt with its completion",
            Self::Text(_) => "running text (\"text\")",
            Self::Preference { .. } => "a preference (\"preferred_output\")",
        }
    }

    /// Refuses a text with a control token, which would end a message and speak for somebody else; `control_in` finds
    /// one in a text.
    ///
    /// # Errors
    /// [`Fault`] with the field that holds it.
    pub fn refuse_control(&self, control_in: impl Fn(&str) -> Option<String>) -> Result<(), Fault> {
        let refuse = |text: &str, field: &dyn Fn() -> String| match control_in(text) {
            None => Ok(()),
            Some(control) => Err(Fault::quoting(
                field(),
                format!(
                    "the text holds the control token {:?}, which would be read as the end of a message; take it out",
                    quoted(&control)
                ),
                "the text holds a control token, which would be read as the end of a message; take it out",
            )),
        };
        let refuse_chat = |messages: &[Message], path: &str| {
            messages
                .iter()
                .enumerate()
                .try_for_each(|(place, message)| {
                    refuse(&message.content, &|| format!("{path}[{place}].content"))
                })
        };
        match self {
            Self::Chat { messages, .. } => refuse_chat(messages, "messages"),
            Self::Completion { prompt, completion } => {
                refuse(prompt, &|| "prompt".to_owned())?;
                refuse(completion, &|| "completion".to_owned())
            }
            Self::Text(text) => refuse(text, &|| "text".to_owned()),
            Self::Preference {
                input,
                preferred,
                rejected,
            } => {
                refuse_chat(input, "input.messages")?;
                refuse(preferred, &|| "preferred_output".to_owned())?;
                refuse(rejected, &|| "non_preferred_output".to_owned())
            }
        }
    }
}

/// What a method learns from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Texts, completions and chats.
    Examples,
    /// Better and worse answers.
    Preferences,
}

impl Wanted {
    /// Whether the method learns from it.
    ///
    /// # Errors
    /// [`Fault`] that says what it does learn from.
    pub fn takes(self, example: &Example) -> Result<(), Fault> {
        let is_preference = matches!(example, Example::Preference { .. });
        match (self, is_preference) {
            (Self::Examples, true) => Err(Fault::of_line(
                "preferences are for the method dpo; this one learns from texts and chats",
            )),
            (Self::Preferences, false) => Err(Fault::of_line(format!(
                "this line is {}; the method dpo needs \"input\", \"preferred_output\" and \"non_preferred_output\"",
                example.kind()
            ))),
            _ => Ok(()),
        }
    }
}

/// The kind that all examples of a file have: that of its first one.
#[derive(Debug, Default)]
pub struct OneKind {
    /// Line and kind.
    first: Option<(u64, &'static str)>,
}

impl OneKind {
    /// Takes the next example of the file, found in `line`.
    ///
    /// # Errors
    /// [`Fault`] where it is of another kind than those before.
    pub fn check(&mut self, line: u64, example: &Example) -> Result<(), Fault> {
        let (first, kind) = *self.first.get_or_insert((line, example.kind()));
        if kind == example.kind() {
            return Ok(());
        }
        Err(Fault::of_line(format!(
            "this line is {}, but line {first} is {kind}; put each kind in a file of its own",
            example.kind()
        )))
    }
}
