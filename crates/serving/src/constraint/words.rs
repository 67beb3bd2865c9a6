use language_model::Tokenizer;

use super::machine::Machine;

/// The tokens of a model by their bytes, made once for a model.
#[derive(Debug)]
pub struct Words {
    /// In the order of their bytes; control tokens are left out.
    sorted: Vec<Word>,
    /// By token: whole characters that may stand in a string of JSON as they are.
    is_plain: Vec<bool>,
}

#[derive(Debug)]
struct Word {
    token: u32,
    bytes: Vec<u8>,
    /// Bytes at the start that it has in common with the one before.
    shared: usize,
}

impl Words {
    /// Reads all tokens.
    pub fn new(tokenizer: &Tokenizer) -> Self {
        let count = u32::try_from(tokenizer.vocab_size()).unwrap_or(u32::MAX);
        Self::of((0..count).map(|token| tokenizer.token_bytes(token)))
    }

    /// Of the bytes of each token; none for those that are no text.
    pub(super) fn of(tokens: impl Iterator<Item = Vec<u8>>) -> Self {
        let mut sorted: Vec<Word> = tokens
            .enumerate()
            .map(|(token, bytes)| Word {
                token: token as u32,
                bytes,
                shared: 0,
            })
            .collect();
        let mut is_plain = vec![false; sorted.len()];
        for (word, is_plain) in sorted.iter().zip(&mut is_plain) {
            let text = std::str::from_utf8(&word.bytes).unwrap_or("\0");
            *is_plain = !text.is_empty()
                && !text.contains(['"', '\\'])
                && !text.contains(|c: char| c < ' ');
        }
        sorted.retain(|word| !word.bytes.is_empty());
        sorted.sort_by(|a, b| a.bytes.cmp(&b.bytes));
        for at in 1..sorted.len() {
            let (before, rest) = sorted.split_at_mut(at);
            if let (Some(before), Some(word)) = (before.last(), rest.first_mut()) {
                let pairs = before.bytes.iter().zip(&word.bytes);
                word.shared = pairs.take_while(|(a, b)| a == b).count();
            }
        }
        Self { sorted, is_plain }
    }

    /// By token, whether it can come next.
    pub(super) fn allowed(&self, machine: &Machine) -> Vec<bool> {
        // Most tokens are plain text: inside a string they need no look.
        let takes_plain = machine.takes_any_character();
        let mut is_allowed = match takes_plain {
            true => self.is_plain.clone(),
            false => vec![false; self.is_plain.len()],
        };
        // The machine behind each byte of the current word, as far as it lives.
        let mut behind = vec![machine.clone()];
        // Words that share this many bytes with the one before cannot come either.
        let mut dead_from = usize::MAX;
        for word in &self.sorted {
            if word.shared >= dead_from {
                continue;
            }
            dead_from = usize::MAX;
            if takes_plain && self.is_plain.get(word.token as usize) == Some(&true) {
                // It is not followed, so the next word shares no more than it did.
                behind.truncate(word.shared + 1);
                continue;
            }
            behind.truncate(word.shared + 1);
            let mut known = behind.len() - 1;
            while let Some(byte) = word.bytes.get(known) {
                let Some(next) = behind.last().map(|machine| machine.step(*byte)) else {
                    break;
                };
                known += 1;
                if next.is_dead() {
                    dead_from = known;
                    break;
                }
                behind.push(next);
            }
            if dead_from == usize::MAX
                && let Some(allowed) = is_allowed.get_mut(word.token as usize)
            {
                *allowed = true;
            }
        }
        is_allowed
    }
}
