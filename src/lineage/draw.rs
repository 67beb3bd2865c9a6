//! Where each node of a graph stands in the picture: rows from top to bottom, as data flows, so that it fits a
//! narrow screen as long as a row is short. Pure.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::graph::Graph;

/// Width and height of a node, the room between two, and around all, in pixels.
const WIDTH: usize = 200;
const HEIGHT: usize = 68;
const GAP_ACROSS: usize = 20;
const GAP_DOWN: usize = 48;
const MARGIN: usize = 8;
/// Nodes beside each other; a row of more goes on below.
const MOST_IN_ROW: usize = 5;
/// Sweeps that put nodes below what they came out of.
const SWEEPS: usize = 4;

/// A node's place: its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub node: Uuid,
    pub x: usize,
    pub y: usize,
}

/// The picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drawing {
    pub width: usize,
    pub height: usize,
    pub places: Vec<Place>,
    /// One path an edge, in SVG's words.
    pub lines: Vec<String>,
}

impl Drawing {
    /// How wide a node is.
    #[must_use]
    pub fn node_width(&self) -> usize {
        WIDTH
    }

    /// How high a node is.
    #[must_use]
    pub fn node_height(&self) -> usize {
        HEIGHT
    }
}

/// Places every node and draws every edge that is not said by a longer way.
#[must_use]
pub fn draw(graph: &Graph) -> Drawing {
    let edges = graph.reduced();
    let rows = ordered_rows(graph, &edges);
    let broadest = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width =
        2 * MARGIN + broadest * (WIDTH + GAP_ACROSS) - GAP_ACROSS.min(broadest * GAP_ACROSS);
    let mut places = Vec::new();
    let mut at = BTreeMap::new();
    for (number, row) in rows.iter().enumerate() {
        let own = row.len() * (WIDTH + GAP_ACROSS) - GAP_ACROSS.min(row.len() * GAP_ACROSS);
        let left = (width - own) / 2;
        for (column, node) in row.iter().enumerate() {
            let place = Place {
                node: *node,
                x: left + column * (WIDTH + GAP_ACROSS),
                y: MARGIN + number * (HEIGHT + GAP_DOWN),
            };
            at.insert(*node, place);
            places.push(place);
        }
    }
    let lines = edges
        .iter()
        .filter_map(|edge| {
            let (from, to) = (at.get(&edge.from)?, at.get(&edge.to)?);
            let (x1, y1) = (from.x + WIDTH / 2, from.y + HEIGHT);
            let (x2, y2) = (to.x + WIDTH / 2, to.y.saturating_sub(7));
            let (c1, c2) = (y1 + GAP_DOWN / 2, y2.saturating_sub(GAP_DOWN / 2));
            Some(format!("M{x1} {y1}C{x1} {c1} {x2} {c2} {x2} {y2}"))
        })
        .collect();
    Drawing {
        width,
        height: 2 * MARGIN + rows.len() * (HEIGHT + GAP_DOWN) - GAP_DOWN.min(rows.len() * GAP_DOWN),
        places,
        lines,
    }
}

/// The nodes by row, each near the middle of what it came out of.
fn ordered_rows(graph: &Graph, edges: &[super::graph::Edge]) -> Vec<Vec<Uuid>> {
    let by_node = graph.rows();
    let depth = by_node.values().max().map_or(0, |most| most + 1);
    let mut rows = vec![Vec::new(); depth];
    for node in &graph.nodes {
        let row = by_node.get(&node.id).copied().unwrap_or_default();
        if let Some(row) = rows.get_mut(row) {
            row.push(node.id);
        }
    }
    let mut parents: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    let mut children: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    for edge in edges {
        parents.entry(edge.to).or_default().push(edge.from);
        children.entry(edge.from).or_default().push(edge.to);
    }
    let mut position: BTreeMap<Uuid, usize> = BTreeMap::new();
    let number = |row: &[Uuid], position: &mut BTreeMap<Uuid, usize>| {
        for (column, node) in row.iter().enumerate() {
            // Twice as fine as columns, so that a mean can fall between two.
            position.insert(*node, 2 * column);
        }
    };
    for row in &rows {
        number(row, &mut position);
    }
    for sweep in 0..SWEEPS {
        let towards = if sweep % 2 == 0 { &parents } else { &children };
        for row in &mut rows {
            let mut keyed: Vec<(usize, usize, Uuid)> = row
                .iter()
                .enumerate()
                .map(|(column, node)| {
                    let beside: Vec<usize> = towards
                        .get(node)
                        .into_iter()
                        .flatten()
                        .filter_map(|other| position.get(other))
                        .copied()
                        .collect();
                    let mean = beside
                        .iter()
                        .sum::<usize>()
                        .checked_div(beside.len())
                        .unwrap_or(2 * column);
                    (mean, column, *node)
                })
                .collect();
            keyed.sort_unstable();
            *row = keyed.into_iter().map(|(_, _, node)| node).collect();
            number(row, &mut position);
        }
    }
    rows.into_iter()
        .flat_map(|row| {
            row.chunks(MOST_IN_ROW)
                .map(<[Uuid]>::to_vec)
                .collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::DateTime;
    use proptest::prelude::*;

    use super::{
        super::graph::{Edge, Kind, Node},
        *,
    };

    fn node(id: u128) -> Node {
        Node {
            kind: Kind::Model,
            id: Uuid::from_u128(id),
            label: None,
            institution: (Uuid::nil(), String::new()),
            status: None,
            page: None,
            is_marked: false,
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    proptest! {
        #[test]
        fn no_two_nodes_overlap_and_data_flows_downwards(
            count in 1..40_u128, pairs in prop::collection::vec((0..40_u128, 0..40_u128), 0..80),
        ) {
            let edges: BTreeSet<(u128, u128)> = pairs
                .into_iter()
                .map(|(a, b)| (a % count, b % count))
                .filter(|(a, b)| a < b)
                .collect();
            let graph = Graph {
                nodes: (0..count).map(node).collect(),
                edges: edges
                    .iter()
                    .map(|(a, b)| Edge { from: Uuid::from_u128(*a), to: Uuid::from_u128(*b), at: DateTime::UNIX_EPOCH })
                    .collect(),
                ..Graph::default()
            };
            let drawing = draw(&graph);
            prop_assert_eq!(drawing.places.len() as u128, count);
            let spots: BTreeSet<_> = drawing.places.iter().map(|place| (place.x, place.y)).collect();
            prop_assert_eq!(spots.len() as u128, count, "two nodes in one place");
            let at: BTreeMap<_, _> = drawing.places.iter().map(|place| (place.node, *place)).collect();
            for edge in graph.reduced() {
                prop_assert!(at[&edge.from].y < at[&edge.to].y);
            }
            for place in &drawing.places {
                prop_assert!(place.x + WIDTH <= drawing.width && place.y + HEIGHT <= drawing.height);
            }
        }
    }

    #[test]
    fn an_empty_graph_is_an_empty_picture() {
        assert!(draw(&Graph::default()).places.is_empty());
    }
}
