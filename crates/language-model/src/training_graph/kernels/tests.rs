//! Every tier against plain arithmetic.

use super::super::apart::take_apart;
use super::*;
use crate::{quantised::to_bf16, synthetic::Noise};

#[test]
fn every_tier_gives_what_plain_arithmetic_gives() {
    let mut noise = Noise::new(4);
    for steps in [1, 2, 37, 300] {
        let mut words = |count: usize, is_pair: bool| -> Vec<f32> {
            (0..count)
                .map(|_| {
                    let (x, y) = (noise.sample(), noise.sample());
                    if is_pair {
                        f32::from_bits(u32::from(to_bf16(x)) | (u32::from(to_bf16(y)) << 16))
                    } else {
                        x
                    }
                })
                .collect()
        };
        for is_pair in [false, true] {
            // Rows for three plain tiles, `[rows][steps]`; each tier wants its own rows in its own order.
            let (a, b) = (
                words(3 * ROWS * steps, is_pair),
                words(steps * COLUMNS, is_pair),
            );
            let of_tier = |tier: Tier| {
                if is_pair {
                    tier.pair_tile()
                } else {
                    tier.single_tile()
                }
            };
            let sums_of = |tile: Tile, first: usize| {
                let whole = steps.next_multiple_of(tile.block);
                let mut packed = vec![0.0; whole * tile.rows];
                let mut b = b.clone();
                b.resize(whole * COLUMNS, 0.0);
                for row in 0..tile.rows {
                    for step in 0..steps {
                        let (block, place) = (step / tile.block, step % tile.block);
                        packed[(block * tile.rows + row) * tile.block + place] =
                            a[(first + row) * steps + step];
                    }
                }
                let mut sums = Sums([0.5; MOST_ROWS * COLUMNS]);
                if tile.takes_apart {
                    let mut singles = [vec![0.0; 2 * packed.len()], vec![0.0; 2 * b.len()]];
                    take_apart(&packed, &mut singles[0]);
                    take_apart(&b, &mut singles[1]);
                    [packed, b] = singles;
                }
                tile.multiply(&packed, &b, &mut sums, true);
                sums.0[..tile.rows * COLUMNS].to_vec()
            };
            let plain = [0, 1, 2]
                .map(|part| sums_of(of_tier(Tier::Scalar), part * ROWS))
                .concat();
            let mut tiles: Vec<Tile> = Tier::supported().into_iter().map(of_tier).collect();
            // Also where it is not the quickest.
            #[cfg(target_arch = "x86_64")]
            if is_pair && has_bf16() {
                tiles.push(Tile::of_lanes(avx512::pairs, None));
            }
            for tile in tiles {
                for (found, plain) in sums_of(tile, 0).iter().zip(&plain) {
                    let off = (found - plain).abs();
                    assert!(
                        off < 1e-5 * (steps as f32 + 1.0),
                        "{tile:?}: {found}, {plain}"
                    );
                }
            }
        }
    }
}

#[test]
fn squares_are_turned_over() {
    let source: Vec<f32> = (0..SIDE * 32).map(|number| number as f32).collect();
    for (stride, out_stride) in [(16, 16), (32, 20), (20, 32)] {
        let (mut plain, mut found) = (vec![-1.0; 512], vec![-1.0; 512]);
        turn_plainly(&source, stride, &mut plain, out_stride);
        turn(&source, stride, &mut found, out_stride);
        assert_eq!(plain, found);
        // Also where a faster tier is the current one.
        #[cfg(target_arch = "x86_64")]
        if Tier::supported().contains(&Tier::Avx2) {
            found.fill(-1.0);
            avx2::turn(&source, stride, &mut found, out_stride);
            assert_eq!(plain, found);
        }
        assert_eq!(plain[3 * out_stride + 5], source[5 * stride + 3]);
    }
}

/// Singles in halves are singles but for the last bits: each product is within 2⁻¹⁶ of its size, two rests that are
/// not multiplied and two roundings of the rests themselves.
#[test]
fn products_of_halves_are_nearly_those_of_singles() {
    let Some(tile) = Tier::supported().last().and_then(|tier| tier.half_tile()) else {
        return;
    };
    let mut noise = Noise::new(8);
    for blocks in [1, 5] {
        let inner = blocks * 2 * SIDE;
        let a = noise.samples(tile.rows * inner, 1.0);
        let b = noise.samples(inner * COLUMNS, 1.0);
        let mut left = vec![0.0; a.len()];
        let mut right = vec![0.0; b.len()];
        for (number, half) in [(0, Half::Rounded), (1, Half::Rest)] {
            for block in 0..blocks {
                for row in 0..tile.rows {
                    let numbers = a[row * inner + block * 2 * SIDE..].first_chunk().unwrap();
                    let place = ((2 * block + number) * tile.rows + row) * SIDE;
                    let words = left[place..].first_chunk_mut().unwrap();
                    round_row_plainly(numbers, half, words);
                }
                for column in 0..COLUMNS {
                    let numbers =
                        std::array::from_fn(|step| b[(block * 2 * SIDE + step) * COLUMNS + column]);
                    let mut words = [0.0; SIDE];
                    round_row_plainly(&numbers, half, &mut words);
                    for (step, word) in words.iter().enumerate() {
                        let place = (2 * block + number) * SIDE + step;
                        right[place * COLUMNS + column] = *word;
                    }
                }
            }
        }
        let mut sums = Sums([0.5; MOST_ROWS * COLUMNS]);
        tile.multiply(&left, &right, &mut sums, true);
        let into = tile.into().unwrap();
        let mut twice = vec![0.0; tile.rows * 40];
        into([(&left, &right); 2], &mut twice, 40, false);
        for row in 0..tile.rows {
            for column in 0..COLUMNS {
                let products = (0..inner).map(|step| {
                    f64::from(a[row * inner + step]) * f64::from(b[step * COLUMNS + column])
                });
                let (sum, size) = products.fold((0.0, 0.5), |(sum, size), product| {
                    (sum + product, size + product.abs())
                });
                let bound = size * 2f64.powi(-16);
                let found = f64::from(sums.0[row * COLUMNS + column]);
                assert!((found - sum - 0.5).abs() < bound, "{found}, {sum} + 0.5");
                let found = f64::from(twice[row * 40 + column]);
                assert!((found - 2.0 * sum).abs() < 2.0 * bound, "{found}, 2 {sum}");
            }
        }
    }
}
