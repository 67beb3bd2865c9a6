//! language-model
