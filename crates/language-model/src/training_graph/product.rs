//! Matrix products by all threads.

use super::{
    crew::share_out,
    form::Form,
    frozen::Precision,
    kernels::COLUMNS,
    left::{Left, SLACK, aligned, left_words},
    pool::Pool,
    right::{Packed, Right},
    stage::{Place, Stage},
};
use crate::matrix::{Matrix, Write};

/// Steps and words of a right factor that are packed at once, where it is not packed already.
const STEPS_PACKED: usize = 2048;
const WORDS_PACKED: usize = 1 << 20;

/// `left right`, and the product of `extra` added to it before it is written.
///
/// # Panics
/// Where the factors do not fit one another: a mistake in the graph.
pub(super) fn multiply(
    place: Place<'_>,
    left: Left<'_>,
    right: Right<'_>,
    extra: Option<(Left<'_>, &Packed)>,
    pool: &mut Pool,
) {
    if left.rows == 0 || left.steps == 0 {
        return;
    }
    let panels = right.columns().div_ceil(COLUMNS);
    let Place {
        out,
        stride,
        write,
        scale,
    } = place;
    if let Right::Packed(packed) = right {
        assert_eq!(packed.steps(), left.steps, "the factors do not fit");
        let each = (left.steps * COLUMNS).max(1);
        // As many panels at once as stay in the last-level cache while all threads read them.
        let group = (WORDS_PACKED / each).max(1);
        for (number, words) in packed.words().chunks(group * each).enumerate() {
            let first = number * group;
            let stage = Stage {
                left,
                extra,
                panels: first..panels.min(first + group),
                columns: packed.columns,
                steps: 0..left.steps,
                words,
                each,
            };
            stage.run(Place {
                out,
                stride,
                write,
                scale,
            });
        }
        return;
    }
    for start in (0..left.steps).step_by(STEPS_PACKED) {
        let steps = start..left.steps.min(start + STEPS_PACKED);
        let extra = extra.filter(|_| steps.end == left.steps);
        let place = Place {
            out: &mut *out,
            stride,
            write: if start > 0 { Write::Add } else { write },
            scale,
        };
        multiply_steps(place, (left, steps.clone()), (right, steps), extra, pool);
    }
}

/// `out (=|+=) scale · a right`, packing both factors a stretch of the inner dimension at a time: for an inner
/// dimension as long as a vocabulary.
pub(super) fn multiply_in_stretches(
    place: Place<'_>,
    a: Matrix<'_>,
    right: Right<'_>,
    precision: Precision,
    pool: &mut Pool,
) {
    let form = Form::of(precision);
    let of_step = form.numbers();
    let steps = form.steps(a.columns());
    for start in (0..steps).step_by(STEPS_PACKED) {
        let some = start..steps.min(start + STEPS_PACKED);
        let columns = some.start * of_step..a.columns().min(some.end * of_step);
        let part = a.some_columns(columns);
        let mut words = pool.take(left_words(part, precision));
        let left = Left::pack(part, precision, &mut words);
        let place = Place {
            out: &mut *place.out,
            stride: place.stride,
            write: if start > 0 { Write::Add } else { place.write },
            scale: place.scale,
        };
        multiply_steps(place, (left, 0..left.steps), (right, some), None, pool);
        pool.give([words]);
    }
}

/// The product over some steps: those of `left` and those of `right` go together.
fn multiply_steps(
    place: Place<'_>,
    (left, steps): (Left<'_>, std::ops::Range<usize>),
    (right, right_steps): (Right<'_>, std::ops::Range<usize>),
    extra: Option<(Left<'_>, &Packed)>,
    pool: &mut Pool,
) {
    let panels = right.columns().div_ceil(COLUMNS);
    let each = (steps.len() * COLUMNS).max(1);
    let group = (WORDS_PACKED / each).clamp(1, panels.max(1));
    let mut buffer = pool.take(group * each + SLACK);
    let words = aligned(&mut buffer, group * each);
    for first in (0..panels).step_by(group) {
        let some = first..panels.min(first + group);
        let places = words[..some.len() * each].chunks_mut(each).enumerate();
        share_out(places, |(place, words)| {
            right.panel(first + place, right_steps.clone(), left.form, words);
        });
        let stage = Stage {
            left,
            extra,
            panels: some,
            columns: right.columns(),
            steps: steps.clone(),
            words,
            each,
        };
        stage.run(Place {
            out: &mut *place.out,
            ..place
        });
    }
    pool.give([buffer]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training_graph::{
        few_rows::FewRows,
        stage::{Panels, multiply_here},
    };
    use crate::{matrix, matrix::Threads, synthetic::Noise};

    /// What each way of multiplying gives, and what it should be.
    #[test]
    fn products_of_any_shape_are_those_of_the_definition() {
        let mut noise = Noise::new(5);
        for (rows, columns, inner) in [(1, 1, 1), (13, 33, 7), (400, 70, 65), (5, 40, 5001)] {
            let (a, b) = (
                noise.samples(rows * inner, 1.0),
                noise.samples(inner * columns, 1.0),
            );
            let start = noise.samples(rows * columns, 1.0);
            let left = Matrix::new(&a, rows, inner);
            let right = Matrix::new(&b, inner, columns);
            let flipped: Vec<f32> = (0..inner * columns)
                .map(|place| b[place % inner * columns + place / inner])
                .collect();
            let flipped = Matrix::new(&flipped, columns, inner);
            for (write, scale) in [(Write::Replace, 1.0), (Write::Add, 0.5)] {
                let mut exact = start.clone();
                let place = (&mut exact[..], columns);
                matrix::multiply(place, left, right, (write, scale), Threads::One);
                for precision in [Precision::Full, Precision::Mixed] {
                    let bound = match precision {
                        Precision::Full => 1e-5 * inner as f32 + 1e-4,
                        Precision::Mixed => 0.02 * (inner as f32).sqrt() + 0.01,
                    };
                    let check = |what: &str, work: &dyn Fn(Place<'_>, &mut Pool)| {
                        let mut found = start.clone();
                        let place = Place {
                            out: &mut found,
                            stride: columns,
                            write,
                            scale,
                        };
                        work(place, &mut Pool::default());
                        for (exact, found) in exact.iter().zip(&found) {
                            let off = (exact - found).abs();
                            assert!(
                                off < bound,
                                "{what}, {precision:?}, {rows}x{columns}x{inner}: {exact}, {found}"
                            );
                        }
                    };
                    let mut words = vec![0.0; left_words(left, precision)];
                    let packed_left = Left::pack(left, precision, &mut words);
                    let packed = Packed::new(right, precision);
                    let turned = Packed::new(flipped, precision);
                    for (what, right) in [
                        ("packed", Right::Packed(&packed)),
                        ("turned", Right::Transposed(&turned)),
                        ("matrix", Right::Matrix(right)),
                        ("transposed matrix", Right::Matrix(flipped.transposed())),
                    ] {
                        check(what, &|place, pool| {
                            multiply(place, packed_left, right, None, pool);
                        });
                    }
                    check("in stretches", &|place, pool| {
                        let right = Right::Transposed(&turned);
                        multiply_in_stretches(place, left, right, precision, pool);
                    });
                    check("few rows", &|place, pool| {
                        let all = |_| 0..rows;
                        let product = FewRows::multiply(left, right, all, precision, pool);
                        let mut turned = vec![0.0; rows * columns];
                        product.add_turned(0..rows, 0..columns, &mut turned);
                        let mut whole = vec![0.0; rows * columns];
                        product.add_to(&mut whole);
                        let turned = Matrix::new(&turned, columns, rows).transposed();
                        for (number, out) in place.out.iter_mut().enumerate() {
                            assert_eq!(
                                whole[number],
                                turned.at(number / columns, number % columns)
                            );
                            let before = if write == Write::Add { *out } else { 0.0 };
                            *out = before + scale * whole[number];
                        }
                    });
                    check("here", &|place, _| {
                        let mut words = Vec::new();
                        let panels = Panels::pack(right, precision, &mut words);
                        multiply_here(place, packed_left, panels, columns);
                    });
                }
            }
        }
    }
}
