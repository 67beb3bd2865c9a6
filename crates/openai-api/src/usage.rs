use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many tokens a request took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub prompt_tokens: u64,
    #[serde(default)]
    pub completion_tokens: u64,
    pub total_tokens: u64,
}

impl Usage {
    /// Counts with their sum.
    pub fn new(prompt_tokens: u64, completion_tokens: u64) -> Self {
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
        }
    }
}

/// The `usage` field of a chunk: left out, `null`, or counts.
///
/// OpenAI sends `null` on every chunk but the last of a stream that asked for usage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReportedUsage {
    #[default]
    Absent,
    Null,
    Counted(Usage),
}

impl ReportedUsage {
    pub(crate) fn is_absent(&self) -> bool {
        *self == Self::Absent
    }

    /// The counts, where there are any.
    pub fn counted(self) -> Option<Usage> {
        match self {
            Self::Counted(usage) => Some(usage),
            Self::Absent | Self::Null => None,
        }
    }
}

impl Serialize for ReportedUsage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.counted().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ReportedUsage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let usage = Option::<Usage>::deserialize(deserializer)?;
        Ok(usage.map_or(Self::Null, Self::Counted))
    }
}

/// What `GET /v1/requests/{x-request-id}/usage` of our serving program answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestUsage {
    pub request_id: String,
    pub model: String,
    pub usage: Usage,
    /// False while tokens are still being made.
    pub is_finished: bool,
}
