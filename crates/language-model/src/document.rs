//! Texts as a model learns from them: tokens, and which of them carry a loss.

use crate::{
    chat_template::{ChatTemplate, ChatTemplateError, Message},
    tokenizer::{Tokenizer, TokenizerError},
};

/// One document, ready to learn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub tokens: Vec<u32>,
    /// For each token: whether predicting it counts.
    pub is_target: Vec<bool>,
}

/// The role whose messages a model learns to say.
const ANSWERS: &str = "assistant";

/// Why a text cannot become a document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("the text holds the control token {0:?}, which would be read as the end of a message")]
    ControlText(String),
    #[error("the base model has no chat template, so it cannot learn from messages")]
    NoChatTemplate,
    #[error(transparent)]
    ChatTemplate(#[from] ChatTemplateError),
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

impl Document {
    /// A chat: the assistant's answers count, each with the end token that closes it.
    ///
    /// # Errors
    /// [`DocumentError`]; also where no message is the assistant's.
    pub fn from_chat(
        tokenizer: &Tokenizer,
        template: Option<&ChatTemplate>,
        messages: &[Message],
    ) -> Result<Self, DocumentError> {
        Self::from_weighted_chat(tokenizer, template, messages, &[])
    }

    /// A chat of which only some answers count: `counts` says it for each message, in their order, and those past
    /// its end count. What other roles say never does.
    ///
    /// # Errors
    /// [`DocumentError`]; also where no message is the assistant's.
    pub fn from_weighted_chat(
        tokenizer: &Tokenizer,
        template: Option<&ChatTemplate>,
        messages: &[Message],
        counts: &[bool],
    ) -> Result<Self, DocumentError> {
        let template = template.ok_or(DocumentError::NoChatTemplate)?;
        for message in messages {
            refuse_control(tokenizer, &message.content)?;
            refuse_control(tokenizer, &message.role)?;
        }
        let mut document = Self::empty();
        let answers = messages
            .iter()
            .enumerate()
            .filter(|(_, message)| message.role == ANSWERS);
        let mut answers_count =
            answers.map(|(place, _)| counts.get(place).copied().unwrap_or(true));
        for segment in template.segments(messages)? {
            let tokens = tokenizer.encode(&segment.text)?;
            // What a template writes after the end token (a line feed) is never generated, so it is not learnt.
            let learnt = tokens
                .iter()
                .rposition(|token| tokenizer.ends().contains(token))
                .map_or(tokens.len(), |end| end + 1);
            let counts = segment.is_answer && answers_count.next().unwrap_or(true);
            let is_target = |place| counts && place < learnt;
            document.is_target.extend((0..tokens.len()).map(is_target));
            document.tokens.extend(tokens);
        }
        Ok(document)
    }

    /// A prompt and its completion, as they are; the completion counts, with an end token behind it.
    ///
    /// # Errors
    /// [`DocumentError`] where a text holds a control token.
    pub fn from_completion(
        tokenizer: &Tokenizer,
        prompt: &str,
        completion: &str,
    ) -> Result<Self, DocumentError> {
        let mut document = Self::empty();
        document.tokens.extend(tokenizer.leading_bos());
        document.push(tokenizer, prompt)?;
        document.is_target = vec![false; document.tokens.len()];
        document.push(tokenizer, completion)?;
        document.tokens.push(tokenizer.end());
        document.is_target.resize(document.tokens.len(), true);
        Ok(document)
    }

    /// Running text: every token counts, with an end token behind the last.
    ///
    /// # Errors
    /// [`DocumentError`] where the text holds a control token.
    pub fn from_text(tokenizer: &Tokenizer, text: &str) -> Result<Self, DocumentError> {
        let mut document = Self::empty();
        document.tokens.extend(tokenizer.leading_bos());
        document.is_target = vec![false; document.tokens.len()];
        document.push(tokenizer, text)?;
        document.tokens.push(tokenizer.end());
        document.is_target.resize(document.tokens.len(), true);
        Ok(document)
    }

    /// Cuts the document into pieces of at most `length` tokens and of about the same size, so that no lone end
    /// token is left over; pieces without any target are left out.
    pub fn pieces(&self, length: usize) -> impl Iterator<Item = Self> {
        let count = self.tokens.len().div_ceil(length.max(2)).max(1);
        let length = self.tokens.len().div_ceil(count).max(1);
        self.tokens
            .chunks(length)
            .zip(self.is_target.chunks(length))
            .map(|(tokens, is_target)| Self {
                tokens: tokens.to_vec(),
                is_target: is_target.to_vec(),
            })
            .filter(|piece| piece.targets() > 0)
    }

    /// Tokens that carry a loss. The first token has nothing before it to be predicted from.
    pub fn targets(&self) -> usize {
        self.is_target
            .iter()
            .skip(1)
            .filter(|counts| **counts)
            .count()
    }

    fn empty() -> Self {
        Self {
            tokens: Vec::new(),
            is_target: Vec::new(),
        }
    }

    fn push(&mut self, tokenizer: &Tokenizer, text: &str) -> Result<(), DocumentError> {
        refuse_control(tokenizer, text)?;
        self.tokens.extend(tokenizer.encode(text)?);
        Ok(())
    }
}

fn refuse_control(tokenizer: &Tokenizer, text: &str) -> Result<(), DocumentError> {
    match tokenizer.control_text_in(text) {
        Some(control) => Err(DocumentError::ControlText(control.to_owned())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model_file::ModelFile, synthetic::Synthetic};

    #[test]
    fn answers_of_weight_zero_are_read_but_not_learnt() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("tiny.gguf");
        Synthetic::default().write_gguf(&path)?;
        let model = ModelFile::open(&path)?;
        let say = |role: &str, content: &str| Message {
            role: role.to_owned(),
            content: content.to_owned(),
        };
        let messages = [
            say("user", "een"),
            say("assistant", "twee"),
            say("user", "drie"),
            say("assistant", "vier"),
        ];
        let template = model.chat_template.as_ref();
        let all = Document::from_chat(&model.tokenizer, template, &messages)?;
        let last = Document::from_weighted_chat(
            &model.tokenizer,
            template,
            &messages,
            &[true, false, true, true],
        )?;
        assert_eq!(all.tokens, last.tokens);
        let learnt = |document: &Document| {
            let tokens = document.tokens.iter().zip(&document.is_target);
            let tokens: Vec<u32> = tokens
                .filter(|(_, is)| **is)
                .map(|(token, _)| *token)
                .collect();
            model.tokenizer.decode(&tokens)
        };
        assert_eq!(learnt(&all), "tweevier");
        assert_eq!(learnt(&last), "vier");
        Ok(())
    }
}
