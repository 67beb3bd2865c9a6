//! The graph as JSON, for programs. Pure.

use serde_json::{Value, json};

use super::graph::Graph;

/// Nodes, edges, where one started, and whether there is more: the form of `/api/v1/lineage/{kind}/{id}`.
#[must_use]
pub fn as_json(graph: &Graph) -> Value {
    let nodes: Vec<_> = graph
        .nodes
        .iter()
        .map(|node| {
            json!({
                "kind": node.kind,
                "id": node.id,
                "label": node.label,
                "institution": { "id": node.institution.0, "name": node.institution.1 },
                "status": node.status,
                "is_marked": node.is_marked,
                "created_at": node.created_at,
                "is_upstream": graph.upstream.contains(&node.id),
            })
        })
        .collect();
    json!({
        "roots": graph.roots, "nodes": nodes, "edges": graph.edges, "is_cut": graph.is_cut,
    })
}
