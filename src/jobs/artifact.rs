//! A place for a file that an attempt leaves behind.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use job_contract::{ArtifactKind, ArtifactRequest, ArtifactUpload};
use uuid::Uuid;

use super::{
    conclude::{NOT_PERMITTED, WITHDRAWN},
    internal_error::CallError,
    spec::live,
    store::{self, Artifact},
};
use crate::{
    db::{Db, MeterTx},
    ids::{AttemptId, JobId},
    objects::ObjectStore,
};

/// How long an address may be used: long enough to begin to put. A program asks for another one for each try.
const LIFETIME: Duration = Duration::from_secs(60);
/// Bytes a second of the slowest line that is reckoned with.
const SLOWEST: i64 = 250_000;
/// For clocks that differ, and for the time between the note of an address and its signature.
const SLACK: TimeDelta = TimeDelta::seconds(60);
/// S3 takes no more in one piece.
const LARGEST: u64 = 5 << 30;
const MOST_FILES: usize = 900;

/// Gives an address to put exactly these bytes.
pub(super) async fn place(
    db: &Db,
    objects: &ObjectStore,
    id: AttemptId,
    request: &ArtifactRequest,
) -> Result<ArtifactUpload, CallError> {
    check(request).map_err(|problem| CallError::Invalid(problem.into()))?;
    let size_bytes = i64::try_from(request.size_bytes).unwrap_or(i64::MAX);
    let (job, found) = {
        let mut conn = db.read().await?;
        let (job, _) = live(&mut conn, id).await?;
        if store::artifacts_of(&mut conn, id).await?.len() >= MOST_FILES {
            return Err(CallError::Invalid("too many files for one attempt".into()));
        }
        let name = (request.name.as_str(), request.sha256.as_str());
        let found = store::find_artifact(&mut conn, id, name).await?;
        (job.id, found)
    };
    let artifact = match found {
        Some(artifact) => artifact,
        None => announce(db, (job, id), request, size_bytes).await?,
    };
    if artifact.size_bytes != size_bytes || artifact.kind != kind_name(request.kind) {
        return Err(CallError::Invalid(
            "the same name and hash with another size or kind".into(),
        ));
    }
    let is_stored = match objects.head(&artifact.object_key).await {
        Ok(head) => head.size_bytes == request.size_bytes,
        Err(error) if error.is_missing => false,
        Err(error) => return Err(error.into()),
    };
    let mut tx = db.meter().await?;
    may_put(&mut tx, job).await?;
    let until = until(tx.now(), size_bytes);
    // Dropped meanwhile, or the attempt is over: nobody would look for it any more.
    if !store::put_until(&mut tx, artifact.id, until).await? {
        return Err(CallError::Ended);
    }
    tx.commit().await?;
    let presigned = objects
        .presign_put(&artifact.object_key, size_bytes, &artifact.sha256, LIFETIME)
        .await?;
    Ok(ArtifactUpload {
        artifact: artifact.id,
        url: presigned.url,
        headers: presigned.headers,
        is_stored,
    })
}

/// Until when somebody may be putting a file whose address is given out now.
fn until(now: DateTime<Utc>, size_bytes: i64) -> DateTime<Utc> {
    now + TimeDelta::from_std(LIFETIME).unwrap_or(TimeDelta::zero())
        + TimeDelta::seconds(size_bytes / SLOWEST)
        + SLACK
}

/// Nothing that was learnt from data is taken once a rule says no to them. A withdrawal waits for who asked before it, so
/// that it finds everything that was announced.
async fn may_put(tx: &mut MeterTx, job: JobId) -> Result<(), CallError> {
    match store::share_job(tx, job).await? {
        Some((_, true)) | None => Err(CallError::Ended),
        Some((Some(reason), _)) if reason == WITHDRAWN => {
            Err(CallError::Refused(vec!["permission-withdrawn".to_owned()]))
        }
        Some((Some(reason), _)) if reason == NOT_PERMITTED => {
            Err(CallError::Refused(vec!["not-approved".to_owned()]))
        }
        Some(_) => Ok(()),
    }
}

async fn announce(
    db: &Db,
    (job, attempt): (JobId, AttemptId),
    request: &ArtifactRequest,
    size_bytes: i64,
) -> Result<Artifact, CallError> {
    let id = Uuid::now_v7();
    let new = Artifact {
        id,
        kind: kind_name(request.kind).to_owned(),
        name: request.name.clone(),
        size_bytes,
        sha256: request.sha256.clone(),
        object_key: format!("jobs/{attempt}/{id}/{}", request.name),
    };
    let mut tx = db.meter().await?;
    may_put(&mut tx, job).await?;
    let until = until(tx.now(), size_bytes);
    store::insert_artifact(&mut tx, attempt, &new, until).await?;
    // Somebody may have been first.
    let kept = store::find_artifact(tx.conn(), attempt, (&request.name, &request.sha256)).await?;
    tx.commit().await?;
    Ok(kept.unwrap_or(new))
}

pub(super) fn kind_name(kind: ArtifactKind) -> &'static str {
    match kind {
        ArtifactKind::Model => "model",
        ArtifactKind::Checkpoint => "checkpoint",
        ArtifactKind::Report => "report",
    }
}

fn check(request: &ArtifactRequest) -> Result<(), &'static str> {
    let name = &request.name;
    let is_plain = (1..=100).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && name.bytes().any(|b| b != b'.');
    if !is_plain {
        return Err("the name is not a plain file name");
    }
    if !(1..=LARGEST).contains(&request.size_bytes) {
        return Err("a file holds between 1 byte and 5 GiB");
    }
    let is_hash = request.sha256.len() == 64
        && request
            .sha256
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if is_hash {
        Ok(())
    } else {
        Err("the hash is not a SHA-256 in lower-case hexadecimal")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &str, size_bytes: u64, sha256: &str) -> ArtifactRequest {
        ArtifactRequest {
            kind: ArtifactKind::Model,
            name: name.into(),
            size_bytes,
            sha256: sha256.into(),
        }
    }

    #[test]
    fn only_plain_files_are_taken() {
        let hash = "0a".repeat(32);
        assert_eq!(
            check(&request("adapter_model.safetensors", 1, &hash)),
            Ok(())
        );
        for name in ["", "..", "a/b", "a b", "é", &"x".repeat(101)] {
            assert!(check(&request(name, 1, &hash)).is_err(), "{name}");
        }
        assert!(check(&request("a", 0, &hash)).is_err());
        assert!(check(&request("a", LARGEST + 1, &hash)).is_err());
        assert!(check(&request("a", 1, &hash.to_uppercase())).is_err());
        assert!(check(&request("a", 1, &hash[1..])).is_err());
    }
}
