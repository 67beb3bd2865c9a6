//! Reading verified files into the index, and taking out of it what is no longer a verified file.

use chrono::TimeDelta;
use sqlx::PgConnection;

use super::{fold::fold, store};
use crate::{
    datasets::Format,
    db::{Db, MeterTx, StoreError},
    ids::FileId,
    objects::{ObjectError, ObjectStore},
    uploads::{Document, Found, Split},
};

/// Why the index is not up to date; the next run goes on.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The database is away, or a row makes no sense.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object store is away.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// Reading broke off.
    #[error("reading broke off")]
    Reading(#[source] aws_sdk_s3::primitives::ByteStreamError),
}

impl From<sqlx::Error> for IndexError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Text of a part, in bytes. A word that stands more than 256 times in a part loses places, so parts are small.
const PART_BYTES: usize = 8000;
/// So much of a part stands in the next one too: no name is longer.
const OVERLAP_BYTES: usize = 400;
/// Documents and parts that are written at once.
const BATCH: usize = 400;
/// A file that another worker began on longer ago than this was left.
const LEFT_AFTER: TimeDelta = TimeDelta::minutes(30);
const MOST_FILES: usize = 50;

/// Indexes the verified files that are not yet, and drops those that are no longer. Any number of workers may run it
/// at once: each claims a file before it reads it. A file whose object is not there holds up no other: it is looked
/// at again when its claim has run out.
///
/// # Errors
/// Where database or object store are away, or an object is not there.
pub async fn catch_up(db: &Db, objects: &ObjectStore) -> Result<(), IndexError> {
    let mut tx = db.meter().await?;
    store::drop_unready(&mut tx, 20).await?;
    tx.commit().await?;
    let mut missing = None;
    for _ in 0..MOST_FILES {
        let mut tx = db.meter().await?;
        let left_before = tx.now() - LEFT_AFTER;
        let claimed = store::claim(&mut tx, left_before).await?;
        tx.commit().await?;
        let Some(file) = claimed else { break };
        if let Err(error) = index(db, objects, &file).await {
            let is_missing = matches!(&error, IndexError::Objects(error) if error.is_missing);
            let mut tx = db.meter().await?;
            if is_missing {
                store::set_aside(&mut tx, file.id).await?;
            } else {
                // Another run begins it anew, this one or another worker's.
                store::remove(&mut tx, file.id).await?;
            }
            tx.commit().await?;
            if !is_missing {
                return Err(error);
            }
            missing.get_or_insert(error);
        }
    }
    missing.map_or(Ok(()), Err)
}

/// Takes a file out of the index with all its words, for good where its version was withdrawn.
///
/// # Errors
/// Where the database is away.
pub async fn forget(tx: &mut MeterTx, file: FileId) -> Result<(), StoreError> {
    store::remove(tx, file).await
}

/// Whether the index holds nothing of a file.
///
/// # Errors
/// Where the database is away.
pub async fn is_forgotten(conn: &mut PgConnection, file: FileId) -> Result<bool, StoreError> {
    Ok(!store::holds(conn, file).await?)
}

async fn index(db: &Db, objects: &ObjectStore, file: &store::Claimed) -> Result<(), IndexError> {
    let mut split = Split::of(file.format);
    let mut batch = Batch::default();
    let mut body = objects.read(&file.object_key, &file.object_version).await?;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(IndexError::Reading)?;
        for piece in chunk.chunks(64 * 1024) {
            let mut found = Vec::new();
            split.feed(piece, &mut found);
            batch.take(found);
            if batch.is_full() {
                // Withdrawn meanwhile: nothing of it is kept.
                if !batch.write(db, file).await? {
                    return Ok(());
                }
            }
            tokio::task::yield_now().await;
        }
    }
    let mut found = Vec::new();
    split.finish(&mut found);
    batch.take(found);
    batch.write(db, file).await?;
    let mut tx = db.meter().await?;
    store::set_indexed(&mut tx, file.id).await?;
    tx.commit().await?;
    Ok(())
}

/// A part of a document, folded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) number: i64,
    pub(super) part: i32,
    pub(super) words: String,
}

/// What was read and not written yet.
#[derive(Default)]
struct Batch {
    documents: Vec<Document>,
    parts: Vec<Part>,
    /// Text of the document that is being read: its number, parts made of it, and what is in none yet.
    open: Option<(i64, i32, String)>,
}

impl Batch {
    fn take(&mut self, found: Vec<Found>) {
        for one in found {
            match one {
                Found::Text { number, text } => self.text(number, &text),
                Found::Document(document) => {
                    self.close();
                    self.documents.push(document);
                }
            }
        }
    }

    fn text(&mut self, number: i64, text: &str) {
        if self.open.as_ref().is_some_and(|(open, ..)| *open != number) {
            self.close();
        }
        let (_, part, rest) = self.open.get_or_insert_with(|| (number, 0, String::new()));
        rest.push_str(text);
        while rest.len() > PART_BYTES {
            let cut = edge(rest, PART_BYTES);
            let words = fold(rest.get(..cut).unwrap_or_default());
            if !words.is_empty() {
                self.parts.push(Part {
                    number,
                    part: *part,
                    words,
                });
            }
            *part += 1;
            let overlap = edge(rest, cut.saturating_sub(OVERLAP_BYTES));
            rest.drain(..overlap);
        }
    }

    fn close(&mut self) {
        if let Some((number, part, rest)) = self.open.take() {
            let words = fold(&rest);
            if !words.is_empty() {
                self.parts.push(Part {
                    number,
                    part,
                    words,
                });
            }
        }
    }

    fn is_full(&self) -> bool {
        self.documents.len() >= BATCH || self.parts.len() >= BATCH
    }

    /// Writes what was read; false where the file was taken out of the index meanwhile.
    async fn write(&mut self, db: &Db, file: &store::Claimed) -> Result<bool, StoreError> {
        let documents = std::mem::take(&mut self.documents);
        let parts = std::mem::take(&mut self.parts);
        let mut tx = db.meter().await?;
        if !store::keep_claim(&mut tx, file.id).await? {
            return Ok(false);
        }
        for documents in documents.chunks(BATCH) {
            store::insert_documents(&mut tx, file.id, documents).await?;
        }
        for parts in parts.chunks(BATCH) {
            store::insert_parts(&mut tx, file.id, parts).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

/// The last place up to `at` where a word ends, or else a character.
fn edge(text: &str, at: usize) -> usize {
    let at = (0..=at.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    text.get(..at)
        .and_then(|head| head.rfind(char::is_whitespace))
        // A text without spaces is cut anywhere, rather than never.
        .filter(|space| *space > at / 2)
        .unwrap_or(at)
}

/// The format that a file was verified as.
pub(super) fn format(name: &str) -> Option<Format> {
    name.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(pieces: &[&str]) -> Vec<Part> {
        let mut batch = Batch::default();
        for piece in pieces {
            batch.text(1, piece);
        }
        batch.close();
        batch.parts
    }

    proptest! {
        #[test]
        fn every_phrase_of_four_words_is_whole_in_some_part(
            words in prop::collection::vec("[a-zé]{1,12}", 4..3000),
            at in any::<prop::sample::Index>(),
            piece in 1_usize..5000,
        ) {
            let text = words.join(" ");
            let pieces: Vec<String> = text.chars().collect::<Vec<_>>().chunks(piece).map(|c| c.iter().collect()).collect();
            let parts = parts(&pieces.iter().map(String::as_str).collect::<Vec<_>>());
            let from = at.index(words.len() - 3);
            let phrase = fold(&words[from..from + 4].join(" "));
            let is_there = parts.iter().any(|part| format!(" {} ", part.words).contains(&format!(" {phrase} ")));
            prop_assert!(is_there, "{} in {} parts", phrase, parts.len());
            prop_assert!(parts.iter().all(|part| part.words.len() <= 2 * PART_BYTES));
        }
    }

    #[test]
    fn a_text_without_spaces_is_cut_all_the_same() {
        let endless = "é".repeat(3 * PART_BYTES);
        assert!(parts(&[&endless]).len() > 3);
    }
}
