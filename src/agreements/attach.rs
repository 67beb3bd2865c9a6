//! Sending the signed document.

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    event::{AgreementError, Happened},
    pdf,
    read::ReadDocument,
    register::lock_editable,
    store::{self, Document, DocumentState},
};
use crate::{
    config::Config,
    db::Db,
    error::Say,
    ids::{AgreementDocumentId, AgreementId},
    objects::ObjectStore,
    policy::{Action, Actor},
};

/// A document that was sent.
pub struct NewDocument {
    /// As its sender calls it.
    pub file_name: String,
    pub bytes: Vec<u8>,
}

/// Keeps the document of a draft or returned agreement, and has its text read. An earlier one stays, and counts no
/// longer once this one was read.
///
/// # Errors
/// A field error where it is no PDF by its content; [`AgreementError::TooLarge`]; a conflict where an earlier one
/// is still being read.
pub async fn attach(
    db: &Db,
    objects: &ObjectStore,
    config: &Config,
    actor: &Actor,
    (id, sent): (AgreementId, NewDocument),
) -> Result<AgreementDocumentId, AgreementError> {
    let most_bytes = config.limits.document_bytes;
    if sent.bytes.len() as u64 > most_bytes {
        return Err(AgreementError::TooLarge { most_bytes });
    }
    if !pdf::looks_like_pdf(&sent.bytes) {
        let say = Say::new("agreement-not-a-pdf");
        return Err(AgreementError::Field("document", say));
    }
    // Looked at before the bytes are stored, so that a stranger leaves nothing in the store.
    {
        let mut conn = db.read().await?;
        let found = store::find(&mut conn, id)
            .await?
            .ok_or(AgreementError::NotFound(id))?;
        let _permit = super::register::check(actor, Action::EditAgreement, &found)?;
    }
    let document = AgreementDocumentId::fresh();
    let key = format!("agreements/{id}/{document}.pdf");
    let size_bytes = i64::try_from(sent.bytes.len()).unwrap_or(i64::MAX);
    let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(&sent.bytes));
    let version = objects.put(&key, sent.bytes).await?;
    let new = Document {
        id: document,
        agreement: id,
        number: 0,
        file_name: file_name(&sent.file_name),
        size_bytes,
        sha256,
        object_key: key,
        object_version: version,
        state: DocumentState::Reading,
        created_by: actor.user,
        created_at: db.now(),
    };
    let kept = keep(db, actor, &new).await;
    if kept.is_err() {
        // Nobody knows of it.
        objects.delete(&new.object_key, &new.object_version).await?;
    }
    kept.map(|()| document)
}

async fn keep(db: &Db, actor: &Actor, new: &Document) -> Result<(), AgreementError> {
    let mut tx = db.write(actor).await?;
    let (agreement, permit) = lock_editable(&mut tx, new.agreement).await?;
    let last = store::newest_document(tx.conn(), agreement.id, false).await?;
    if last
        .as_ref()
        .is_some_and(|last| last.state == DocumentState::Reading)
    {
        return Err(AgreementError::conflict("agreement-document-being-read"));
    }
    let new = Document {
        number: last.map_or(1, |last| last.number + 1),
        ..new.clone()
    };
    store::insert_document(&mut tx, &new).await?;
    tx.enqueue(&ReadDocument { document: new.id })?;
    let what = json!({
        "document": new.id,
        "sha256": new.sha256,
        "size_bytes": new.size_bytes,
        "object_version": new.object_version,
    });
    tx.record(&Happened::new(
        "agreements.document_received",
        &agreement,
        what,
    ))?;
    tx.commit(permit).await?;
    Ok(())
}

/// A name that can be shown and sent in a header: the last part of a path, without marks that mean something there.
fn file_name(sent: &str) -> String {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last
        .chars()
        .filter(|c| !c.is_control() && !matches!(c, '"' | '<' | '>' | ';'))
        .take(200)
        .collect();
    let name = name.trim();
    if name.is_empty() {
        "agreement.pdf".to_owned()
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_only_a_name() {
        assert_eq!(file_name("C:\\map\\CCA 2026.pdf"), "CCA 2026.pdf");
        assert_eq!(file_name("../../etc/passwd"), "passwd");
        assert_eq!(file_name("\"; filename=x\r\n"), "filename=x");
        assert_eq!(file_name(""), "agreement.pdf");
    }
}
