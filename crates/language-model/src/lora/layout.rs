//! Where the matrices of an adapter lie in its flat vector of numbers.

use std::ops::Range;

use super::Target;
use crate::config::Config;

/// Projections that read the same input; the graph computes each group in one product.
pub(super) const GROUPS: [&[Target]; 4] = [
    &[Target::Query, Target::Key, Target::Value],
    &[Target::Output],
    &[Target::Gate, Target::Up],
    &[Target::Down],
];

/// One adapted projection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub target: Target,
    pub inputs: usize,
    pub outputs: usize,
    /// First column of the projection in the output of its group.
    pub first_output: usize,
    /// First column of the projection in the group's inner product `x Aᵀ`.
    pub first_inner: usize,
    /// `[rank, inputs]`, row-major.
    pub a: Range<usize>,
    /// `[outputs, rank]`, row-major.
    pub b: Range<usize>,
}

/// The adapted projections of a group, their `A` matrices one under the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// `[inner, inputs]`, row-major.
    pub a: Range<usize>,
    /// Rank times the number of parts.
    pub inner: usize,
    pub parts: Vec<Part>,
}

/// The layout of an adapter; the same for its gradients and the optimiser's moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    rank: usize,
    targets: Vec<Target>,
    layers: Vec<[Group; 4]>,
    len: usize,
}

impl Layout {
    pub(super) fn new(config: &Config, rank: usize, targets: &[Target]) -> Self {
        let mut targets = targets.to_vec();
        targets.sort_unstable();
        targets.dedup();
        let mut next = 0;
        let layers = (0..config.layers)
            .map(|_| GROUPS.map(|members| group(config, rank, members, &targets, &mut next)))
            .collect();
        Self {
            rank,
            targets,
            layers,
            len: next,
        }
    }

    /// The inner dimension.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The adapted projections, without doubles.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Numbers in all.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True where nothing is adapted.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of blocks.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// True where the layout is that of an adapter over a model of this shape.
    pub fn fits(&self, config: &Config) -> bool {
        *self == Self::new(config, self.rank, &self.targets)
    }

    /// The four groups of a block: attention inputs, attention output, feed-forward inputs, its output.
    pub fn layer(&self, layer: usize) -> impl Iterator<Item = &Group> {
        self.layers.get(layer).into_iter().flatten()
    }

    /// One adapted projection.
    pub fn part(&self, layer: usize, target: Target) -> Option<&Part> {
        self.layer(layer)
            .flat_map(|group| &group.parts)
            .find(|part| part.target == target)
    }
}

fn group(
    config: &Config,
    rank: usize,
    members: &[Target],
    targets: &[Target],
    next: &mut usize,
) -> Group {
    let mut take = |count: usize| {
        let start = *next;
        *next += count;
        start..*next
    };
    let mut parts = Vec::new();
    let mut first_output = 0;
    for target in members {
        let (inputs, outputs) = target.shape(config);
        if targets.contains(target) {
            parts.push(Part {
                target: *target,
                inputs,
                outputs,
                first_output,
                first_inner: parts.len() * rank,
                a: take(rank * inputs),
                b: 0..0,
            });
        }
        first_output += outputs;
    }
    let a = match (parts.first(), parts.last()) {
        (Some(first), Some(last)) => first.a.start..last.a.end,
        _ => 0..0,
    };
    for part in &mut parts {
        part.b = take(rank * part.outputs);
    }
    Group {
        a,
        inner: parts.len() * rank,
        parts,
    }
}
