//! Memory in large pages, where the system has them: a product walks across more small ones than the processor keeps
//! track of, on a virtual machine at twice the cost.

/// Bytes of a large page.
const LARGE: usize = 2 << 20;

/// Asks for large pages under as much of a buffer of `length` numbers as whole ones fit into, so that no memory is
/// taken beyond it. A buffer that was written before keeps its pages.
pub(super) fn ask_for_large(buffer: &mut Vec<f32>, length: usize) {
    let bytes = length.min(buffer.capacity()) * size_of::<f32>();
    let start = buffer.as_mut_ptr().addr();
    let (first, end) = (
        start.next_multiple_of(LARGE),
        (start + bytes) / LARGE * LARGE,
    );
    if first < end {
        advise(first, end - first);
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn advise(start: usize, bytes: usize) {
    const MADVISE: isize = 28;
    const HUGE_PAGE: usize = 14;
    #[expect(unsafe_code, reason = "a call of the system")]
    // SAFETY: the advice changes nothing of what memory holds, and the two registers that a call overwrites are named.
    // A system that does not take it says so, and nothing has to be done about that.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") MADVISE => _,
            in("rdi") start,
            in("rsi") bytes,
            in("rdx") HUGE_PAGE,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn advise(_: usize, _: usize) {}
