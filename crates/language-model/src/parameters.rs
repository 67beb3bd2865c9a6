//! What training changes: one flat vector of numbers, and what lies where in it.

use std::ops::Range;

/// A matrix or vector among the trained numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// As other programs name it in a file.
    pub name: String,
    pub range: Range<usize>,
    /// Rows and columns, row-major; a vector is a single row.
    pub shape: [usize; 2],
    /// False for the weights of norms, which weight decay should leave alone.
    pub decays: bool,
}

/// Numbers that are trained. Gradients and an optimiser's moments are laid out as [`Parameters::flat`] is.
pub trait Parameters {
    /// All numbers.
    fn flat(&self) -> &[f32];

    /// All numbers, to change them.
    fn flat_mut(&mut self) -> &mut [f32];

    /// What lies where; the places follow one another without gaps.
    fn layout(&self) -> Vec<Place>;
}
