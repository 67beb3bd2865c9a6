//! A new model from nothing: its tokenizer learns from the texts, then its weights do.

use job_contract::ModelShape;
use language_model::{
    ChatTemplate, Config, Tokenizer, WholeWeights,
    chat_template::ChatTemplateError,
    tokenizer::TokenizerError,
    tokenizer_training::{CHAT_TEMPLATE, CONTROL_TOKENS},
};

use crate::{
    data::{DataError, Example, Fault, Problems, Source, read},
    settings::{BadSettings, shape},
};

/// Text that the tokenizer learns from; more would hardly change it.
const MOST_TEXT_BYTES: usize = 256 << 20;

/// Why there is no new model.
#[derive(Debug, thiserror::Error)]
pub enum FreshError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Settings(#[from] BadSettings),
    #[error("the tokenizer cannot be trained: {0}")]
    Tokenizer(#[from] TokenizerError),
    #[error(transparent)]
    ChatTemplate(#[from] ChatTemplateError),
}

/// A model that has learnt nothing but its words.
#[derive(Debug)]
pub struct Fresh {
    pub tokenizer: Tokenizer,
    /// How chats are written, for those who fine-tune it later.
    pub chat_template: ChatTemplate,
    pub config: Config,
}

impl Fresh {
    /// Learns a tokenizer from the texts; the same texts give the same one.
    ///
    /// # Errors
    /// [`FreshError`] where the texts or the shape cannot be used.
    pub fn new(sources: &[Source], wanted: &ModelShape) -> Result<Self, FreshError> {
        let mut config = shape(wanted)?;
        let texts = texts(sources)?;
        let vocabulary = config.vocab_size;
        let tokenizer = Tokenizer::train(texts.iter().map(String::as_str), vocabulary)?;
        // Little text gives fewer words than were asked for.
        config.vocab_size = tokenizer.vocab_size();
        let end = CONTROL_TOKENS[0].to_owned();
        let chat_template = ChatTemplate::new(CHAT_TEMPLATE.to_owned(), String::new(), end)?;
        Ok(Self {
            tokenizer,
            chat_template,
            config,
        })
    }

    /// Weights that have learnt nothing, drawn by `seed`.
    pub fn weights(&self, seed: u64) -> WholeWeights {
        WholeWeights::fresh(&self.config, seed)
    }
}

fn texts(sources: &[Source]) -> Result<Vec<String>, DataError> {
    let mut problems = Problems::default();
    let (mut texts, mut bytes) = (Vec::new(), 0);
    for source in sources {
        read(
            &source.path,
            &source.name,
            source.format,
            &mut problems,
            |_, example| {
                let text = match example {
                    Example::Text(text) => text,
                    Example::Completion { prompt, completion } => prompt + &completion,
                    Example::Chat { .. } | Example::Preference { .. } => {
                        return Err(Fault::of_line(
                            "a model from nothing learns from running text; give \"text\" lines or plain text",
                        ));
                    }
                };
                bytes += text.len();
                if bytes <= MOST_TEXT_BYTES {
                    texts.push(text);
                }
                Ok(())
            },
        )?;
    }
    if !problems.is_empty() {
        return Err(DataError::Problems(problems));
    }
    Ok(texts)
}
