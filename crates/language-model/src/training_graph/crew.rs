//! The threads that share out the work of a pass.
//!
//! A step is made of thousands of short stretches of work with a meeting after each. Threads that sleep between two of
//! them are woken late, on a virtual machine most of all; these look out for the next stretch for a while before they
//! sleep. Whoever hands out work does it too and waits only for what another thread has begun, so a thread that gets no
//! processor holds nobody up for longer than its own piece.

use std::{
    any::Any,
    cell::Cell,
    hint,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// How long a thread looks out for work before it sleeps.
const LOOKS_OUT: Duration = Duration::from_millis(2);
/// Looks without giving others the processor: some hundred microseconds.
const BUSY_LOOKS: u32 = 2000;

/// Does `work` for every item, with all threads. The items should be few and of about the same size: which thread
/// takes which is left open, so what is done for one must not depend on it.
///
/// Half of the threads take items from the end, so that with two of them each finds in its own cache what it has
/// worked on before.
pub(super) fn share_out<I>(items: I, work: impl Fn(I::Item) + Sync)
where
    I: DoubleEndedIterator + Send,
{
    let items = Mutex::new(items);
    let crew = Crew::of_process();
    crew.run(&|| {
        let comes_last = IS_ODD.get();
        loop {
            let mut rest = lock(&items);
            let item = if comes_last {
                rest.next_back()
            } else {
                rest.next()
            };
            drop(rest);
            let Some(item) = item else {
                return;
            };
            work(item);
        }
    });
}

/// How many threads there are, with the one that hands out work.
pub(super) fn threads() -> usize {
    Crew::of_process().helpers + 1
}

/// Rows that one item of plain loops over `rows` rows should have: four items a thread, eight rows at the least.
pub(super) fn rows_at_once(rows: usize) -> usize {
    rows.div_ceil(4 * threads()).max(8)
}

thread_local! {
    /// True in every second thread of the crew.
    static IS_ODD: Cell<bool> = const { Cell::new(false) };
}

/// Set in [`Crew::state`] while helpers may join; below it stands how many have, above it the number of the work.
const OPEN: u64 = 1 << 31;
const NUMBER: u64 = 1 << 32;

type Job = &'static (dyn Fn() + Sync);

struct Crew {
    helpers: usize,
    /// True while work is handed out: whoever comes meanwhile, also from within, does its work alone.
    is_taken: AtomicBool,
    state: AtomicU64,
    job: Mutex<Option<Job>>,
    /// Helpers that sleep or are about to.
    sleepers: AtomicUsize,
    names: OnceLock<Vec<Thread>>,
    /// What a helper died of.
    panicked: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Crew {
    /// As many threads as rayon would use: that number is what a process is told.
    fn of_process() -> &'static Self {
        static CREW: OnceLock<&'static Crew> = OnceLock::new();
        CREW.get_or_init(|| {
            let crew: &Crew = Box::leak(Box::new(Self::of(rayon::current_num_threads())));
            crew.start();
            crew
        })
    }

    fn of(threads: usize) -> Self {
        Self {
            helpers: threads.saturating_sub(1),
            is_taken: AtomicBool::new(false),
            state: AtomicU64::new(0),
            job: Mutex::new(None),
            sleepers: AtomicUsize::new(0),
            names: OnceLock::new(),
            panicked: Mutex::new(None),
        }
    }

    fn start(&'static self) {
        let helpers = (1..=self.helpers).filter_map(|number| {
            let helper = thread::Builder::new().name(format!("training-{number}"));
            let helper = helper.spawn(move || {
                IS_ODD.set(number % 2 == 1);
                self.help();
            });
            // Fewer helpers do as well: nobody counts on any of them.
            Some(helper.ok()?.thread().clone())
        });
        self.names.get_or_init(|| helpers.collect());
    }

    /// Lets every thread that has time call `work`, this one in any case.
    fn run(&self, work: &(dyn Fn() + Sync)) {
        if self.helpers == 0 || self.is_taken.swap(true, Ordering::Acquire) {
            return work();
        }
        #[expect(unsafe_code, reason = "helpers outlive what they are handed")]
        // SAFETY: only the lifetime is made longer. Helpers call the job between joining, which they can only while
        // the state is open, and leaving; `Meeting` closes the state and waits until all have left before this
        // function returns or unwinds, and then forgets the job.
        let job = unsafe { std::mem::transmute::<&(dyn Fn() + Sync), Job>(work) };
        *lock(&self.job) = Some(job);
        let meeting = Meeting(self);
        let number = self.state.load(Ordering::Relaxed) / NUMBER + 1;
        self.state
            .store(number.wrapping_mul(NUMBER) | OPEN, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            self.names
                .get()
                .into_iter()
                .flatten()
                .for_each(Thread::unpark);
        }
        work();
        drop(meeting);
    }

    fn help(&self) {
        let mut done = 0;
        loop {
            let state = self.next_work(done);
            let joined = self.state.compare_exchange_weak(
                state,
                state + 1,
                Ordering::Acquire,
                Ordering::Relaxed,
            );
            if joined.is_err() {
                continue;
            }
            done = state / NUMBER;
            let job = *lock(&self.job);
            if let Some(job) = job
                && let Err(cause) = catch_unwind(AssertUnwindSafe(job))
            {
                *lock(&self.panicked) = Some(cause);
            }
            self.state.fetch_sub(1, Ordering::Release);
        }
    }

    /// Waits for work after the one with the number `done`: busily, then letting others go first, then asleep.
    fn next_work(&self, done: u64) -> u64 {
        let found = |state: u64| (state & OPEN != 0 && state / NUMBER != done).then_some(state);
        let mut looks = 0;
        let mut since = None;
        loop {
            if let Some(state) = found(self.state.load(Ordering::Acquire)) {
                return state;
            }
            if looks < BUSY_LOOKS {
                looks += 1;
                hint::spin_loop();
                continue;
            }
            if since.get_or_insert_with(Instant::now).elapsed() < LOOKS_OUT {
                thread::yield_now();
                continue;
            }
            self.sleepers.fetch_add(1, Ordering::SeqCst);
            if found(self.state.load(Ordering::SeqCst)).is_none() {
                thread::park();
            }
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
            (looks, since) = (0, None);
        }
    }
}

/// Ends a stretch of work when it goes out of scope, also by a panic.
struct Meeting<'a>(&'a Crew);

impl Drop for Meeting<'_> {
    fn drop(&mut self) {
        let crew = self.0;
        crew.state.fetch_and(!OPEN, Ordering::AcqRel);
        let mut looks = 0;
        while crew.state.load(Ordering::Acquire) & (OPEN - 1) != 0 {
            looks += 1;
            if looks < BUSY_LOOKS {
                hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
        *lock(&crew.job) = None;
        let cause = lock(&crew.panicked).take();
        crew.is_taken.store(false, Ordering::Release);
        if let Some(cause) = cause
            && !thread::panicking()
        {
            resume_unwind(cause);
        }
    }
}

/// A lock whose holder died is as good as any: what it guards is replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crew(threads: usize) -> &'static Crew {
        let crew: &'static Crew = Box::leak(Box::new(Crew::of(threads)));
        crew.start();
        crew
    }

    /// How often each of `count` items is worked on in one stretch.
    fn visits(crew: &Crew, count: usize) -> Vec<usize> {
        let seen: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
        let next = AtomicUsize::new(0);
        crew.run(&|| {
            while let Some(item) = seen.get(next.fetch_add(1, Ordering::Relaxed)) {
                item.fetch_add(1, Ordering::Relaxed);
            }
        });
        seen.into_iter().map(AtomicUsize::into_inner).collect()
    }

    #[test]
    fn every_item_is_done_once_by_more_threads_than_there_are_processors() {
        for threads in [1, 2, 5, 16] {
            let crew = crew(threads);
            for stretch in 0..300 {
                assert_eq!(visits(crew, stretch % 40), vec![1; stretch % 40]);
            }
        }
    }

    #[test]
    fn helpers_that_sleep_are_woken() {
        let crew = crew(3);
        while crew.sleepers.load(Ordering::SeqCst) < 2 {
            thread::yield_now();
        }
        // The one that hands out does nothing until a helper has come.
        let has_come = AtomicBool::new(false);
        let caller = thread::current().id();
        crew.run(&|| {
            if thread::current().id() == caller {
                while !has_come.load(Ordering::Acquire) {
                    thread::yield_now();
                }
            } else {
                has_come.store(true, Ordering::Release);
            }
        });
        assert!(has_come.into_inner());
    }

    #[test]
    fn work_within_work_and_from_many_threads_ends() {
        let crew = crew(4);
        let count = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        crew.run(&|| {
                            assert_eq!(visits(crew, 5), [1; 5]);
                            count.fetch_add(1, Ordering::Relaxed);
                        });
                    }
                });
            }
        });
        assert!(count.into_inner() >= 400);
    }

    #[test]
    fn a_panic_of_a_helper_reaches_the_one_who_handed_out() {
        let crew = crew(2);
        let caller = thread::current().id();
        let has_come = AtomicBool::new(false);
        let result = catch_unwind(AssertUnwindSafe(|| {
            crew.run(&|| {
                if thread::current().id() == caller {
                    while !has_come.load(Ordering::Acquire) {
                        thread::yield_now();
                    }
                } else {
                    has_come.store(true, Ordering::Release);
                    resume_unwind(Box::new("the helper's cause"));
                }
            });
        }));
        let cause = result.unwrap_err();
        assert_eq!(cause.downcast_ref::<&str>(), Some(&"the helper's cause"));
        assert_eq!(visits(crew, 9), [1; 9], "the crew still works");
    }
}
