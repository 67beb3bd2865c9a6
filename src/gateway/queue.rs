//! Pieces of an answer that wait for whoever takes them: bounded in bytes, never waited for, and not kept for ever.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;

/// So little may wait for as long as it likes: it is no more than a connection keeps by itself.
const LITTLE_BYTES: usize = 64 * 1024;

/// Where pieces are put.
#[derive(Debug)]
pub(super) struct Sender {
    shared: Arc<Shared>,
    most_bytes: usize,
}

/// Where they are taken.
#[derive(Debug)]
pub(super) struct Receiver {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// A piece was put, or no more come.
    put: Notify,
    /// A piece was taken after the last one was put.
    taken: Notify,
    /// Nobody takes them any more.
    closed: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Bytes>,
    waiting_bytes: usize,
    /// No more come.
    is_complete: bool,
}

/// Why a piece was not put into a queue.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    Full,
    /// Nobody takes them any more.
    Closed,
}

/// A queue with nothing in it, in which at most `most_bytes` wait; one piece alone may be longer.
pub(super) fn queue(most_bytes: usize) -> (Sender, Receiver) {
    let shared = Arc::new(Shared::default());
    let sender = Sender {
        shared: Arc::clone(&shared),
        most_bytes,
    };
    (sender, Receiver { shared })
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No more pieces come.
    fn complete(&self) {
        self.state().is_complete = true;
        self.put.notify_one();
    }

    fn throw_away(&self, instead: Bytes) {
        let mut state = self.state();
        state.waiting_bytes = instead.len();
        state.pieces = VecDeque::from([instead]);
    }
}

impl Sender {
    /// Adds a piece.
    ///
    /// # Errors
    /// [`NotTaken`]; the piece is lost then.
    pub(super) fn push(&self, piece: Bytes) -> Result<(), NotTaken> {
        if !self.has_room(piece.len()) {
            return Err(NotTaken::Full);
        }
        self.push_last(piece)
    }

    /// Whether a piece of so many bytes may be added.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let waiting = self.shared.state().waiting_bytes;
        waiting == 0 || waiting.saturating_add(bytes) <= self.most_bytes
    }

    /// Adds a piece however much waits: the one that says how it ended.
    ///
    /// # Errors
    /// [`NotTaken::Closed`].
    pub(super) fn push_last(&self, piece: Bytes) -> Result<(), NotTaken> {
        if self.shared.closed.is_cancelled() {
            return Err(NotTaken::Closed);
        }
        let mut state = self.shared.state();
        state.waiting_bytes = state.waiting_bytes.saturating_add(piece.len());
        state.pieces.push_back(piece);
        drop(state);
        self.shared.put.notify_one();
        Ok(())
    }

    /// Resolves when nobody takes them any more.
    pub(super) async fn closed(&self) {
        self.shared.closed.cancelled().await;
    }

    /// Waits until all but a little was taken, or nobody takes anything any more. Where nothing is taken for `patience`,
    /// what waits is thrown away, and `instead` takes its place.
    pub(super) async fn finish(self, patience: Duration, instead: Bytes) {
        self.shared.complete();
        while self.shared.state().waiting_bytes > LITTLE_BYTES {
            tokio::select! {
                () = self.shared.closed.cancelled() => return,
                taken = timeout(patience, self.shared.taken.notified()) => {
                    if taken.is_err() {
                        self.shared.throw_away(instead);
                        return;
                    }
                }
            }
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.shared.complete();
    }
}

impl Receiver {
    /// The next piece; none once all were taken and no more come.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            {
                let mut state = self.shared.state();
                if let Some(piece) = state.pieces.pop_front() {
                    state.waiting_bytes = state.waiting_bytes.saturating_sub(piece.len());
                    if state.is_complete {
                        self.shared.taken.notify_one();
                    }
                    return Some(piece);
                }
                if state.is_complete {
                    return None;
                }
            }
            // One that was put meanwhile is not missed: it is noted.
            self.shared.put.notified().await;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.closed.cancel();
        self.shared.state().pieces = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST_BYTES: usize = 1024 * 1024;

    #[tokio::test]
    async fn what_nobody_takes_is_bounded_and_its_end_still_fits() {
        let (sender, mut receiver) = queue(MOST_BYTES);
        let half = Bytes::from(vec![b'x'; MOST_BYTES / 2]);
        assert_eq!(sender.push(half.clone()), Ok(()));
        assert_eq!(sender.push(half.clone()), Ok(()));
        let one = Bytes::from_static(b"y");
        assert_eq!(sender.push(one.clone()), Err(NotTaken::Full));
        assert_eq!(receiver.next().await, Some(half.clone()));
        assert_eq!(sender.push(one.clone()), Ok(()), "there is room again");
        assert_eq!(sender.push(half.clone()), Err(NotTaken::Full));
        assert_eq!(sender.push_last(one.clone()), Ok(()));
        drop(sender);
        for expected in [half, one.clone(), one] {
            assert_eq!(receiver.next().await, Some(expected));
        }
        assert_eq!(receiver.next().await, None);
    }

    #[tokio::test]
    async fn a_piece_alone_may_be_of_any_length_and_who_left_is_noticed() {
        let (sender, mut receiver) = queue(MOST_BYTES);
        let long = Bytes::from(vec![b'x'; MOST_BYTES + 1]);
        assert_eq!(sender.push(long.clone()), Ok(()));
        assert_eq!(receiver.next().await, Some(long.clone()));
        drop(receiver);
        sender.closed().await;
        assert_eq!(sender.push(long), Err(NotTaken::Closed));
    }

    #[tokio::test]
    async fn who_waits_for_a_piece_hears_of_it_and_of_the_end() {
        let (sender, mut receiver) = queue(MOST_BYTES);
        let taking = async {
            let mut taken = Vec::new();
            while let Some(piece) = receiver.next().await {
                taken.push(piece);
            }
            taken
        };
        let putting = async move {
            for _ in 0..3 {
                tokio::task::yield_now().await;
                assert_eq!(sender.push(Bytes::from_static(b"x")), Ok(()));
            }
            tokio::task::yield_now().await;
        };
        let (taken, ()) = tokio::join!(taking, putting);
        assert_eq!(taken.len(), 3);
    }

    #[tokio::test]
    async fn what_is_not_taken_after_the_end_is_not_kept() {
        let moment = Duration::from_millis(20);
        let long = Bytes::from(vec![b'x'; LITTLE_BYTES]);
        let instead = Bytes::from_static(b"instead");
        let (sender, mut receiver) = queue(MOST_BYTES);
        for _ in 0..3 {
            assert_eq!(sender.push(long.clone()), Ok(()));
        }
        let finish = sender.finish(moment, instead.clone());
        let (first, ()) = tokio::join!(receiver.next(), finish);
        assert_eq!(first, Some(long.clone()));
        assert_eq!(receiver.next().await, Some(instead.clone()));
        assert_eq!(receiver.next().await, None);
        // A little may wait.
        let (sender, mut receiver) = queue(MOST_BYTES);
        assert_eq!(sender.push(long.clone()), Ok(()));
        sender.finish(moment, instead.clone()).await;
        assert_eq!(receiver.next().await, Some(long.clone()));
        assert_eq!(receiver.next().await, None);
        // Who left is not waited for.
        let (sender, receiver) = queue(MOST_BYTES);
        for _ in 0..3 {
            assert_eq!(sender.push(long.clone()), Ok(()));
        }
        drop(receiver);
        sender.finish(Duration::from_secs(600), instead).await;
    }
}
