//! Tiles by AMX: 32 rows and 32 columns in four registers of 16 by 16 sums, fed by two registers of rows and two of
//! columns.
//!
//! The standard library has no stable intrinsics for these instructions, so they are written out.

use std::{
    arch::{
        asm,
        x86_64::{_MM_HINT_ET0, _mm_prefetch},
    },
    cell::Cell,
};

use super::{COLUMNS, Factors, Sums};

/// Rows of a tile.
pub(super) const ROWS: usize = 32;
/// Steps that one instruction works on.
pub(super) const STEPS: usize = 16;

/// True where the processor has the instructions and the system lets this process use them.
pub(super) fn is_available() -> bool {
    const BFLOAT16: u32 = 1 << 22;
    const TILES: u32 = 1 << 24;
    let has_leaf = std::arch::x86_64::__cpuid(0).eax >= 7;
    let features = std::arch::x86_64::__cpuid_count(7, 0).edx;
    has_leaf && features & (BFLOAT16 | TILES) == BFLOAT16 | TILES && is_permitted()
}

/// Asks the system for the registers; they are large, so Linux gives them only to those who ask.
#[cfg(target_os = "linux")]
fn is_permitted() -> bool {
    const ARCH_PRCTL: isize = 158;
    const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
    const TILE_DATA: usize = 18;
    let result: isize;
    #[expect(unsafe_code, reason = "a call of the system")]
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

/// What the tile registers look like: palette 1, eight registers of 16 rows of 64 bytes.
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
    bytes_in_row: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// Shapes the registers of this thread, once: nothing else in this program uses them.
fn shape_registers() {
    thread_local! {
        static IS_DONE: Cell<bool> = const { Cell::new(false) };
    }
    if IS_DONE.replace(true) {
        return;
    }
    #[expect(unsafe_code, reason = "the instruction has no intrinsic")]
    // SAFETY: reads the 64 bytes of the description, which is valid, on a processor that has the instruction: this is
    // reached through `Tier::Amx` alone.
    unsafe {
        asm!("ldtilecfg [{shapes}]", shapes = in(reg) &raw const SHAPES, options(nostack, readonly));
    }
}

/// Defines a product of tiles whose blocks have so many halves, by what is done with one block.
macro_rules! product {
    ($(#[$doc:meta])* $name:ident, $halves:literal, $($block:literal),*) => {
        $(#[$doc])*
        pub(super) fn $name(factors: [Factors<'_>; 2], sums: &mut [f32], stride: usize, adds: bool) {
            let [(a, b, count), (more_a, more_b, more)] = factors.map(|of| blocks(of, $halves));
            assert!(count > 0, "there is nothing to multiply");
            assert!(stride >= COLUMNS && sums.len() >= (ROWS - 1) * stride + COLUMNS);
            shape_registers();
            // The lines that the sums go to come while they are made.
            for row in sums.chunks(stride).take(ROWS) {
                for line in row[..COLUMNS].chunks(COLUMNS / 2) {
                    #[expect(unsafe_code, reason = "the hint asks for SSE")]
                    // SAFETY: every processor with AMX has it, and a hint changes nothing.
                    unsafe {
                        _mm_prefetch::<_MM_HINT_ET0>(line.as_ptr().cast());
                    }
                }
            }
            let upper = sums.as_mut_ptr();
            #[expect(unsafe_code, reason = "the instructions have no intrinsics")]
            // SAFETY: a half of a block is in `a` twice 16 rows of 64 bytes, in `b` 16 rows of twice 64 bytes; the
            // sums are 32 rows of twice 64 bytes, `stride` apart, as asserted. The loop runs over as many blocks as
            // there are, one at the least, then over those of the second product, if there are any. The registers
            // have been shaped.
            unsafe {
                asm!(
                    "test {adds}, {adds}",
                    "jz 3f",
                    "tileloadd tmm0, [{sums} + {stride}*1]",
                    "tileloadd tmm1, [{sums} + {stride}*1 + 64]",
                    "tileloadd tmm2, [{lower} + {stride}*1]",
                    "tileloadd tmm3, [{lower} + {stride}*1 + 64]",
                    "jmp 2f",
                    "3:",
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    "2:",
                    $($block,)*
                    "add {a}, {next}",
                    "add {b}, {next}",
                    "dec {count}",
                    "jnz 2b",
                    "mov {a}, {more_a}",
                    "mov {b}, {more_b}",
                    "xchg {count}, {more}",
                    "test {count}, {count}",
                    "jnz 2b",
                    "tilestored [{sums} + {stride}*1], tmm0",
                    "tilestored [{sums} + {stride}*1 + 64], tmm1",
                    "tilestored [{lower} + {stride}*1], tmm2",
                    "tilestored [{lower} + {stride}*1 + 64], tmm3",
                    adds = in(reg) usize::from(adds),
                    sums = in(reg) upper,
                    lower = in(reg) upper.add(ROWS / 2 * stride),
                    stride = in(reg) 4 * stride,
                    a = inout(reg) a => _,
                    b = inout(reg) b => _,
                    count = inout(reg) count => _,
                    more_a = in(reg) more_a,
                    more_b = in(reg) more_b,
                    more = inout(reg) more => _,
                    wide = in(reg) 4 * COLUMNS,
                    narrow = in(reg) 4 * STEPS,
                    next = const 4 * ROWS * STEPS * $halves,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    };
}

product!(
    /// `sums = a b`, or `sums += a b`, for two products at once, the second of which may be of nothing: `a` in blocks
    /// of `[32][16]` words, `b` in as many of `[16][32]`, sums in rows `stride` numbers apart.
    pairs_into,
    1,
    "tileloadd tmm4, [{a} + {narrow}*1]",
    "tileloadd tmm6, [{b} + {wide}*1]",
    "tileloadd tmm5, [{a} + {narrow}*1 + 1024]",
    "tileloadd tmm7, [{b} + {wide}*1 + 64]",
    "tdpbf16ps tmm0, tmm4, tmm6",
    "tdpbf16ps tmm2, tmm5, tmm6",
    "tdpbf16ps tmm1, tmm4, tmm7",
    "tdpbf16ps tmm3, tmm5, tmm7"
);

product!(
    /// The same for singles in two halves, blocks of `[2][32][16]` and `[2][16][32]` words: in the first a number
    /// rounded, in the second what rounding left of it, rounded. Three products are added; that of two rests is
    /// smaller than what the others were rounded by.
    halves_into,
    2,
    "tileloadd tmm4, [{a} + {narrow}*1]",
    "tileloadd tmm6, [{b} + {wide}*1 + 2048]",
    "tileloadd tmm5, [{a} + {narrow}*1 + 1024]",
    "tileloadd tmm7, [{b} + {wide}*1 + 2112]",
    "tdpbf16ps tmm0, tmm4, tmm6",
    "tdpbf16ps tmm2, tmm5, tmm6",
    "tdpbf16ps tmm1, tmm4, tmm7",
    "tdpbf16ps tmm3, tmm5, tmm7",
    "tileloadd tmm6, [{b} + {wide}*1]",
    "tileloadd tmm7, [{b} + {wide}*1 + 64]",
    "tdpbf16ps tmm0, tmm4, tmm6",
    "tdpbf16ps tmm2, tmm5, tmm6",
    "tdpbf16ps tmm1, tmm4, tmm7",
    "tdpbf16ps tmm3, tmm5, tmm7",
    "tileloadd tmm4, [{a} + {narrow}*1 + 2048]",
    "tileloadd tmm5, [{a} + {narrow}*1 + 3072]",
    "tdpbf16ps tmm0, tmm4, tmm6",
    "tdpbf16ps tmm1, tmm4, tmm7",
    "tdpbf16ps tmm2, tmm5, tmm6",
    "tdpbf16ps tmm3, tmm5, tmm7"
);

/// [`pairs_into`] for one product, and sums side by side.
pub(super) fn pairs(a: &[f32], b: &[f32], sums: &mut Sums, adds: bool) {
    pairs_into([(a, b), (&[], &[])], &mut sums.0, COLUMNS, adds);
}

/// [`halves_into`] for one product, and sums side by side.
pub(super) fn halves(a: &[f32], b: &[f32], sums: &mut Sums, adds: bool) {
    halves_into([(a, b), (&[], &[])], &mut sums.0, COLUMNS, adds);
}

/// Where two factors begin, and how many blocks of so many halves they have.
fn blocks((a, b): Factors<'_>, halves: usize) -> (*const f32, *const f32, usize) {
    let count = a.len() / (ROWS * STEPS * halves);
    assert!(
        a.len() == count * ROWS * STEPS * halves && b.len() == count * STEPS * COLUMNS * halves,
        "whole blocks are wanted"
    );
    (a.as_ptr(), b.as_ptr(), count)
}
