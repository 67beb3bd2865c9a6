//! The product in plain Rust: the measure for the other tiers, and the fallback.

use std::ops::Range;

use super::{BLOCK, GROUPS, HIGH, PANEL, Product};

pub(super) fn multiply<const PARTS: usize>(product: &Product<'_>, panels: Range<usize>) {
    let (weights, input) = (product.weights, product.input);
    let blocks = input.blocks;
    for panel in panels {
        for row in 0..input.rows {
            let mut sums = [0.0f32; PANEL];
            for block in 0..blocks {
                let at = row * blocks + block;
                let place = panel * blocks + block;
                let lines = &weights.lines[place * GROUPS..(place + 1) * GROUPS];
                let parts = &input.quants[at * PARTS * BLOCK..(at + 1) * PARTS * BLOCK];
                let mut integers = [0; PANEL];
                for x in parts.chunks_exact(BLOCK) {
                    // What the part before has summed up counts `HIGH` times.
                    integers.iter_mut().for_each(|sum| *sum *= HIGH);
                    for (line, x) in lines.iter().zip(x.chunks_exact(4)) {
                        for (sum, w) in integers.iter_mut().zip(line.0.chunks_exact(4)) {
                            for (w, x) in w.iter().zip(x) {
                                *sum += i32::from(*w) * i32::from(*x);
                            }
                        }
                    }
                }
                let scales = &weights.scales[place].0;
                for ((sum, integer), scale) in sums.iter_mut().zip(integers).zip(scales) {
                    let integer = integer + input.offsets[at];
                    *sum = (integer as f32).mul_add(input.scales[at] * scale, *sum);
                }
            }
            product.store(row, panel, &sums);
        }
    }
}
