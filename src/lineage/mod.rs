//! What came out of what: dataset versions, curation runs, jobs, models, deployments and keys as one graph.
//!
//! The graph itself is the table `lineage_edges`, which the rows that are the facts write by trigger, and its
//! recursive definition stands there too (`lineage_descendants`, `lineage_ancestors`, `lineage_touched`). This slice
//! reads it for somebody, as far as they may know, draws it and writes it as PROV-O.

mod draw;
mod graph;
mod json;
mod prov;
mod read;
mod store;
pub mod web;

pub use self::{
    draw::{Drawing, draw},
    graph::{Edge, Graph, Kind, Node},
    json::as_json,
    prov::{Triple, as_json_ld, as_turtle, triples},
    read::{LineageError, read},
};
