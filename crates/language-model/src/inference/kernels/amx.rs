//! The product by AMX tiles: 16 rows of activations with the 16 outputs of a panel, a block of 32 at a time.
//!
//! A block of a panel in 8 bits is a tile register as it lies; one in 4 bits is unpacked first, once for all rows. The
//! standard library has no stable intrinsics for these instructions, so they are written out.

use std::{
    arch::{
        asm,
        x86_64::{
            __m512, _MM_HINT_T0, _mm_prefetch, _mm512_and_si512, _mm512_cvtepi32_ps,
            _mm512_fmadd_ps, _mm512_load_epi32, _mm512_load_si512, _mm512_mul_ps, _mm512_set1_epi8,
            _mm512_set1_ps, _mm512_setzero_ps, _mm512_srli_epi16, _mm512_store_si512,
            _mm512_storeu_ps,
        },
    },
    cell::RefCell,
    mem::MaybeUninit,
    ops::Range,
};

use super::{BLOCK, GROUPS, HIGH, PANEL, Product, avx512::floats};
use crate::inference::{activations::TALL, packed::Line};

/// Rows from which on the tiles are faster than `vpdpbusd`.
pub(super) const LEAST_ROWS: usize = 4;

/// Integer sums of a tile for two blocks, or for the two parts of one.
#[repr(C, align(64))]
struct Integers([[[i32; PANEL]; TALL]; 2]);

/// # Safety
/// The processor has AVX-512 F and BW and AMX for bytes, the system permits it, and `multiply` of the parent has
/// checked the shapes. `FOUR` is true for weights of 4 bits.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn multiply<const PARTS: usize, const FOUR: bool>(
    product: &Product<'_>,
    panels: Range<usize>,
) {
    thread_local! {
        static UNPACKED: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
    }
    let before = shape_registers();
    UNPACKED.with_borrow_mut(|unpacked| {
        // SAFETY: as for this function.
        unsafe { multiply_panels::<PARTS, FOUR>(product, panels, unpacked) }
    });
    restore_registers(&before);
}

/// # Safety
/// As [`multiply`]; the registers are shaped.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn multiply_panels<const PARTS: usize, const FOUR: bool>(
    product: &Product<'_>,
    panels: Range<usize>,
    unpacked: &mut Vec<Line>,
) {
    let (weights, input) = (product.weights, product.input);
    let blocks = input.blocks;
    // Two places, so that one is filled while the other is read; what they hold is written first.
    let mut integers = [const { MaybeUninit::<Integers>::uninit() }; 2];
    let integers = integers.as_mut_ptr().cast::<Integers>();
    for panel in panels {
        let lines = if FOUR {
            let lines_of_panel = blocks * GROUPS / 2;
            unpack(
                &weights.lines[panel * lines_of_panel..(panel + 1) * lines_of_panel],
                unpacked,
            );
            unpacked.as_ptr()
        } else {
            let lines_of_panel = blocks * GROUPS;
            weights.lines[panel * lines_of_panel..(panel + 1) * lines_of_panel].as_ptr()
        };
        for row in (0..input.rows).step_by(TALL) {
            // SAFETY: `lines` are those of the panel; the rows exist, the last ones as padding.
            unsafe {
                match input.rows - row {
                    0..=4 => tile::<4, PARTS, FOUR>(product, row, panel, lines, integers),
                    5..=8 => tile::<8, PARTS, FOUR>(product, row, panel, lines, integers),
                    9..=12 => tile::<12, PARTS, FOUR>(product, row, panel, lines, integers),
                    _ => tile::<16, PARTS, FOUR>(product, row, panel, lines, integers),
                }
            }
        }
    }
}

/// Lines of 4 bits as lines of bytes.
#[target_feature(enable = "avx512f,avx512bw")]
fn unpack(lines: &[Line], unpacked: &mut Vec<Line>) {
    unpacked.resize(lines.len() * 2, Line([0; 64]));
    let low = _mm512_set1_epi8(0x0f);
    let blocks = lines.as_chunks::<{ GROUPS / 2 }>().0.iter();
    for (packed, unpacked) in blocks.zip(unpacked.as_chunks_mut::<GROUPS>().0) {
        for (group, line) in packed.iter().enumerate() {
            // SAFETY: lines are 64 aligned bytes, and `group + 4` is under eight.
            unsafe {
                let bytes = _mm512_load_si512((&raw const *line).cast());
                let first = _mm512_and_si512(bytes, low);
                let second = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), low);
                _mm512_store_si512((&raw mut unpacked[group]).cast(), first);
                _mm512_store_si512((&raw mut unpacked[group + GROUPS / 2]).cast(), second);
            }
        }
    }
}

/// `ROWS` of the sixteen rows from `row` on; the others are padding.
///
/// # Safety
/// As [`multiply_panels`]; `lines` has `blocks * GROUPS` lines, `row` is the first of a tile of rows, and `integers` has two
/// places.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn tile<const ROWS: usize, const PARTS: usize, const FOUR: bool>(
    product: &Product<'_>,
    row: usize,
    panel: usize,
    lines: *const Line,
    integers: *mut Integers,
) {
    let (weights, input) = (product.weights, product.input);
    let blocks = input.blocks;
    let halves_of_block = if FOUR { 2 } else { 1 };
    let lines_of_block = if FOUR { GROUPS / 2 } else { GROUPS };
    let lines_ahead = weights
        .lines
        .as_ptr()
        .wrapping_add((panel + 1) * blocks * lines_of_block);
    let mut sums = [_mm512_setzero_ps(); ROWS];
    // A turn makes two tile products: of two blocks, or of the two parts of one block.
    let turns = if PARTS == 2 {
        blocks
    } else {
        blocks.div_ceil(2)
    };
    // SAFETY: the pointers below stay inside the operands: block numbers are under `blocks`, and sixteen rows of
    // activations are there from `row` on. `integers` has two places, each written before it is read.
    unsafe {
        let quants = input.quants().as_ptr().add(input.quant_place(row, 0, 0));
        let start = |turn: usize, integers: *mut Integers| {
            let (first, second) = if PARTS == 2 {
                (turn, turn)
            } else {
                (turn * 2, (turn * 2 + 1).min(blocks - 1))
            };
            if row == 0 {
                // What the next panel needs is asked for early. A prefetch may point anywhere.
                let ahead = lines_ahead.wrapping_add(first * lines_of_block);
                for line in 0..2 * lines_of_block {
                    _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(line).cast());
                }
            }
            // Sixteen rows of a block lie together, and so do the parts of a block.
            let rows = if PARTS == 2 {
                let a = quants.add(turn * 2 * TALL * BLOCK);
                (a, a.add(TALL * BLOCK))
            } else {
                let tile = TALL * BLOCK;
                (quants.add(first * tile), quants.add(second * tile))
            };
            two_products::<FOUR>(
                rows,
                (lines.add(first * GROUPS), lines.add(second * GROUPS)),
                integers,
            );
        };
        let add = |sums: &mut [__m512; ROWS], block: usize, integers: *const Integers, number| {
            let halves = weights
                .halves
                .as_ptr()
                .add((panel * blocks + block) * halves_of_block);
            let scale = floats(halves);
            let at = input.place(row, block);
            let x = input.scales.as_ptr().add(at);
            let high = (*integers).0.as_ptr().add(number).cast::<[i32; PANEL]>();
            for (r, sum) in sums.iter_mut().enumerate() {
                let value = if PARTS == 2 {
                    both_parts(high.add(r), high.add(TALL + r))
                } else {
                    _mm512_cvtepi32_ps(_mm512_load_epi32(high.add(r).cast()))
                };
                let value = _mm512_mul_ps(value, scale);
                *sum = _mm512_fmadd_ps(value, _mm512_set1_ps(*x.add(r)), *sum);
            }
            if FOUR {
                let (offset, shifts) = (floats(halves.add(1)), input.shifts.as_ptr().add(at));
                for (r, sum) in sums.iter_mut().enumerate() {
                    *sum = _mm512_fmadd_ps(offset, _mm512_set1_ps(*shifts.add(r)), *sum);
                }
            }
        };
        start(0, integers);
        for turn in 0..turns {
            // The next products begin before these are summed up: both kinds of instructions run side by side.
            if turn + 1 < turns {
                start(turn + 1, integers.add((turn + 1) % 2));
            }
            let integers = integers.add(turn % 2).cast_const();
            if PARTS == 2 {
                add(&mut sums, turn, integers, 0);
            } else {
                add(&mut sums, turn * 2, integers, 0);
                if turn * 2 + 1 < blocks {
                    add(&mut sums, turn * 2 + 1, integers, 1);
                }
            }
        }
    }
    for (r, sum) in sums.iter().enumerate().take(input.rows - row) {
        let mut values = [0.0f32; PANEL];
        // SAFETY: sixteen floats fit.
        unsafe { _mm512_storeu_ps(values.as_mut_ptr(), *sum) };
        product.store(row + r, panel, &values);
    }
}

/// `HIGH * high + low`, rounded once: both are exact as f32.
///
/// # Safety
/// Sixteen aligned integers each.
#[target_feature(enable = "avx512f")]
unsafe fn both_parts(high: *const [i32; PANEL], low: *const [i32; PANEL]) -> __m512 {
    // SAFETY: as promised.
    let (high, low) = unsafe {
        (
            _mm512_load_epi32(high.cast()),
            _mm512_load_epi32(low.cast()),
        )
    };
    _mm512_fmadd_ps(
        _mm512_cvtepi32_ps(high),
        _mm512_set1_ps(HIGH as f32),
        _mm512_cvtepi32_ps(low),
    )
}

/// Two products of 16 rows by 32 with 32 by 16 outputs.
///
/// # Safety
/// The registers are shaped; `rows` are sixteen rows of 32 bytes each; `lines` are eight lines each; `integers` may be written.
#[inline(always)]
unsafe fn two_products<const FOUR: bool>(
    rows: (*const i8, *const i8),
    lines: (*const Line, *const Line),
    integers: *mut Integers,
) {
    // Weights of 8 bits have a sign, those of 4 bits none.
    macro_rules! products {
        ($product:literal) => {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tileloadd tmm2, [{a} + {stride}*1]",
                "tileloadd tmm4, [{u} + {line}*1]",
                "tileloadd tmm3, [{b} + {stride}*1]",
                "tileloadd tmm5, [{v} + {line}*1]",
                concat!($product, " tmm0, tmm2, tmm4"),
                concat!($product, " tmm1, tmm3, tmm5"),
                "tilestored [{sums} + {line}*1], tmm0",
                "tilestored [{sums} + {line}*1 + 1024], tmm1",
                a = in(reg) rows.0,
                b = in(reg) rows.1,
                u = in(reg) lines.0,
                v = in(reg) lines.1,
                stride = in(reg) BLOCK,
                line = in(reg) 64usize,
                sums = in(reg) integers,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, out("tmm4") _, out("tmm5") _,
                options(nostack),
            )
        };
    }
    // SAFETY: reads what the caller promises, and writes both halves of `integers`.
    unsafe {
        match FOUR {
            true => products!("tdpbsud"),
            false => products!("tdpbssd"),
        }
    }
}

/// True where the processor has the instructions and the system lets this process use them.
pub(super) fn is_available() -> bool {
    const TILES: u32 = 1 << 24;
    const BYTES: u32 = 1 << 25;
    let has_leaf = std::arch::x86_64::__cpuid(0).eax >= 7;
    let features = std::arch::x86_64::__cpuid_count(7, 0).edx;
    has_leaf && features & (TILES | BYTES) == TILES | BYTES && is_permitted()
}

/// Asks the system for the registers; they are large, so Linux gives them only to those who ask.
#[cfg(target_os = "linux")]
fn is_permitted() -> bool {
    const ARCH_PRCTL: isize = 158;
    const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
    const TILE_DATA: usize = 18;
    let result: isize;
    // SAFETY: the call touches no memory of this process, and the two registers that a call overwrites are named.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") TILE_DATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn is_permitted() -> bool {
    false
}

/// What the tile registers look like: palette 1. Sums (0, 1) are 16 by 64 bytes, rows (2, 3) 16 by 32 bytes, weights
/// (4, 5) 8 by 64 bytes.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes_in_row: [u16; 16],
    rows: [u8; 16],
}

static SHAPES: Shapes = Shapes {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    bytes_in_row: [64, 64, 32, 32, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 8, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// Shapes the registers of this thread and gives back how they were: training shapes them otherwise, once a thread.
fn shape_registers() -> Shapes {
    let mut before = MaybeUninit::<Shapes>::uninit();
    // SAFETY: writes and reads the 64 bytes of a description, of which the second is valid, on a processor that has the
    // instructions: this is reached through `Tier::Amx` alone.
    unsafe {
        asm!(
            "sttilecfg [{before}]",
            "ldtilecfg [{shapes}]",
            before = in(reg) before.as_mut_ptr(),
            shapes = in(reg) &raw const SHAPES,
            options(nostack),
        );
        before.assume_init()
    }
}

/// Shapes the registers as they were.
fn restore_registers(before: &Shapes) {
    // SAFETY: reads the 64 bytes of a description that the processor itself has written.
    unsafe {
        asm!("ldtilecfg [{before}]", before = in(reg) &raw const *before, options(nostack, readonly));
    }
}
