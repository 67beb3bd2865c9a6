//! The product in plain Rust: the measure for the other tiers, and the fallback.

use std::ops::Range;

use super::{BLOCK, Bits, HIGH, PANEL, Product};
use crate::inference::packed::from_half;

pub(super) fn multiply<const PARTS: usize>(product: &Product<'_>, panels: Range<usize>) {
    let (weights, input) = (product.weights, product.input);
    let (blocks, bits) = (input.blocks, weights.bits());
    for panel in panels {
        for row in 0..input.rows {
            let mut sums = [0.0f32; PANEL];
            for block in 0..blocks {
                let place = panel * blocks + block;
                let lines = &weights.lines[place * bits.lines()..(place + 1) * bits.lines()];
                let mut integers = [0; PANEL];
                for part in 0..PARTS {
                    let at = input.quant_place(row, block, part);
                    let x = &input.quants()[at..at + BLOCK];
                    // What the part before has summed up counts `HIGH` times.
                    integers.iter_mut().for_each(|sum| *sum *= HIGH);
                    for (index, x) in x.iter().enumerate() {
                        let (group, place) = (index / 4, index % 4);
                        for (output, sum) in integers.iter_mut().enumerate() {
                            let weight = match bits {
                                Bits::Eight => {
                                    i32::from(lines[group].0[output * 4 + place].cast_signed())
                                }
                                Bits::Four => {
                                    let byte = lines[group % 4].0[output * 4 + place];
                                    i32::from((byte >> (group / 4 * 4)) & 0x0f)
                                }
                            };
                            *sum += weight * i32::from(*x);
                        }
                    }
                }
                let halves = &weights.halves[place * bits.halves()..(place + 1) * bits.halves()];
                let at = input.place(row, block);
                for (output, sum) in sums.iter_mut().enumerate() {
                    let value = integers[output] as f32 * from_half(halves[0].0[output]);
                    *sum = value.mul_add(input.scales[at], *sum);
                    if bits == Bits::Four {
                        *sum = from_half(halves[1].0[output]).mul_add(input.shifts[at], *sum);
                    }
                }
            }
            product.store(row, panel, &sums);
        }
    }
}
