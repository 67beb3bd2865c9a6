//! The nodes and edges that somebody is shown. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// All versions of it; never a node, only where one starts to look.
    Dataset,
    DatasetVersion,
    CurationRun,
    Job,
    Model,
    Deployment,
    Key,
}

/// A word that is no kind of node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no kind of node")]
pub struct UnknownKind;

impl Kind {
    /// All of them, in the order of the chain.
    pub const ALL: [Self; 7] = [
        Self::Dataset,
        Self::DatasetVersion,
        Self::CurationRun,
        Self::Job,
        Self::Model,
        Self::Deployment,
        Self::Key,
    ];

    /// The word in the database, in addresses and in keys of texts (`lineage-kind-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::DatasetVersion => "dataset_version",
            Self::CurationRun => "curation_run",
            Self::Job => "job",
            Self::Model => "model",
            Self::Deployment => "deployment",
            Self::Key => "key",
        }
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or(UnknownKind)
    }
}

/// A node, as far as the one who looks may know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    pub kind: Kind,
    pub id: Uuid,
    /// Its name; none where it is not for the one who looks.
    pub label: Option<String>,
    /// Whose it is: id and name.
    pub institution: (Uuid, String),
    /// How it stands, for example `released`; none where it is not for the one who looks.
    pub status: Option<String>,
    /// The id in the address of its page, where the one who looks may open it.
    pub page: Option<Uuid>,
    /// Whether data in its lineage was withdrawn.
    pub is_marked: bool,
    pub created_at: DateTime<Utc>,
}

/// What came out of what, in the direction in which data flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Edge {
    pub from: Uuid,
    pub to: Uuid,
    pub at: DateTime<Utc>,
}

/// What somebody is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// Where they started.
    pub roots: Vec<Uuid>,
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    /// Of the nodes, those that came before the roots.
    pub upstream: BTreeSet<Uuid>,
    /// Whether there is more than is shown.
    pub is_cut: bool,
}

impl Graph {
    /// The edges without those that a longer way says too: a key of a model that is deployed hangs on the
    /// deployment, an adapter on its job.
    #[must_use]
    pub fn reduced(&self) -> Vec<Edge> {
        let mut next: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
        for edge in &self.edges {
            next.entry(edge.from).or_default().push(edge.to);
        }
        let reaches = |from: Uuid, to: Uuid| {
            let mut seen = BTreeSet::new();
            let mut waiting: Vec<Uuid> = next.get(&from).cloned().unwrap_or_default();
            while let Some(at) = waiting.pop() {
                if at == to {
                    return true;
                }
                if seen.insert(at) {
                    waiting.extend(next.get(&at).into_iter().flatten());
                }
            }
            false
        };
        self.edges
            .iter()
            .filter(|edge| {
                let others = next.get(&edge.from).into_iter().flatten();
                !others
                    .filter(|other| **other != edge.to)
                    .any(|other| reaches(*other, edge.to))
            })
            .copied()
            .collect()
    }

    /// How many steps each node is below the furthest node above it: the row in which it is drawn. Circles, which
    /// the database refuses, would end the count rather than run on.
    #[must_use]
    pub fn rows(&self) -> BTreeMap<Uuid, usize> {
        let mut rows: BTreeMap<Uuid, usize> = self.nodes.iter().map(|node| (node.id, 0)).collect();
        for _ in 0..self.nodes.len() {
            let mut is_settled = true;
            for edge in &self.edges {
                let above = rows.get(&edge.from).copied().unwrap_or_default();
                if let Some(row) = rows.get_mut(&edge.to)
                    && *row <= above
                {
                    *row = above + 1;
                    is_settled = false;
                }
            }
            if is_settled {
                break;
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(u128, u128)]) -> Graph {
        let ids: BTreeSet<u128> = edges.iter().flat_map(|(a, b)| [*a, *b]).collect();
        let node = |id: u128| Node {
            kind: Kind::Model,
            id: Uuid::from_u128(id),
            label: None,
            institution: (Uuid::nil(), String::new()),
            status: None,
            page: None,
            is_marked: false,
            created_at: DateTime::UNIX_EPOCH,
        };
        Graph {
            nodes: ids.into_iter().map(node).collect(),
            edges: edges
                .iter()
                .map(|(from, to)| Edge {
                    from: Uuid::from_u128(*from),
                    to: Uuid::from_u128(*to),
                    at: DateTime::UNIX_EPOCH,
                })
                .collect(),
            ..Graph::default()
        }
    }

    #[test]
    fn an_edge_that_a_longer_way_says_is_not_drawn() {
        let reduced = graph(&[(1, 2), (2, 3), (1, 3), (1, 4)]).reduced();
        let pairs: Vec<_> = reduced
            .iter()
            .map(|edge| (edge.from.as_u128(), edge.to.as_u128()))
            .collect();
        assert_eq!(pairs, [(1, 2), (2, 3), (1, 4)]);
    }

    #[test]
    fn a_node_stands_below_everything_it_came_out_of() {
        let rows = graph(&[(1, 3), (2, 3), (3, 4), (1, 4), (5, 2)]).rows();
        let row = |id: u128| rows[&Uuid::from_u128(id)];
        assert_eq!((row(1), row(5), row(2), row(3), row(4)), (0, 0, 1, 2, 3));
    }

    #[test]
    fn a_circle_does_not_run_on() {
        assert_eq!(graph(&[(1, 2), (2, 1)]).rows().len(), 2);
    }
}
