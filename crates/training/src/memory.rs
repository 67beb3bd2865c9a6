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
    let left = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let path = path.trim_start_matches('/');
        match controllers {
            "" => least_left(Path::new("/sys/fs/cgroup"), path, &VERSION_2),
            list if list.split(',').any(|name| name == "memory") => {
                least_left(Path::new("/sys/fs/cgroup/memory"), path, &VERSION_1)
            }
            _ => None,
        }
    });
    left.min()
}

/// The files in which a version of control groups says what a group may have and has.
struct Files {
    most: &'static str,
    used: &'static str,
    /// In `memory.stat`: cached files that nobody uses now, which the kernel gives up before it refuses memory.
    idle: &'static str,
}

const VERSION_2: Files = Files {
    most: "memory.max",
    used: "memory.current",
    idle: "inactive_file ",
};
const VERSION_1: Files = Files {
    most: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    idle: "total_inactive_file ",
};

/// What the tightest of a group and those that it is in leaves: a scheduler limits the job, and the process is in a group
/// within that.
fn least_left(root: &Path, group: &str, files: &Files) -> Option<u64> {
    let number =
        |path: &Path| -> Option<u64> { fs::read_to_string(path).ok()?.trim().parse().ok() };
    let left_in = |folder: &Path| {
        let most = number(&folder.join(files.most))?;
        let used = number(&folder.join(files.used))?;
        let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let idle = stat.lines().find_map(|line| line.strip_prefix(files.idle));
        let idle: u64 = idle.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        Some(most.saturating_sub(used.saturating_sub(idle)))
    };
    let leaf = root.join(group);
    let within = leaf
        .ancestors()
        .take_while(|folder| folder.starts_with(root));
    within.filter_map(left_in).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_a_job_counts_for_a_task_within_it() {
        let root = tempfile::tempdir().unwrap();
        let (job, task) = (root.path().join("job"), root.path().join("job/step/task"));
        fs::create_dir_all(&task).unwrap();
        let write = |folder: &Path, files: [(&str, &str); 3]| {
            for (name, text) in files {
                fs::write(folder.join(name), text).unwrap();
            }
        };
        write(
            &task,
            [
                ("memory.max", "max\n"),
                ("memory.current", "700\n"),
                ("memory.stat", ""),
            ],
        );
        assert_eq!(least_left(root.path(), "job/step/task", &VERSION_2), None);
        // Of the 800 that the job has, 500 are files that were read and are not looked at now.
        let stat = "anon 300\nfile 500\ninactive_file 500\n";
        write(
            &job,
            [
                ("memory.max", "1000\n"),
                ("memory.current", "800\n"),
                ("memory.stat", stat),
            ],
        );
        assert_eq!(
            least_left(root.path(), "job/step/task", &VERSION_2),
            Some(700)
        );
    }

    #[test]
    fn what_is_used_and_what_is_there_can_be_read() {
        let peak = peak().unwrap();
        assert!((1 << 20..1 << 36).contains(&peak), "{peak}");
        assert!(available().unwrap() > 1 << 20);
    }
}
