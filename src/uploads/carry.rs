//! Carrying a file into the next version of its dataset: the same bytes, without the documents that are excluded.

use std::{collections::HashSet, ops::Range};

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    abort::{Discard, discard},
    split::{DocumentHash, Found, Split},
    store::{self, Carried},
    upload::{Upload, part_size_bytes, tree_sha256},
    verify::{Verify, VerifyError},
};
use crate::{
    datasets::{self, CarryFile, EditError, FileState, Format},
    db::{Db, Event, Subject},
    ids::{DatasetId, FileId, InstitutionId},
    objects::ObjectStore,
    policy::Actor,
};

#[derive(Serialize)]
struct CarriedOver {
    #[serde(skip)]
    institution: InstitutionId,
    #[serde(skip)]
    dataset: DatasetId,
    source: FileId,
    file: FileId,
    documents_kept: i64,
    documents_dropped: i64,
}

impl Event for CarriedOver {
    fn kind(&self) -> &'static str {
        "uploads.carried"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "dataset",
            id: self.dataset.0,
            institution: self.institution,
        }
    }
}

/// What of a file goes along.
#[derive(Debug, Default, PartialEq, Eq)]
struct Survey {
    /// Bytes that stay behind, in order.
    cut: Vec<Range<u64>>,
    kept: i64,
    dropped: Vec<DocumentHash>,
}

impl Survey {
    fn take(&mut self, found: Vec<Found>, excluded: &HashSet<DocumentHash>) {
        for one in found {
            let Found::Document(document) = one else {
                continue;
            };
            if excluded.contains(&document.sha256) {
                let from = document.offset_bytes.unsigned_abs();
                self.cut
                    .push(from..from + document.size_bytes.unsigned_abs());
                self.dropped.push(document.sha256);
            } else {
                self.kept += 1;
            }
        }
    }
}

/// The parts of a piece that begins at `offset` which lie outside of `cut`.
fn outside<'a>(piece: &'a [u8], offset: u64, cut: &[Range<u64>]) -> Vec<&'a [u8]> {
    let end = offset + piece.len() as u64;
    let within = |at: u64| usize::try_from(at.clamp(offset, end) - offset).unwrap_or(piece.len());
    let first = cut.partition_point(|range| range.end <= offset);
    let mut parts = Vec::new();
    let mut from = offset;
    for range in cut.iter().skip(first).take_while(|range| range.start < end) {
        parts.extend(piece.get(within(from)..within(range.start)));
        from = range.end;
    }
    if from < end {
        parts.extend(piece.get(within(from)..));
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Fills the place that the next version has for a file. Doing it twice is harmless.
///
/// # Errors
/// Where the object store or the database is away.
pub async fn carry(db: &Db, objects: &ObjectStore, task: &CarryFile) -> Result<(), VerifyError> {
    let mut conn = db.read().await?;
    let source = store::find(&mut conn, task.source).await?;
    let target = store::find(&mut conn, task.file).await?;
    let (Some(source), Some(target)) = (source, target) else {
        return Ok(());
    };
    // Filled already, or taken out of the version again.
    if target.state != FileState::Uploading {
        if target.state == FileState::Aborted && source.state == FileState::Aborted {
            let gone = Discard { file: source.id };
            discard(db, objects, &gone).await?;
        }
        return Ok(());
    }
    let excluded = datasets::excluded(&mut conn, source.dataset).await?;
    drop(conn);
    let survey = survey(objects, &source, &excluded).await?;
    let written = if survey.kept > 0 {
        let Some(upload) = begin(db, objects, &target).await? else {
            return Ok(());
        };
        Some(write(objects, &source, &target, (&upload, &survey.cut)).await?)
    } else {
        None
    };
    let actor = Actor::system();
    let mut tx = db.write(&actor).await?;
    let (dataset, permit) = match datasets::lock_editable(&mut tx, source.dataset).await {
        Ok(locked) => locked,
        // Withdrawn meanwhile: nobody waits for it.
        Err(EditError::Frozen(_) | EditError::NotFound(_)) => {
            return forget(objects, &target, written).await;
        }
        Err(error) => return Err(error.into()),
    };
    let still = store::find(tx.conn(), target.id).await?;
    if still.is_none_or(|file| file.state != FileState::Uploading) {
        return forget(objects, &target, written).await;
    }
    // Excluded after it was read: it is read again.
    if datasets::excluded(tx.conn(), source.dataset).await?.len() != excluded.len() {
        forget(objects, &target, written).await?;
        return Err(VerifyError::ExcludedMeanwhile);
    }
    match &written {
        Some(written) => {
            store::set_carried(&mut tx, target.id, written).await?;
            tx.enqueue(&Verify { file: target.id })?;
        }
        None => store::set_aborted(&mut tx, target.id).await?,
    }
    store::insert_carried(
        &mut tx,
        (source.id, target.id),
        survey.kept,
        &survey.dropped,
    )
    .await?;
    if source.state == FileState::Aborted {
        // It was replaced within the version that is being made: what stood there is of no more use.
        tx.enqueue(&Discard { file: source.id })?;
    }
    tx.record(&CarriedOver {
        institution: dataset.institution,
        dataset: dataset.id,
        source: source.id,
        file: target.id,
        documents_kept: survey.kept,
        documents_dropped: i64::try_from(survey.dropped.len()).unwrap_or(i64::MAX),
    })?;
    tx.commit(permit).await?;
    Ok(())
}

/// Opens an upload for the file and notes it before a byte goes there, so that whoever purges the file finds it and
/// aborts it, and nothing can be put together afterwards. An earlier try's is given up. None where the file waits for
/// its bytes no more.
async fn begin(
    db: &Db,
    objects: &ObjectStore,
    target: &Upload,
) -> Result<Option<String>, VerifyError> {
    let (key, before) = (&target.object_key, target.s3_upload_id.as_deref());
    if let Some(before) = before {
        objects.abort_multipart(key, before).await?;
    }
    let upload = objects.create_multipart(key).await?;
    let mut tx = db.meter().await?;
    if store::set_multipart(&mut tx, target.id, before, &upload).await? {
        tx.commit().await?;
        return Ok(Some(upload));
    }
    drop(tx);
    objects.abort_multipart(key, &upload).await?;
    let mut conn = db.read().await?;
    match store::find(&mut conn, target.id).await? {
        Some(file)
            if file.state == FileState::Uploading && file.s3_upload_id.as_deref() != before =>
        {
            Err(VerifyError::CarriedElsewhere)
        }
        _ => Ok(None),
    }
}

/// Deletes what was written for a file that nobody waits for any more.
async fn forget(
    objects: &ObjectStore,
    target: &Upload,
    written: Option<Carried>,
) -> Result<(), VerifyError> {
    if let Some(written) = written {
        objects
            .delete(&target.object_key, &written.object_version)
            .await?;
    }
    Ok(())
}

async fn survey(
    objects: &ObjectStore,
    source: &Upload,
    excluded: &HashSet<DocumentHash>,
) -> Result<Survey, VerifyError> {
    let mut split = Split::of(source.format().unwrap_or(Format::Text));
    let mut survey = Survey::default();
    let version = source.object_version.as_deref().unwrap_or("null");
    let mut body = objects.read(&source.object_key, version).await?;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(VerifyError::Reading)?;
        for piece in chunk.chunks(64 * 1024) {
            let mut found = Vec::new();
            split.feed(piece, &mut found);
            survey.take(found, excluded);
            tokio::task::yield_now().await;
        }
    }
    let mut found = Vec::new();
    split.finish(&mut found);
    survey.take(found, excluded);
    Ok(survey)
}

async fn write(
    objects: &ObjectStore,
    source: &Upload,
    target: &Upload,
    (upload, cut): (&str, &[Range<u64>]),
) -> Result<Carried, VerifyError> {
    let gone: u64 = cut.iter().map(|range| range.end - range.start).sum();
    let size_bytes = source.size_bytes.saturating_sub_unsigned(gone);
    let part_bytes = part_size_bytes(size_bytes);
    let part_len = usize::try_from(part_bytes).unwrap_or(usize::MAX);
    let key = &target.object_key;
    let version = source.object_version.as_deref().unwrap_or("null");
    let mut body = objects.read(&source.object_key, version).await?;
    let (mut offset, mut buffer, mut digests) = (0_u64, BytesMut::new(), Vec::new());
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(VerifyError::Reading)?;
        for part in outside(&chunk, offset, cut) {
            buffer.extend_from_slice(part);
        }
        offset += chunk.len() as u64;
        while buffer.len() >= part_len {
            let part = buffer.split_to(part_len).freeze();
            send(objects, (key, upload), &mut digests, part).await?;
        }
    }
    if !buffer.is_empty() {
        send(objects, (key, upload), &mut digests, buffer.freeze()).await?;
    }
    let parts = objects.list_parts(key, upload).await?;
    let head = objects
        .complete_multipart(key, upload, &parts, &digests)
        .await?;
    Ok(Carried {
        size_bytes,
        part_size_bytes: part_bytes,
        tree_sha256: tree_sha256(digests.iter().map(|(_, digest)| digest.as_str()))
            .unwrap_or_default(),
        object_version: head.version,
    })
}

async fn send(
    objects: &ObjectStore,
    (key, upload): (&str, &str),
    digests: &mut Vec<(i32, String)>,
    part: Bytes,
) -> Result<(), VerifyError> {
    let number = i32::try_from(digests.len() + 1).unwrap_or(i32::MAX);
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(&part));
    objects
        .upload_part(key, upload, number, &digest, part)
        .await?;
    digests.push((number, digest));
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_cut_is_gone_and_all_else_is_there(
            bytes in prop::collection::vec(any::<u8>(), 1..200),
            marks in prop::collection::btree_set(0_u64..200, 0..12),
            chunk in 1_usize..50,
        ) {
            let marks: Vec<u64> = marks.into_iter().collect();
            let cut: Vec<Range<u64>> = marks.chunks_exact(2).map(|pair| pair[0]..pair[1]).collect();
            let mut carried = Vec::new();
            let mut offset = 0;
            for piece in bytes.chunks(chunk) {
                for part in outside(piece, offset, &cut) {
                    carried.extend_from_slice(part);
                }
                offset += piece.len() as u64;
            }
            let expected: Vec<u8> = (0_u64..)
                .zip(&bytes)
                .filter(|(at, _)| !cut.iter().any(|range| range.contains(at)))
                .map(|(_, byte)| *byte)
                .collect();
            prop_assert_eq!(carried, expected);
        }
    }
}
