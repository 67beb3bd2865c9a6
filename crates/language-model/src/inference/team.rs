//! Threads that share out one short piece of work after another.
//!
//! A step has hundreds of products of some microseconds each, so the helpers wait for the next one awake, for a while,
//! and then sleep. Whoever gives out work takes part in it, and waits only for parts that a helper has begun: a helper
//! that the system does not run holds nobody up.

#![expect(
    unsafe_code,
    reason = "work is lent to other threads for the length of a call"
)]

use std::{
    cell::UnsafeCell,
    mem::MaybeUninit,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

/// Looks for new work before a helper sleeps, and for the end of it before the giver lets others run.
const LOOKS: u32 = 4000;

/// A part of the work, by its number.
type Work<'a> = dyn Fn(usize) + Sync + 'a;

/// The threads; they end when it is dropped.
#[derive(Debug)]
pub struct Team {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
    /// Held while work is given out; a second giver does its work alone.
    giving: Mutex<()>,
}

#[derive(Debug)]
struct Shared {
    /// What can be taken: a [`Ticket`].
    ticket: AtomicU64,
    work: WorkPlace,
    done: AtomicUsize,
    has_panicked: AtomicBool,
    sleeping: AtomicUsize,
    bed: Mutex<()>,
    bell: Condvar,
    is_over: AtomicBool,
}

/// The work of the current ticket; written by the giver alone, while no part can be taken.
struct WorkPlace(UnsafeCell<MaybeUninit<*const Work<'static>>>);

// SAFETY: see `Shared::take` and `Team::run`: a helper reads it only after taking a part, and the giver writes it only
// when all parts are done.
unsafe impl Sync for WorkPlace {}
// SAFETY: as above.
unsafe impl Send for WorkPlace {}

impl std::fmt::Debug for WorkPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WorkPlace")
    }
}

/// A round of work, the number of its parts, and the next part, in one word.
#[derive(Clone, Copy)]
struct Ticket(u64);

impl Ticket {
    fn new(round: u32, parts: u16) -> Self {
        Self((u64::from(round) << 32) | (u64::from(parts) << 16))
    }

    fn round(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn next(self) -> Option<usize> {
        let (parts, next) = ((self.0 >> 16) as u16, self.0 as u16);
        (next < parts).then_some(usize::from(next))
    }
}

impl Team {
    /// `threads` in all, of which the one that gives out work is one.
    pub fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            ticket: AtomicU64::new(0),
            work: WorkPlace(UnsafeCell::new(MaybeUninit::uninit())),
            done: AtomicUsize::new(0),
            has_panicked: AtomicBool::new(false),
            sleeping: AtomicUsize::new(0),
            bed: Mutex::new(()),
            bell: Condvar::new(),
            is_over: AtomicBool::new(false),
        });
        let start = |number: usize| {
            let shared = Arc::clone(&shared);
            let name = format!("inference-{number}");
            // With fewer threads than were asked for, the work takes longer and is done all the same.
            let helper = thread::Builder::new().name(name);
            helper.spawn(move || shared.help()).ok()
        };
        Self {
            helpers: (1..threads.clamp(1, 256)).filter_map(start).collect(),
            shared,
            giving: Mutex::new(()),
        }
    }

    /// One thread for each processor.
    pub fn of_all_processors() -> Self {
        Self::new(thread::available_parallelism().map_or(1, usize::from))
    }

    /// Threads that work, the giver among them.
    pub fn threads(&self) -> usize {
        self.helpers.len() + 1
    }

    /// Calls `work` with 0 to `parts - 1`, once each, in any order and on any of the threads; returns when all are
    /// done.
    ///
    /// # Panics
    /// Where a part panicked.
    pub fn run(&self, parts: usize, work: &Work<'_>) {
        let giving = self.giving.try_lock();
        let (Ok(parts_short), Ok(_giving), false) = (
            u16::try_from(parts),
            &giving,
            self.helpers.is_empty() || parts < 2,
        ) else {
            (0..parts).for_each(work);
            return;
        };
        let shared = &*self.shared;
        // SAFETY: only the lifetime changes. The pointer is followed after a part has been taken, and this call
        // returns after every part that was taken is done; later tickets do not lead to it.
        let lent: *const Work<'static> =
            unsafe { std::mem::transmute::<*const Work<'_>, *const Work<'static>>(work) };
        // SAFETY: all parts of the last round are done, so no helper reads; and no other giver writes, since the lock
        // is held.
        unsafe { (*shared.work.0.get()).write(lent) };
        shared.done.store(0, Ordering::Relaxed);
        let round = Ticket(shared.ticket.load(Ordering::Relaxed)).round();
        let ticket = Ticket::new(round.wrapping_add(1), parts_short);
        shared.ticket.store(ticket.0, Ordering::SeqCst);
        if shared.sleeping.load(Ordering::SeqCst) > 0 {
            drop(shared.bed.lock().unwrap_or_else(PoisonError::into_inner));
            shared.bell.notify_all();
        }
        while shared.take() {}
        let mut looks = 0;
        while shared.done.load(Ordering::Acquire) < parts {
            looks += 1;
            if looks < LOOKS {
                std::hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
        if shared.has_panicked.swap(false, Ordering::Relaxed) {
            resume_unwind(Box::new("a part of the work panicked"));
        }
    }

    /// Calls `work` with each of the items, on any of the threads.
    ///
    /// # Panics
    /// Where a call panicked.
    pub fn each<T: Send>(&self, items: Vec<T>, work: impl Fn(T) + Sync) {
        if items.len() < 2 || self.helpers.is_empty() {
            items.into_iter().for_each(work);
            return;
        }
        let places: Vec<Place<T>> = items.into_iter().map(Place::new).collect();
        self.run(places.len(), &|part| {
            if let Some(item) = places.get(part).and_then(Place::take) {
                work(item);
            }
        });
    }
}

/// An item that one thread takes out.
struct Place<T>(Mutex<Option<T>>);

impl<T> Place<T> {
    fn new(item: T) -> Self {
        Self(Mutex::new(Some(item)))
    }

    fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        drop(
            self.shared
                .bed
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        self.shared.bell.notify_all();
        for helper in self.helpers.drain(..) {
            // A helper catches what its work panics with.
            drop(helper.join());
        }
    }
}

impl Shared {
    /// Takes the next part and does it; false where there is none.
    fn take(&self) -> bool {
        let mut seen = Ticket(self.ticket.load(Ordering::Acquire));
        let part = loop {
            let Some(part) = seen.next() else {
                return false;
            };
            let taken = self.ticket.compare_exchange_weak(
                seen.0,
                seen.0 + 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match taken {
                Ok(_) => break part,
                Err(other) => seen = Ticket(other),
            }
        };
        // SAFETY: the part is of the round whose work was written before its ticket could be seen, and the giver does
        // not return, or write other work, before `done` counts this part.
        let work = unsafe { &*(*self.work.0.get()).assume_init() };
        if catch_unwind(AssertUnwindSafe(|| work(part))).is_err() {
            self.has_panicked.store(true, Ordering::Relaxed);
        }
        self.done.fetch_add(1, Ordering::Release);
        true
    }

    /// Does parts until the team is dropped.
    fn help(&self) {
        let mut looks = 0;
        while !self.is_over.load(Ordering::Relaxed) {
            if self.take() {
                looks = 0;
            } else if looks < LOOKS {
                looks += 1;
                std::hint::spin_loop();
            } else {
                self.sleep();
                looks = 0;
            }
        }
    }

    fn sleep(&self) {
        let mut bed = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleeping.fetch_add(1, Ordering::SeqCst);
        // Whoever gives out work after this look sees that somebody sleeps, and rings.
        while Ticket(self.ticket.load(Ordering::SeqCst)).next().is_none()
            && !self.is_over.load(Ordering::SeqCst)
        {
            bed = self.bell.wait(bed).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleeping.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_done_once_round_after_round() {
        let team = Team::new(4);
        for parts in (0..300).chain([0, 1, 2, 1000]) {
            let counts: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
            team.run(parts, &|part| {
                counts[part].fetch_add(1, Ordering::Relaxed);
            });
            let all = counts
                .iter()
                .all(|count| count.load(Ordering::Relaxed) == 1);
            assert!(all, "{parts} parts");
        }
    }

    #[test]
    fn helpers_that_sleep_wake_up() {
        let team = Team::new(3);
        for _ in 0..20 {
            thread::sleep(std::time::Duration::from_millis(3));
            let sum = AtomicUsize::new(0);
            team.each((1..=100).collect(), |item: usize| {
                sum.fetch_add(item, Ordering::Relaxed);
            });
            assert_eq!(sum.into_inner(), 5050);
        }
    }

    #[test]
    fn givers_at_once_do_not_disturb_each_other() {
        let team = Team::new(2);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let sum = AtomicUsize::new(0);
                        team.run(10, &|part| {
                            sum.fetch_add(part, Ordering::Relaxed);
                        });
                        assert_eq!(sum.into_inner(), 45);
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_giver_and_leaves_the_team_usable() {
        let team = Team::new(2);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            team.run(8, &|part| assert_ne!(part, 5));
        }));
        assert!(outcome.is_err());
        team.run(8, &|_| {});
    }
}
