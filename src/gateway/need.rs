//! How many tokens a request needs, at least and at most.

use openai_api::{DEFAULT_CHAT_TOKENS, Usage};

/// An answer of open length begins with at least this many tokens, or is refused.
const LEAST_OPEN: i64 = 32;
/// A stream that says how long it may get sets aside so many tokens for each answer at first; it grows.
const FIRST: i64 = 256;

/// Tokens that a model's template may add to a prompt by itself, as a text for every conversation.
const TEMPLATE_TEXT: i64 = 4096;
/// More tokens than an answer has that states no length: a context of the long ones.
const LONGEST_OPEN: i64 = 131_072;

/// What a request may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    /// More tokens than the prompt can have.
    pub(super) prompt: i64,
    /// Answers asked for.
    pub(super) choices: i64,
    /// The most tokens of all answers together, where the request says so.
    pub(super) answers: Option<i64>,
    /// Whether more can be set aside while it is answered, for the count is known as it goes.
    pub(super) grows: bool,
}

impl Need {
    /// Tokens without which it cannot begin, and those beyond which it has no use for more at first.
    pub(super) fn first(&self) -> (i64, i64) {
        let of_each = |tokens: i64| tokens.saturating_mul(self.choices);
        let (least, most) = match self.answers {
            Some(tokens) if self.grows => {
                (tokens.min(of_each(LEAST_OPEN)), tokens.min(of_each(FIRST)))
            }
            Some(tokens) => (tokens, tokens),
            // So that a budget for ten serves ten: it grows soon enough.
            None if self.grows => (of_each(LEAST_OPEN), of_each(LEAST_OPEN)),
            None => (of_each(LEAST_OPEN), of_each(i64::from(DEFAULT_CHAT_TOKENS))),
        };
        let with_prompt = |tokens: i64| self.prompt.saturating_add(tokens).max(1);
        (with_prompt(least), with_prompt(most))
    }

    /// The most tokens of each answer to ask the upstream for, where that is less than the request itself says;
    /// `left` is what could be set aside beyond `held`.
    pub(super) fn each_answer(&self, held: i64, left: Option<i64>) -> Option<i64> {
        let of = |tokens: i64| (tokens / self.choices).max(1);
        match self.answers {
            Some(_) if !self.grows => None,
            None if !self.grows => Some(of(held.saturating_sub(self.prompt))),
            // The prompt may be far shorter than it can be.
            Some(tokens) => {
                let each = of(held.saturating_add(left?));
                (each < tokens / self.choices).then_some(each)
            }
            None => {
                let each = of(held.saturating_add(left?));
                (each < i64::from(DEFAULT_CHAT_TOKENS)).then_some(each)
            }
        }
    }

    /// What an upstream says it took, as far as that can be: no prompt has more tokens than `prompt` and what a
    /// template adds, no answer is longer than it was asked to be or than a context.
    pub(super) fn possible(&self, told: Usage) -> Usage {
        let answers = self
            .answers
            .unwrap_or_else(|| LONGEST_OPEN.saturating_mul(self.choices));
        let most = |tokens: i64| u64::try_from(tokens).unwrap_or_default();
        Usage::new(
            told.prompt_tokens
                .min(most(self.prompt.saturating_add(TEMPLATE_TEXT))),
            told.completion_tokens.min(most(answers)),
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::gateway::ask::Asked;

    fn need(more: &Value) -> Need {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        Asked::chat(body.to_string().as_bytes()).unwrap().need()
    }

    #[test]
    fn a_stream_sets_aside_little_and_a_whole_answer_all() {
        let first = |more: Value| {
            let need = need(&more);
            let (least, most) = need.first();
            (least - need.prompt, most - need.prompt, need)
        };
        let (least, most, long) = first(json!({"stream": true, "max_tokens": 32_000}));
        assert_eq!((least, most), (32, 256));
        assert_eq!(long.each_answer(long.prompt + 256, None), None);
        assert_eq!(long.each_answer(256, Some(744)), Some(1000));
        let (least, most, _) = first(json!({"stream": true, "max_tokens": 20}));
        assert_eq!((least, most), (20, 20));
        let (least, most, _) = first(json!({"max_tokens": 32_000}));
        assert_eq!((least, most), (32_000, 32_000));
        let (least, most, open) = first(json!({"n": 2}));
        assert_eq!((least, most), (64, 1024));
        assert_eq!(open.each_answer(open.prompt + 64, None), Some(32));
    }

    #[test]
    fn nobody_takes_more_than_can_be() {
        let told = Usage::new(1_000_000_000, 1_000_000_000);
        let stated = need(&json!({"max_tokens": 20, "n": 2}));
        let most = stated.possible(told);
        assert_eq!(most.completion_tokens, 40);
        assert_eq!(most.prompt_tokens, stated.prompt.unsigned_abs() + 4096);
        let open = need(&json!({"stream": true}));
        assert_eq!(open.possible(told).completion_tokens, 131_072);
        // A server that counts nothing along tells of a long answer at its end alone.
        let honest = Usage::new(3, 20_000);
        assert_eq!(open.possible(honest), honest);
    }
}
