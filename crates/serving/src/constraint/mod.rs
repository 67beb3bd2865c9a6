//! Answers that are JSON of a wanted form: at each step only tokens that can go on to such a text may be chosen.
//!
//! [`Schema`] is what is wanted, [`Machine`] the places in it where a text may be after some bytes, and [`Words`] the
//! tokens of a model in an order in which they are checked together.

mod machine;
mod scalar;
mod schema;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use self::machine::Machine;
pub use self::{
    schema::{Schema, SchemaError},
    words::Words,
};

/// What one answer may still become.
#[derive(Debug, Clone)]
pub struct Constraint {
    words: Arc<Words>,
    machine: Machine,
}

impl Constraint {
    /// At the start of an answer.
    pub fn new(schema: Arc<Schema>, words: Arc<Words>) -> Self {
        Self {
            words,
            machine: Machine::new(schema),
        }
    }

    /// Leaves only the tokens that can come next; `ends` are those that end an answer.
    ///
    /// Returns false where none is left: the model has no tokens for what must come.
    pub fn restrict(&self, logits: &mut [f32], ends: &[u32]) -> bool {
        let mut is_allowed = self.words.allowed(&self.machine);
        is_allowed.resize(logits.len(), false);
        if self.machine.may_end() {
            for end in ends {
                if let Some(allowed) = is_allowed.get_mut(*end as usize) {
                    *allowed = true;
                }
            }
        }
        for (logit, is_allowed) in logits.iter_mut().zip(&is_allowed) {
            if !is_allowed {
                *logit = f32::NEG_INFINITY;
            }
        }
        is_allowed.contains(&true)
    }

    /// Goes on behind the bytes of the token that was chosen.
    pub fn advance(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.machine = self.machine.step(*byte);
        }
    }

    /// Whether the text is whole and nothing can follow it.
    pub fn is_whole(&self) -> bool {
        self.machine.must_end()
    }
}
