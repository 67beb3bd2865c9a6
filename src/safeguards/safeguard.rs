//! Which steps an institution takes.

/// The steps of one institution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Safeguards {
    /// Personal data is masked before a model sees it.
    pub filters_prompts: bool,
    /// Personal data is masked in what a model answers.
    pub filters_answers: bool,
    /// Who judges texts, if anybody.
    pub hook: Option<Hook>,
}

/// A service in the form of OpenAI's `/v1/moderations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    pub url: String,
    pub judges_prompts: bool,
    pub judges_answers: bool,
    pub on_failure: OnFailure,
    /// Of its secret, from 1.
    pub generation: i32,
}

/// What happens to a text that could not be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    Refuse,
    Pass,
}

impl OnFailure {
    /// The word in the database and in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Pass => "pass",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Refuse, Self::Pass]
            .into_iter()
            .find(|one| one.name() == text)
    }
}

impl Safeguards {
    /// Whether nothing is done at all.
    #[must_use]
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }
}
