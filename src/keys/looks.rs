//! How often a key may ask for what takes nothing of its limits: the list of models, and what it used.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// In each process, by each secret of a key.
const A_MINUTE: u32 = 600;
const MINUTE: Duration = Duration::from_secs(60);

/// How often one key looked, in the minute that began with its first look.
#[derive(Debug, Default)]
pub(super) struct Looks(Mutex<Option<(Instant, u32)>>);

impl Looks {
    /// Counts a look; where it is one too many, how long it takes until the next may come.
    pub(super) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *minute {
            Some((since, count)) if now.duration_since(*since) < MINUTE => {
                if *count >= A_MINUTE {
                    return Err(MINUTE.saturating_sub(now.duration_since(*since)));
                }
                *count += 1;
            }
            other => *other = Some((now, 1)),
        }
        Ok(())
    }

    /// Whether there were any in a minute that is not over.
    pub(super) fn are_counted(&self, now: Instant) -> bool {
        let minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        minute.is_some_and(|(since, _)| now.duration_since(since) < MINUTE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_so_many_and_the_next_one_as_many() {
        let (looks, begun) = (Looks::default(), Instant::now());
        assert!(!looks.are_counted(begun));
        for _ in 0..A_MINUTE {
            assert_eq!(looks.take(begun), Ok(()));
        }
        let later = begun + Duration::from_secs(20);
        assert_eq!(looks.take(later), Err(Duration::from_secs(40)));
        assert!(looks.are_counted(later));
        let next = begun + MINUTE;
        assert!(!looks.are_counted(next));
        assert_eq!(looks.take(next), Ok(()));
    }
}
