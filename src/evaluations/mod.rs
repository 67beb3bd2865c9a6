//! Measuring models: who asks for it, and what comes of it for programs and for those who check without us.
//!
//! A model is measured by a job: by itself once it is made (`jobs`), or because somebody asks here. Its figures are kept
//! with the model (`models`), and what they may come to is said with the dataset (`datasets`).

pub mod web;
