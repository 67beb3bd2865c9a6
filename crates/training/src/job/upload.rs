//! Putting the result in the portal's store.

use job_contract::{ArtifactKind, ArtifactRequest, StoredArtifact};

use super::{
    portal::{CallError, Pauses, Portal},
    staging::hash_bytes,
};
use crate::stop::Stop;

/// Uploads one file; one that is stored already is not sent again.
///
/// # Errors
/// [`CallError`]; `Unreachable` where the store does not take it for as long as patience lasts.
pub(super) async fn upload(
    portal: &Portal,
    kind: ArtifactKind,
    name: &str,
    content: Vec<u8>,
) -> Result<StoredArtifact, CallError> {
    let request = ArtifactRequest {
        kind,
        name: name.to_owned(),
        size_bytes: content.len() as u64,
        sha256: hash_bytes(&content),
    };
    let content = bytes::Bytes::from(content);
    let mut pauses = Pauses::new(portal.patience());
    loop {
        // The address is good for a short time, so each try asks for a fresh one.
        let place = portal.artifact(&request).await?;
        let stored = StoredArtifact {
            artifact: place.artifact,
            name: request.name.clone(),
            size_bytes: request.size_bytes,
            sha256: request.sha256.clone(),
        };
        if place.is_stored {
            return Ok(stored);
        }
        let mut put = portal.http().put(&place.url).body(content.clone());
        for (name, value) in &place.headers {
            put = put.header(name, value);
        }
        let problem = match put.send().await {
            Ok(response) if response.status().is_success() => return Ok(stored),
            Ok(response) => format!("it answers {}", response.status()),
            Err(error) => error.without_url().to_string(),
        };
        tracing::warn!(
            name,
            problem,
            "the store does not take the file, trying again"
        );
        if !pauses.pause().await {
            let message = format!(
                "the store did not take {name} for {:?}: {problem}",
                portal.patience()
            );
            return Err(Stop::Unreachable(message).into());
        }
    }
}
