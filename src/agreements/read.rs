//! Reading the text of a document in the background.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    event::Happened,
    line::{Need, Said},
    pdf::{Problem, Reading},
    reader,
    store::{self, Document, DocumentState},
};
use crate::{
    config::Config,
    db::{CommitError, Db, StoreError, Task, WriteTx},
    ids::AgreementDocumentId,
    objects::{ObjectError, ObjectStore},
    policy::{self, Action, Actor, Denied},
};

/// Reads the text of a document that was sent.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReadDocument {
    pub(super) document: AgreementDocumentId,
}

impl Task for ReadDocument {
    const KIND: &'static str = "agreements.read_document";
}

/// Removes the bytes of a document that was refused.
#[derive(Debug, Serialize, Deserialize)]
pub struct Discard {
    pub(super) document: AgreementDocumentId,
}

impl Task for Discard {
    const KIND: &'static str = "agreements.discard";
}

/// Why a document was not read; trying again later may help.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error("the stored document broke off")]
    Broken(#[source] aws_sdk_s3::primitives::ByteStreamError),
    #[error("the reading process cannot be run")]
    Process(#[source] std::io::Error),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The bytes of a document's exact version, where they are still those that were sent.
pub(super) async fn bytes(
    objects: &ObjectStore,
    document: &Document,
) -> Result<Option<bytes::Bytes>, ReadError> {
    let body = match objects
        .read(&document.object_key, &document.object_version)
        .await
    {
        Ok(body) => body,
        Err(error) if error.is_missing => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let bytes = body
        .collect()
        .await
        .map_err(ReadError::Broken)?
        .into_bytes();
    let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes));
    Ok((sha256 == document.sha256).then_some(bytes))
}

/// Reads a document that waits for it, and notes what came of it. Doing it twice is harmless.
///
/// # Errors
/// [`ReadError`] where a part is away.
pub async fn read_document(
    db: &Db,
    objects: &ObjectStore,
    config: &Config,
    task: &ReadDocument,
) -> Result<(), ReadError> {
    let mut conn = db.read().await?;
    let Some(document) = store::find_document(&mut conn, task.document).await? else {
        return Ok(());
    };
    drop(conn);
    if document.state != DocumentState::Reading {
        return Ok(());
    }
    let reading = match bytes(objects, &document).await? {
        Some(bytes) => reader::read(config, &bytes)
            .await
            .map_err(ReadError::Process)?,
        None => Reading::Refused(Problem::Altered),
    };
    let actor = Actor::system();
    let mut tx = db.write(&actor).await?;
    let Some(agreement) = store::lock(&mut tx, document.agreement).await? else {
        return Ok(());
    };
    let permit = policy::check(&actor, Action::RunSystem, &agreement.scope())?;
    let still = store::find_document(tx.conn(), document.id).await?;
    if still.is_none_or(|still| still.state != DocumentState::Reading) {
        return Ok(());
    }
    store::save_reading(&mut tx, document.id, &reading).await?;
    match &reading {
        Reading::Pages(pages) => {
            if !agreement.status.is_closed() {
                reopen_lines(&mut tx, &document).await?;
            }
            let with_text = pages.iter().filter(|text| !text.is_empty()).count();
            let what = json!({
                "document": document.id, "sha256": document.sha256, "pages": pages.len(), "pages_with_text": with_text,
            });
            tx.record(&Happened::new("agreements.document_read", &agreement, what))?;
        }
        Reading::Refused(problem) => {
            tx.enqueue(&Discard {
                document: document.id,
            })?;
            let what =
                json!({ "document": document.id, "sha256": document.sha256, "problem": problem });
            tx.record(&Happened::new(
                "agreements.document_refused",
                &agreement,
                what,
            ))?;
        }
    }
    tx.commit(permit).await?;
    Ok(())
}

/// What was read in an earlier document must be pointed out in this one; values stay as a help.
async fn reopen_lines(tx: &mut WriteTx<'_>, document: &Document) -> Result<(), StoreError> {
    for line in store::standing(tx.conn(), document.agreement).await? {
        let Said::Coded { value, .. } = &line.said else {
            continue;
        };
        let said = Said::NeedsHuman {
            need: Need::NoPlace,
            reason: String::new(),
            value: Some(value.clone()),
        };
        // In the name of who sent the document: the worker is no person.
        let again = (&said, document.created_by);
        store::insert_line(tx, document.agreement, line.layer, line.term, again).await?;
    }
    Ok(())
}

/// Removes the bytes of a refused document from the store. Its hash stays, as a fact.
///
/// # Errors
/// Where the store or the database is away.
pub async fn discard(db: &Db, objects: &ObjectStore, task: &Discard) -> Result<(), ReadError> {
    let mut conn = db.read().await?;
    let found = store::find_document(&mut conn, task.document).await?;
    drop(conn);
    if let Some(document) = found
        && matches!(document.state, DocumentState::Refused(_))
    {
        objects
            .delete(&document.object_key, &document.object_version)
            .await?;
    }
    Ok(())
}
