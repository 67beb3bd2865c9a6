//! How fast bytes have to come in: whoever sends next to nothing does not hold one of the few places for ever.

use futures_util::{Stream, StreamExt as _};
use tokio::time::{Duration, Instant, timeout};

/// How long a sender is waited for at once; the first so many seconds also come before the least rate counts.
const LONGEST_SILENCE: Duration = Duration::from_secs(30);
/// 64 kbit/s: a page sends four parts at once, also over a slow line.
const LEAST_BYTES_A_SECOND: u64 = 8 * 1024;

/// How long one sender was waited for, and what came. What the portal itself takes meanwhile does not count.
#[derive(Debug)]
pub struct Pace {
    longest_silence: Duration,
    least_bytes_a_second: u64,
    waited: Duration,
    bytes: u64,
}

/// Why nothing more is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PaceError {
    /// Nothing came for a while, or less than the least rate.
    #[error(
        "nothing came in for {} seconds, or less than {} bytes a second",
        LONGEST_SILENCE.as_secs(),
        LEAST_BYTES_A_SECOND
    )]
    TooSlow,
    /// The sender is gone, or what comes makes no sense.
    #[error("what comes in broke off or cannot be read")]
    BrokenOff,
}

impl Pace {
    /// Of a sender that begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self::of_at_least(LEAST_BYTES_A_SECOND, LONGEST_SILENCE)
    }

    fn of_at_least(least_bytes_a_second: u64, longest_silence: Duration) -> Self {
        Self {
            longest_silence,
            least_bytes_a_second,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// Notes that so many bytes came, which earn the sender more time.
    pub fn count(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// The next of what a sender sends; none at its end.
    ///
    /// # Errors
    /// [`PaceError`] where it is not worth waiting for any more.
    pub async fn next<T, E>(
        &mut self,
        stream: &mut (impl Stream<Item = Result<T, E>> + Unpin),
    ) -> Result<Option<T>, PaceError> {
        let earned =
            Duration::from_millis(self.bytes.saturating_mul(1000) / self.least_bytes_a_second);
        let left = (self.longest_silence + earned).saturating_sub(self.waited);
        let begun = Instant::now();
        let next = timeout(left.min(self.longest_silence), stream.next()).await;
        self.waited += begun.elapsed();
        match next {
            Ok(next) => next.transpose().map_err(|_| PaceError::BrokenOff),
            Err(_) => Err(PaceError::TooSlow),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, pin::pin};

    use futures_util::stream;
    use tokio::time::sleep;

    use super::*;

    /// Sends so many bytes every few milliseconds, for ever.
    fn sender(bytes: usize, every: Duration) -> impl Stream<Item = Result<usize, Infallible>> {
        stream::unfold((), move |()| async move {
            sleep(every).await;
            Some((Ok(bytes), ()))
        })
    }

    /// How many bytes came before it was given up; none where it was not within a second.
    async fn until_given_up(bytes: usize, every: Duration) -> Option<usize> {
        let mut pace = Pace::of_at_least(1000, Duration::from_millis(100));
        let mut stream = pin!(sender(bytes, every));
        let begun = Instant::now();
        let mut came = 0;
        while begun.elapsed() < Duration::from_secs(1) {
            match pace.next(&mut stream).await {
                Ok(next) => {
                    let bytes = next.unwrap();
                    pace.count(bytes);
                    came += bytes;
                }
                Err(error) => {
                    assert_eq!(error, PaceError::TooSlow);
                    return Some(came);
                }
            }
        }
        None
    }

    #[tokio::test]
    async fn whoever_is_silent_or_sends_next_to_nothing_is_given_up_and_whoever_is_slow_is_not() {
        let silent = until_given_up(1, Duration::from_secs(60)).await;
        assert_eq!(silent, Some(0));
        // Each byte comes well before silence is too long.
        let trickle = until_given_up(1, Duration::from_millis(40)).await;
        assert!(trickle.is_some_and(|bytes| bytes < 10), "{trickle:?}");
        // Twice the least rate.
        assert_eq!(until_given_up(80, Duration::from_millis(40)).await, None);
    }

    #[tokio::test]
    async fn the_end_is_told_from_a_break() {
        let mut pace = Pace::begin();
        let mut whole = stream::iter([Ok::<u8, Infallible>(7)]);
        assert_eq!(pace.next(&mut whole).await, Ok(Some(7)));
        assert_eq!(pace.next(&mut whole).await, Ok(None));
        let mut broken = stream::iter([Err::<u8, &str>("gone")]);
        assert_eq!(pace.next(&mut broken).await, Err(PaceError::BrokenOff));
    }
}
