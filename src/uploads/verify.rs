//! Reading a file from end to end, once: the bytes, the format, how much text there is.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    abort::{Discard, DiscardError},
    check::{BadExamples, Check, Counts, EveryFault},
    open::Changed,
    split::{Found, Split},
    store::{self, Verified},
    upload::Upload,
};
use crate::{
    datasets::{self, BadLine, EditError, Fault, FileState, Format, LineProblem, Problem},
    db::{CommitError, Db, StoreError, Task},
    ids::FileId,
    objects::{ObjectError, ObjectStore},
    policy::Actor,
};

/// Reads a file whose parts were put together.
#[derive(Debug, Serialize, Deserialize)]
pub struct Verify {
    pub(super) file: FileId,
}

impl Task for Verify {
    const KIND: &'static str = "uploads.verify";
}

/// Why a file could not be read; trying again later may help.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The object store is away.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// Reading broke off.
    #[error("reading broke off")]
    Reading(#[source] aws_sdk_s3::primitives::ByteStreamError),
    /// The dataset could not be locked.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The database is away, or a row makes no sense.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Documents were excluded while it was read.
    #[error("documents were excluded while the file was read")]
    ExcludedMeanwhile,
    /// Another run of the same work began meanwhile.
    #[error("the file is being carried over by another run")]
    CarriedElsewhere,
    /// What was replaced could not be freed.
    #[error(transparent)]
    Discard(#[from] DiscardError),
    /// The outcome could not be stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for VerifyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Reads the exact object of a file that waits for it, and notes what was found. Doing it twice is harmless.
///
/// # Errors
/// Where the object store or the database is away.
pub async fn verify(db: &Db, objects: &ObjectStore, task: &Verify) -> Result<(), VerifyError> {
    let mut conn = db.read().await?;
    let Some(upload) = store::find(&mut conn, task.file).await? else {
        return Ok(());
    };
    if upload.state != FileState::Verifying {
        return Ok(());
    }
    let excluded = datasets::excluded(&mut conn, upload.dataset).await?;
    drop(conn);
    let outcome = read(objects, &upload, &excluded).await?;
    let bad_examples = match &outcome {
        Err(problem)
            if problem.fault == Fault::BadLines && upload.format() == Some(Format::Jsonl) =>
        {
            Some(every_fault(objects, &upload).await?)
        }
        Ok(_) | Err(_) => None,
    };
    let actor = Actor::system();
    let mut tx = db.write(&actor).await?;
    let (dataset, permit) = match datasets::lock_editable(&mut tx, upload.dataset).await {
        Ok(locked) => locked,
        // Withdrawn meanwhile: nobody waits for the outcome.
        Err(EditError::Frozen(_) | EditError::NotFound(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let Some(upload) = store::find(tx.conn(), task.file).await? else {
        return Ok(());
    };
    if upload.state != FileState::Verifying {
        return Ok(());
    }
    if datasets::excluded(tx.conn(), upload.dataset).await?.len() != excluded.len() {
        return Err(VerifyError::ExcludedMeanwhile);
    }
    let (kind, sha256, problem) = match &outcome {
        Ok(verified) => {
            store::set_ready(&mut tx, upload.id, verified).await?;
            ("uploads.verified", Some(verified.sha256.as_str()), None)
        }
        Err(problem) => {
            store::set_rejected(&mut tx, upload.id, problem, bad_examples.as_ref()).await?;
            tx.enqueue(&Discard { file: upload.id })?;
            ("uploads.rejected", None, Some(&problem.fault))
        }
    };
    tx.record(&Changed {
        kind,
        institution: dataset.institution,
        dataset: dataset.id,
        file: upload.id,
        path: &upload.path,
        size_bytes: upload.size_bytes,
        sha256,
        problem,
    })?;
    tx.commit(permit).await?;
    Ok(())
}

async fn read(
    objects: &ObjectStore,
    upload: &Upload,
    excluded: &HashSet<[u8; 32]>,
) -> Result<Result<Verified, Problem>, VerifyError> {
    // Opening refuses every other ending.
    let format = upload.format().unwrap_or(Format::Text);
    let version = upload.object_version.as_deref().unwrap_or("null");
    let mut body = match objects.read(&upload.object_key, version).await {
        Ok(body) => body,
        Err(error) if error.is_missing => {
            return Ok(Err(Problem::of(Fault::TruncatedOrAltered)));
        }
        Err(error) => return Err(error.into()),
    };
    let mut reading = Reading::new(format, upload.part_size_bytes);
    let mut sieve = (!excluded.is_empty()).then(|| Sieve::new(format, excluded));
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(VerifyError::Reading)?;
        for piece in chunk.chunks(64 * 1024) {
            reading.feed(piece);
            if let Some(sieve) = &mut sieve {
                sieve.feed(piece);
            }
            // Other tasks of the worker go on while a large file is read.
            tokio::task::yield_now().await;
        }
    }
    let verified = reading.finish(upload.size_bytes, upload.tree_sha256.as_deref());
    Ok(
        verified.and_then(|verified| match sieve.and_then(Sieve::finish) {
            Some(problem) => Err(problem),
            None => Ok(verified),
        }),
    )
}

/// Reads a file that was found wrong once more, so that all that is wrong with it is told at once: its bytes are deleted
/// then, and nobody can look again.
async fn every_fault(objects: &ObjectStore, upload: &Upload) -> Result<BadExamples, VerifyError> {
    let version = upload.object_version.as_deref().unwrap_or("null");
    let mut body = objects.read(&upload.object_key, version).await?;
    let mut pass = EveryFault::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(VerifyError::Reading)?;
        for piece in chunk.chunks(64 * 1024) {
            pass.feed(piece);
            tokio::task::yield_now().await;
        }
    }
    Ok(pass.finish())
}

/// Finds the documents that stay out of the dataset.
struct Sieve<'a> {
    split: Split,
    excluded: &'a HashSet<[u8; 32]>,
    lines: Vec<BadLine>,
    count: u64,
}

/// How many of them are named, as for other bad lines.
const MOST_LINES_SHOWN: usize = 100;

impl<'a> Sieve<'a> {
    fn new(format: Format, excluded: &'a HashSet<[u8; 32]>) -> Self {
        Self {
            split: Split::of(format),
            excluded,
            lines: Vec::new(),
            count: 0,
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut found = Vec::new();
        self.split.feed(bytes, &mut found);
        self.take(found);
    }

    fn take(&mut self, found: Vec<Found>) {
        for one in found {
            if let Found::Document(document) = one
                && self.excluded.contains(&document.sha256)
            {
                self.count += 1;
                if self.lines.len() < MOST_LINES_SHOWN {
                    self.lines.push(BadLine {
                        line: document.number.unsigned_abs(),
                        problem: LineProblem::Excluded,
                    });
                }
            }
        }
    }

    fn finish(mut self) -> Option<Problem> {
        let split = std::mem::replace(&mut self.split, Split::of(Format::Text));
        let mut found = Vec::new();
        split.finish(&mut found);
        self.take(found);
        (self.count > 0).then_some(Problem {
            fault: Fault::ExcludedDocuments,
            lines: self.lines,
            bad_lines: self.count,
        })
    }
}

/// One pass over the bytes of a file.
struct Reading {
    format: Format,
    part_size_bytes: i64,
    whole: Sha256,
    part: Sha256,
    part_bytes: i64,
    tree: Sha256,
    size_bytes: i64,
    check: Check,
}

impl Reading {
    fn new(format: Format, part_size_bytes: i64) -> Self {
        Self {
            format,
            part_size_bytes,
            whole: Sha256::new(),
            part: Sha256::new(),
            part_bytes: 0,
            tree: Sha256::new(),
            size_bytes: 0,
            check: Check::of(format),
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.whole.update(bytes);
        self.size_bytes = self.size_bytes.saturating_add_unsigned(bytes.len() as u64);
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = usize::try_from(self.part_size_bytes - self.part_bytes).unwrap_or(0);
            let (now, later) = rest.split_at(rest.len().min(room.max(1)));
            self.part.update(now);
            self.part_bytes = self.part_bytes.saturating_add_unsigned(now.len() as u64);
            if self.part_bytes >= self.part_size_bytes {
                self.end_part();
            }
            rest = later;
        }
        self.check.feed(bytes);
    }

    fn end_part(&mut self) {
        self.tree.update(self.part.finalize_reset());
        self.part_bytes = 0;
    }

    /// `size_bytes` and `tree` as its sender announced them.
    fn finish(mut self, size_bytes: i64, tree: Option<&str>) -> Result<Verified, Problem> {
        if self.part_bytes > 0 {
            self.end_part();
        }
        let is_tree = data_encoding::HEXLOWER.encode(&self.tree.finalize());
        if self.size_bytes != size_bytes || tree != Some(is_tree.as_str()) {
            return Err(Problem::of(Fault::TruncatedOrAltered));
        }
        let Counts {
            documents,
            characters,
        } = self.check.finish()?;
        Ok(Verified {
            sha256: data_encoding::HEXLOWER.encode(&self.whole.finalize()),
            format: self.format,
            documents: i64::try_from(documents).unwrap_or(i64::MAX),
            characters: i64::try_from(characters).unwrap_or(i64::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(parts: &[&[u8]]) -> String {
        let mut tree = Sha256::new();
        for part in parts {
            tree.update(Sha256::digest(part));
        }
        data_encoding::HEXLOWER.encode(&tree.finalize())
    }

    fn read(bytes: &[u8], chunk: usize) -> Reading {
        let mut reading = Reading::new(Format::Text, 4);
        for piece in bytes.chunks(chunk) {
            reading.feed(piece);
        }
        reading
    }

    #[test]
    fn how_the_bytes_come_in_makes_no_difference() {
        let text = b"abcdefghij";
        let announced = tree(&[b"abcd", b"efgh", b"ij"]);
        for chunk in 1..=text.len() {
            let verified = read(text, chunk).finish(10, Some(&announced)).unwrap();
            assert_eq!((verified.documents, verified.characters), (1, 10));
            let whole = data_encoding::HEXLOWER.encode(&Sha256::digest(text));
            assert_eq!(verified.sha256, whole, "in chunks of {chunk}");
        }
    }

    #[test]
    fn a_truncated_or_altered_object_is_told_from_a_bad_one() {
        let announced = tree(&[b"abcd", b"efgh", b"ij"]);
        for bytes in [b"abcdefghi".as_slice(), b"abcdefghiJ", b"abcdefghijk"] {
            let problem = read(bytes, 3).finish(10, Some(&announced)).err();
            assert_eq!(problem, Some(Problem::of(Fault::TruncatedOrAltered)));
        }
    }
}
