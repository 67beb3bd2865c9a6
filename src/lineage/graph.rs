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
    ///
    /// One pass from the ends upwards with a bit for each node below: a graph of n nodes and m edges costs n·m/64
    /// steps. Edges of a circle, which the database refuses, all stay.
    #[must_use]
    pub fn reduced(&self) -> Vec<Edge> {
        let order = self.order();
        let place: BTreeMap<Uuid, usize> = order.iter().copied().zip(0..).collect();
        let mut next: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
        for edge in &self.edges {
            next.entry(edge.from).or_default().push(edge.to);
        }
        let children = |id: &Uuid| next.get(id).into_iter().flatten();
        // What is reached in one step or more, and in two or more, by place in the order.
        let mut below: BTreeMap<Uuid, Bits> = BTreeMap::new();
        let mut further: BTreeMap<Uuid, Bits> = BTreeMap::new();
        for id in order.iter().rev() {
            let mut far = Bits::of(order.len());
            for child in children(id) {
                if let Some(bits) = below.get(child) {
                    far.add(bits);
                }
            }
            let mut all = far.clone();
            for at in children(id).filter_map(|child| place.get(child)) {
                all.set(*at);
            }
            below.insert(*id, all);
            further.insert(*id, far);
        }
        let is_said_by_a_longer_way =
            |edge: &Edge| match (further.get(&edge.from), place.get(&edge.to)) {
                (Some(far), Some(at)) => far.has(*at),
                _ => false,
            };
        self.edges
            .iter()
            .filter(|edge| !is_said_by_a_longer_way(edge))
            .copied()
            .collect()
    }

    /// The ids in an order in which each stands after everything it came out of. Without those on a circle and below
    /// one.
    fn order(&self) -> Vec<Uuid> {
        let mut next: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
        let mut waits_for: BTreeMap<Uuid, usize> =
            self.nodes.iter().map(|node| (node.id, 0)).collect();
        for edge in &self.edges {
            next.entry(edge.from).or_default().push(edge.to);
            waits_for.entry(edge.from).or_default();
            *waits_for.entry(edge.to).or_default() += 1;
        }
        let mut ready: Vec<Uuid> = waits_for
            .iter()
            .filter(|(_, count)| **count == 0)
            .map(|(id, _)| *id)
            .collect();
        let mut order = Vec::with_capacity(waits_for.len());
        while let Some(id) = ready.pop() {
            order.push(id);
            for child in next.get(&id).into_iter().flatten() {
                if let Some(count) = waits_for.get_mut(child) {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        ready.push(*child);
                    }
                }
            }
        }
        order
    }

    /// How many steps each node is below the furthest node above it: the row in which it is drawn. Nodes on a circle,
    /// which the database refuses, and below one, stay in the row that they were pushed to.
    #[must_use]
    pub fn rows(&self) -> BTreeMap<Uuid, usize> {
        let mut rows: BTreeMap<Uuid, usize> = self.nodes.iter().map(|node| (node.id, 0)).collect();
        let mut next: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
        for edge in &self.edges {
            next.entry(edge.from).or_default().push(edge.to);
        }
        for id in self.order() {
            let above = rows.get(&id).copied().unwrap_or_default();
            for child in next.get(&id).into_iter().flatten() {
                if let Some(row) = rows.get_mut(child) {
                    *row = (*row).max(above + 1);
                }
            }
        }
        rows
    }
}

/// A set of small numbers.
#[derive(Clone)]
struct Bits(Vec<u64>);

impl Bits {
    fn of(most: usize) -> Self {
        Self(vec![0; most.div_ceil(64)])
    }

    fn set(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    fn has(&self, at: usize) -> bool {
        self.0
            .get(at / 64)
            .is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine |= theirs;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    /// The same by a walk for each edge, as it is said in words.
    fn reduced_by_walking(edges: &BTreeSet<(u128, u128)>) -> Vec<(u128, u128)> {
        let reaches = |from: u128, to: u128| {
            let (mut seen, mut waiting) = (BTreeSet::new(), vec![from]);
            while let Some(at) = waiting.pop() {
                if at == to {
                    return true;
                }
                if seen.insert(at) {
                    waiting.extend(edges.iter().filter(|edge| edge.0 == at).map(|edge| edge.1));
                }
            }
            false
        };
        edges
            .iter()
            .filter(|(from, to)| {
                !edges
                    .iter()
                    .any(|(one, other)| one == from && other != to && reaches(*other, *to))
            })
            .copied()
            .collect()
    }

    proptest! {
        #[test]
        fn an_edge_is_left_out_exactly_where_there_is_a_longer_way(
            pairs in prop::collection::btree_set((0..30_u128, 0..30_u128), 0..90),
        ) {
            let edges: BTreeSet<(u128, u128)> = pairs.into_iter().filter(|(a, b)| a < b).collect();
            let listed: Vec<_> = edges.iter().copied().collect();
            let reduced: Vec<_> = graph(&listed)
                .reduced()
                .iter()
                .map(|edge| (edge.from.as_u128(), edge.to.as_u128()))
                .collect();
            prop_assert_eq!(reduced, reduced_by_walking(&edges));
        }
    }

    /// As many nodes as a page shows, each joined to all of the next rows: 120,000 edges.
    #[test]
    fn the_densest_graph_of_a_page_is_reduced_to_the_edges_between_rows() {
        let row = |node: u128| node / 200;
        let edges: Vec<_> = (0..600_u128)
            .flat_map(|from| (0..600).map(move |to| (from, to)))
            .filter(|(from, to)| row(*from) < row(*to))
            .collect();
        let graph = graph(&edges);
        assert_eq!(graph.edges.len(), 120_000);
        let reduced = graph.reduced();
        assert_eq!(reduced.len(), 80_000);
        assert!(
            reduced
                .iter()
                .all(|edge| row(edge.to.as_u128()) - row(edge.from.as_u128()) == 1)
        );
        assert_eq!(graph.rows().values().max(), Some(&2));
    }
}
