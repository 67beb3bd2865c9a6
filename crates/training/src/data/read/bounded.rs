//! A reader that stops where one record takes too long.

use std::{
    cell::Cell,
    io::{self, Read},
    rc::Rc,
};

/// Bytes that may still be read for the record at hand. Whoever holds a copy fills it up again.
#[derive(Debug, Clone)]
pub(super) struct Allowance {
    left: Rc<Cell<u64>>,
    whole: u64,
}

impl Allowance {
    /// For records of at most `bytes`, with what a buffer reads ahead.
    pub(super) fn of(bytes: u64) -> Self {
        Self {
            left: Rc::new(Cell::new(bytes)),
            whole: bytes,
        }
    }

    /// A new record begins.
    pub(super) fn renew(&self) {
        self.left.set(self.whole);
    }

    /// Whether the record at hand was too long.
    pub(super) fn is_spent(&self) -> bool {
        self.left.get() == 0
    }

    /// `file`, as far as this allows.
    pub(super) fn over<R: Read>(&self, file: R) -> impl Read + use<R> {
        Bounded {
            file,
            allowance: self.clone(),
        }
    }
}

struct Bounded<R> {
    file: R,
    allowance: Allowance,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.allowance.left.get();
        if left == 0 {
            return Err(io::Error::other("the record is too long"));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let length = buffer.len().min(most);
        let read = self.file.read(&mut buffer[..length])?;
        self.allowance.left.set(left - read as u64);
        Ok(read)
    }
}
