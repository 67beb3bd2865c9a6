//! Learns a byte-level BPE tokenizer from texts (Sennrich, Haddow and Birch 2016; Radford et al. 2019, section 2.2).

use tokenizers::{
    AddedToken, ModelWrapper, TokenizerBuilder,
    models::{
        TrainerWrapper,
        bpe::{BPE, BpeTrainerBuilder},
    },
    pre_tokenizers::byte_level::ByteLevel,
};

use crate::tokenizer::{Inner, Tokenizer, TokenizerError, broken, pre_tokenizer};

/// The control tokens of a new tokenizer, with the ids 0, 1 and 2: end of a document, and the bounds of a message.
pub const CONTROL_TOKENS: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/// The smallest vocabulary: control tokens and every byte.
pub const LEAST_VOCABULARY: usize = CONTROL_TOKENS.len() + 256;

/// How chats are written with the control tokens (ChatML).
pub const CHAT_TEMPLATE: &str = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

impl Tokenizer {
    /// Learns `vocabulary` tokens from `texts`: the pair that occurs most often becomes a token, again and again;
    /// of pairs that occur equally often, the one that was made of older tokens.
    ///
    /// Every byte is a token, so any text can be written; digits stay single. The same texts, in any order, give
    /// the same tokenizer. Pairs that occur once are not merged, so little text may give fewer tokens.
    ///
    /// # Errors
    /// [`TokenizerError::Broken`] where `vocabulary` is below [`LEAST_VOCABULARY`] or above 2²¹.
    pub fn train<'a>(
        texts: impl Iterator<Item = &'a str> + Send,
        vocabulary: usize,
    ) -> Result<Self, TokenizerError> {
        if !(LEAST_VOCABULARY..=1 << 21).contains(&vocabulary) {
            return Err(broken(format!(
                "a vocabulary of {vocabulary} tokens, expected {LEAST_VOCABULARY} to 2097152"
            )));
        }
        let control = CONTROL_TOKENS.map(|text| AddedToken::from(text, true));
        let bytes = ByteLevel::alphabet();
        let trainer = BpeTrainerBuilder::new()
            .show_progress(false)
            .vocab_size(vocabulary)
            .min_frequency(2)
            .special_tokens(control.to_vec())
            .initial_alphabet(bytes.into_iter().collect())
            .build();
        let mut inner: Inner = TokenizerBuilder::default()
            .with_model(ModelWrapper::BPE(BPE::default()))
            .with_pre_tokenizer(Some(pre_tokenizer("smollm")?))
            .with_decoder(Some(ByteLevel::default().into()))
            .build()
            .map_err(broken)?;
        inner
            .train(&mut TrainerWrapper::BpeTrainer(trainer), texts)
            .map_err(broken)?;
        let end = inner.token_to_id(CONTROL_TOKENS[0]);
        Self::new(inner, end.into_iter().collect(), None, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::Noise;

    /// Words of random syllables, the short ones often.
    fn texts() -> Vec<String> {
        let mut noise = Noise::new(3);
        let mut below = move |most: usize| (noise.sample().abs() * most as f32) as usize;
        let syllables = [
            "de", "ver", "ge", "lijk", "heid", "en", "aan", "school", "è", "st", "ij",
        ];
        let mut word = || -> String {
            let count = 1 + below(2) + below(2);
            (0..count)
                .map(|_| syllables[below(syllables.len()) % syllables.len()])
                .collect()
        };
        (0..400)
            .map(|_| (0..60).map(|_| word()).collect::<Vec<_>>().join(" "))
            .collect()
    }

    #[test]
    fn the_same_texts_in_any_order_give_the_same_tokenizer() -> Result<(), TokenizerError> {
        let texts = texts();
        let first = Tokenizer::train(texts.iter().map(String::as_str), 700)?.to_hub_json()?;
        for _ in 0..5 {
            let again = Tokenizer::train(texts.iter().rev().map(String::as_str), 700)?;
            assert!(
                again.to_hub_json()? == first,
                "another tokenizer from the same texts"
            );
        }
        Ok(())
    }

    #[test]
    fn it_shortens_its_texts_and_writes_any_other() -> Result<(), TokenizerError> {
        let texts = texts();
        let tokenizer = Tokenizer::train(texts.iter().map(String::as_str), 500)?;
        assert_eq!(tokenizer.vocab_size(), 500);
        let tokens = tokenizer.encode(&texts[0])?;
        assert!(tokens.len() * 3 < texts[0].len(), "{} tokens", tokens.len());
        for text in [texts[0].as_str(), "Ærøskøbing 2026\n\tπ ≈ 3,14 🙂"] {
            assert_eq!(tokenizer.decode(&tokenizer.encode(text)?), text);
        }
        assert_eq!(
            tokenizer.token_text(tokenizer.end()).as_deref(),
            Some("<|endoftext|>")
        );
        assert!(tokenizer.is_control(1) && tokenizer.is_control(2));
        assert!(Tokenizer::train(["a"].into_iter(), 10).is_err());
        Ok(())
    }
}
