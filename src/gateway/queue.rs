//! Pieces of an answer that wait for whoever takes them: bounded in bytes, and never waited for.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use tokio::sync::mpsc;

/// So much waits at most; one piece alone may be longer.
const MOST_BYTES: usize = 1024 * 1024;

/// Where pieces are put.
#[derive(Debug)]
pub(super) struct Sender {
    pieces: mpsc::UnboundedSender<Bytes>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// Where they are taken.
#[derive(Debug)]
pub(super) struct Receiver {
    pieces: mpsc::UnboundedReceiver<Bytes>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// Why a piece was not put into a queue.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    Full,
    /// Nobody takes them any more.
    Closed,
}

/// A queue with nothing in it.
pub(super) fn queue() -> (Sender, Receiver) {
    let (put, take) = mpsc::unbounded_channel();
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    let sender = Sender {
        pieces: put,
        waiting_bytes: Arc::clone(&waiting_bytes),
    };
    let receiver = Receiver {
        pieces: take,
        waiting_bytes,
    };
    (sender, receiver)
}

impl Sender {
    /// Adds a piece.
    ///
    /// # Errors
    /// [`NotTaken`]; the piece is lost then.
    pub(super) fn push(&self, piece: Bytes) -> Result<(), NotTaken> {
        let waiting = self.waiting_bytes.load(Ordering::Relaxed);
        if waiting > 0 && waiting.saturating_add(piece.len()) > MOST_BYTES {
            return Err(NotTaken::Full);
        }
        self.push_last(piece)
    }

    /// Adds a piece however much waits: the one that says how it ended.
    ///
    /// # Errors
    /// [`NotTaken::Closed`].
    pub(super) fn push_last(&self, piece: Bytes) -> Result<(), NotTaken> {
        // Before it is there: whoever takes it counts it off.
        self.waiting_bytes.fetch_add(piece.len(), Ordering::Relaxed);
        self.pieces.send(piece).map_err(|_| NotTaken::Closed)
    }

    /// Resolves when nobody takes them any more.
    pub(super) async fn closed(&self) {
        self.pieces.closed().await;
    }
}

impl Receiver {
    /// The next piece; none once all were taken and no more come.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        let piece = self.pieces.recv().await?;
        self.waiting_bytes.fetch_sub(piece.len(), Ordering::Relaxed);
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_nobody_takes_is_bounded_and_its_end_still_fits() {
        let (sender, mut receiver) = queue();
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
        let (sender, mut receiver) = queue();
        let long = Bytes::from(vec![b'x'; MOST_BYTES + 1]);
        assert_eq!(sender.push(long.clone()), Ok(()));
        assert_eq!(receiver.next().await, Some(long.clone()));
        drop(receiver);
        sender.closed().await;
        assert_eq!(sender.push(long), Err(NotTaken::Closed));
    }
}
