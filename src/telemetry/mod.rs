//! Figures for Prometheus, and figures and spans for a collector that speaks OTLP. Neither prompts, answers nor keys are ever part
//! of them; how many different labels there can be is bounded.

mod export;
mod families;
mod histogram;
mod otlp;
mod span;

pub use self::{
    export::{Exporter, ExporterSettings},
    families::{Counters, Histograms, Points, Text},
    histogram::Histogram,
    span::{Parent, Span, Value},
};
