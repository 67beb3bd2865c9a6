//! Why a model is not for a key that is used for profit.

/// A model that may not be used for profit, by name, and what sets that limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotForProfit {
    /// A licence or a permission that it was made from.
    #[error("what the model {0} was made from may not be used for profit")]
    ByLineage(String),
    /// Its lineage would allow it, but it was released for less.
    #[error("the model {0} was not released for use for profit")]
    AsReleased(String),
}
