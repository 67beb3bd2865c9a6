//! Memory: what there is, what was used, and running out of it in words instead of with an abort.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fs,
    path::Path,
    ptr,
    sync::atomic::{AtomicBool, AtomicPtr, Ordering},
    thread,
    time::Duration,
};

/// Set aside at the start and given back when memory runs out, so that the end can still be told.
const RESERVE: usize = 16 << 20;
/// A request from which on a thread is held rather than served from the reserve.
const LARGE: usize = 1 << 20;
/// How long the end may take to be told.
const LAST_WORDS: Duration = Duration::from_secs(120);

static RAN_OUT: AtomicBool = AtomicBool::new(false);
static HELD: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

/// The system's allocator, which holds a thread that asks for too much while another one tells of it.
#[derive(Debug)]
pub struct Watched;

/// Sets the reserve aside.
pub fn hold_reserve() {
    if let Ok(layout) = Layout::from_size_align(RESERVE, 4096) {
        #[expect(unsafe_code, reason = "the reserve is memory of the allocator's own")]
        // SAFETY: the layout has a size above zero.
        let held = unsafe { System.alloc(layout) };
        HELD.store(held, Ordering::Release);
    }
}

/// Waits until memory has run out, which may be never.
pub async fn ran_out() {
    while !RAN_OUT.load(Ordering::Acquire) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// After a request that failed: makes some room, and tries again where little is asked.
fn rescue(size: usize, again: impl Fn() -> *mut u8) -> *mut u8 {
    let held = HELD.swap(ptr::null_mut(), Ordering::AcqRel);
    if let (false, Ok(layout)) = (held.is_null(), Layout::from_size_align(RESERVE, 4096)) {
        #[expect(unsafe_code, reason = "the reserve is memory of the allocator's own")]
        // SAFETY: it was allocated with this layout in `hold_reserve`, and the swap hands it out once.
        unsafe {
            System.dealloc(held, layout);
        }
    }
    RAN_OUT.store(true, Ordering::Release);
    if size < LARGE {
        let found = again();
        if !found.is_null() {
            return found;
        }
    }
    // The process ends once the portal or the person has been told; this thread has nothing more to do.
    thread::sleep(LAST_WORDS);
    ptr::null_mut()
}

#[expect(unsafe_code, reason = "an allocator cannot be written without it")]
// SAFETY: every call goes to the system's allocator with the arguments it came with; a failed one is answered by null
// or by a second call alike, as the contract of `GlobalAlloc` allows.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let found = unsafe { System.alloc(layout) };
        if found.is_null() {
            // SAFETY: as the caller promises.
            return rescue(layout.size(), || unsafe { System.alloc(layout) });
        }
        found
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let found = unsafe { System.alloc_zeroed(layout) };
        if found.is_null() {
            // SAFETY: as the caller promises.
            return rescue(layout.size(), || unsafe { System.alloc_zeroed(layout) });
        }
        found
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        let found = unsafe { System.realloc(place, layout, size) };
        if found.is_null() {
            // SAFETY: as the caller promises; a realloc that failed has left the place as it was.
            return rescue(size, || unsafe { System.realloc(place, layout, size) });
        }
        found
    }
}

/// The most that this process has held, in bytes (`VmHWM`); none where the system does not say.
pub fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    kibibytes(&status, "VmHWM:")
}

/// Bytes that this process can still have: what the machine has free, and what its group may have.
pub fn available() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.and_then(|text| kibibytes(&text, "MemAvailable:"));
    machine.into_iter().chain(of_group()).min()
}

fn kibibytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(number * 1024)
}

/// What the control group leaves (version 2, or version 1's memory controller).
fn of_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let number =
        |path: &Path| -> Option<u64> { fs::read_to_string(path).ok()?.trim().parse().ok() };
    let left = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let path = path.trim_start_matches('/');
        let (root, most, used) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max", "memory.current"),
            list if list.split(',').any(|name| name == "memory") => (
                "/sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
            ),
            _ => return None,
        };
        let folder = Path::new(root).join(path);
        let most = number(&folder.join(most))?;
        Some(most.saturating_sub(number(&folder.join(used))?))
    });
    left.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_and_what_is_there_can_be_read() {
        let peak = peak().unwrap();
        assert!((1 << 20..1 << 36).contains(&peak), "{peak}");
        assert!(available().unwrap() > 1 << 20);
    }
}
