//! The arithmetic of one key and day, without a database.

/// What a key spent and has set aside on one day, against its limit; all in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    pub limit: i64,
    pub used: i64,
    pub reserved: i64,
}

/// What a request may cost at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// More tokens than the prompt can have.
    pub prompt: i64,
    pub completion: Completion,
}

/// How long the answer may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// The request says so: this many tokens over all choices.
    Exactly(i64),
    /// The request leaves it open.
    Open {
        /// Answers asked for.
        choices: i64,
        /// Tokens of one answer where there is plenty left.
        plenty: i64,
    },
}

/// What was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Prompt and all answers together.
    pub tokens: i64,
    /// The most tokens one answer may get, where the request left it open.
    pub each_answer: Option<i64>,
}

/// An open-ended answer gets at least this many tokens, or is refused.
const LEAST_OPEN: i64 = 16;
/// An open-ended request sets aside at most this part of what is left, so that the last of a day's budget
/// serves several requests at the same time instead of one.
const OPEN_SHARE: i64 = 4;

impl Day {
    /// What may still be set aside.
    #[must_use]
    pub fn left(&self) -> i64 {
        self.limit
            .saturating_sub(self.used)
            .saturating_sub(self.reserved)
            .max(0)
    }

    /// Sets aside what a request may cost; none, and no change, where that is more than is left.
    #[must_use]
    pub fn reserve(&mut self, ask: Ask) -> Option<Grant> {
        let left = self.left().checked_sub(ask.prompt)?;
        let grant = match ask.completion {
            Completion::Exactly(tokens) => Grant {
                tokens: ask.prompt.checked_add(tokens)?,
                each_answer: None,
            },
            Completion::Open { choices, plenty } => {
                let share = left / OPEN_SHARE / choices.max(1);
                let each = share.min(plenty).max(LEAST_OPEN.min(plenty));
                Grant {
                    tokens: ask.prompt.checked_add(each.checked_mul(choices)?)?,
                    each_answer: Some(each),
                }
            }
        };
        let fits = grant.tokens > 0 && grant.tokens <= self.left();
        if fits {
            self.reserved += grant.tokens;
        }
        fits.then_some(grant)
    }

    /// Books what a request really cost and frees what was set aside for it.
    pub fn settle(&mut self, reserved: i64, actual: i64) {
        self.reserved = self.reserved.saturating_sub(reserved);
        self.used = self.used.saturating_add(actual);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(limit: i64) -> Day {
        Day {
            limit,
            used: 0,
            reserved: 0,
        }
    }

    #[test]
    fn a_budget_for_ten_admits_ten() {
        let mut day = day(300);
        let ask = Ask {
            prompt: 10,
            completion: Completion::Exactly(20),
        };
        let admitted = (0..200).filter(|_| day.reserve(ask).is_some()).count();
        assert_eq!((admitted, day.left()), (10, 0));
    }

    #[test]
    fn an_open_request_leaves_room_for_others() {
        let mut day = day(1000);
        let ask = Ask {
            prompt: 100,
            completion: Completion::Open {
                choices: 1,
                plenty: 512,
            },
        };
        let first = day.reserve(ask).unwrap();
        assert_eq!(first.each_answer, Some(225));
        let further = (0..10).filter(|_| day.reserve(ask).is_some()).count();
        assert!(further >= 3, "only {further} more");
    }

    #[test]
    fn an_open_request_gets_its_default_where_there_is_plenty() {
        let ask = Ask {
            prompt: 100,
            completion: Completion::Open {
                choices: 2,
                plenty: 512,
            },
        };
        let grant = day(1_000_000).reserve(ask).unwrap();
        assert_eq!((grant.tokens, grant.each_answer), (1124, Some(512)));
    }

    fn ask() -> impl Strategy<Value = Ask> {
        let completion = prop_oneof![
            (0..5_000_i64).prop_map(Completion::Exactly),
            Just(Completion::Exactly(i64::MAX)),
            (1..=8_i64, 1..1_000_i64)
                .prop_map(|(choices, plenty)| Completion::Open { choices, plenty }),
        ];
        (0..5_000_i64, completion).prop_map(|(prompt, completion)| Ask { prompt, completion })
    }

    /// What happens in some order: a request begins, or one that runs ends having cost a part of its grant.
    #[derive(Debug, Clone)]
    enum Step {
        Begin(Ask),
        End { which: usize, part: f64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            ask().prop_map(Step::Begin),
            (any::<usize>(), 0.0..=1.0_f64).prop_map(|(which, part)| Step::End { which, part }),
        ]
    }

    proptest! {
        #[test]
        fn never_past_the_limit_and_nothing_unaccounted(
            limit in 1..20_000_i64,
            steps in prop::collection::vec(step(), 1..200),
        ) {
            let mut day = day(limit);
            let (mut running, mut spent) = (Vec::new(), 0);
            for step in steps {
                match step {
                    Step::Begin(ask) => {
                        let before = day;
                        match day.reserve(ask) {
                            Some(grant) => running.push(grant.tokens),
                            None => prop_assert_eq!(day, before),
                        }
                    }
                    Step::End { which, part } if !running.is_empty() => {
                        let tokens = running.swap_remove(which % running.len());
                        let actual = (tokens as f64 * part) as i64;
                        day.settle(tokens, actual);
                        spent += actual;
                    }
                    Step::End { .. } => {}
                }
                prop_assert!(day.used + day.reserved <= day.limit);
                prop_assert_eq!(day.reserved, running.iter().sum::<i64>());
                prop_assert_eq!(day.used, spent);
            }
        }

        #[test]
        fn what_is_granted_covers_what_was_asked(limit in 1..20_000_i64, ask in ask()) {
            let mut day = day(limit);
            if let Some(grant) = day.reserve(ask) {
                match (ask.completion, grant.each_answer) {
                    (Completion::Exactly(tokens), None) => {
                        prop_assert_eq!(grant.tokens, ask.prompt + tokens);
                    }
                    (Completion::Open { choices, plenty }, Some(each)) => {
                        prop_assert!(each >= 1 && each <= plenty);
                        prop_assert_eq!(grant.tokens, ask.prompt + each * choices);
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            }
        }
    }
}
