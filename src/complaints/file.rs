//! Taking a request or complaint in: kept, numbered, and receipted with our signature.

use data_encoding::HEXLOWER;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    case::{Case, EvidenceFile},
    code::FollowCode,
    deadline::{day, due},
    error::ComplaintError,
    happened::Happened,
    receipt::{PAYLOAD_TYPE, Sent, SentFile, statement},
    remind::tell_of_arrival,
    request::NewRequest,
    store,
};
use crate::{
    db::Db,
    documents::{name_variants, parse_terms},
    ids::ComplaintId,
    objects::ObjectStore,
    policy::{self, Action, Actor, Scope},
    signing::Signer,
};

/// A file that came with the form.
pub(super) struct Evidence {
    /// Its name, at most 200 characters.
    pub(super) name: String,
    /// Not empty.
    pub(super) bytes: Vec<u8>,
}

/// A case that was taken in, with the code that is shown now and never again.
pub(super) struct Filed {
    pub(super) case: Case,
    pub(super) code: FollowCode,
}

/// Takes a request in. `form_nonce` is that of the form, which can be sent once.
///
/// # Errors
/// [`ComplaintError::SentBefore`] for a form that was sent before.
pub(super) async fn file(
    (db, objects, signer): (&Db, &ObjectStore, &Signer),
    request: &NewRequest,
    evidence: Option<Evidence>,
    form_nonce: Option<[u8; 16]>,
) -> Result<Filed, ComplaintError> {
    let id = ComplaintId::fresh();
    let mut kept = None;
    if let Some(evidence) = evidence {
        let object_key = format!("complaints/{id}/evidence");
        let (size_bytes, sha256) = (
            i64::try_from(evidence.bytes.len()).unwrap_or(i64::MAX),
            HEXLOWER.encode(&Sha256::digest(&evidence.bytes)),
        );
        let object_version = objects.put(&object_key, evidence.bytes).await?;
        kept = Some(EvidenceFile {
            name: evidence.name,
            size_bytes,
            sha256,
            object_key,
            object_version,
        });
    }
    let filed = write((db, signer), id, request, kept.as_ref(), form_nonce).await;
    if let (Err(_), Some(kept)) = (&filed, &kept) {
        // Nothing points to it; what cannot be deleted now is only waste.
        let _ = objects.delete(&kept.object_key, &kept.object_version).await;
    }
    filed
}

async fn write(
    (db, signer): (&Db, &Signer),
    id: ComplaintId,
    request: &NewRequest,
    evidence: Option<&EvidenceFile>,
    form_nonce: Option<[u8; 16]>,
) -> Result<Filed, ComplaintError> {
    let visitor = Actor::visitor();
    let mut tx = db.write(&visitor).await?;
    let institution = store::platform(tx.conn())
        .await?
        .ok_or(ComplaintError::NoPlatform)?;
    let permit = policy::check(&visitor, Action::FileComplaint, &Scope::of(institution))?;
    let (received_at, code) = (tx.now(), FollowCode::fresh());
    let salt: [u8; 16] = rand::random();
    let request_sha256 = Sent {
        capacity: request.capacity,
        email: &request.email,
        evidence: evidence.map(|file| SentFile {
            name: &file.name,
            sha256: &file.sha256,
            size_bytes: file.size_bytes,
        }),
        kind: request.kind,
        language: request.language,
        name: &request.name,
        request: &request.request,
        salt: HEXLOWER.encode(&salt),
        terms: &request.terms,
        works: &request.works,
    }
    .sha256()?;
    let due_at = due(received_at);
    let number = store::next_number(&mut tx, day(received_at)).await?;
    let statement = statement(&request_sha256, &number, received_at, due_at)?;
    let receipt_sha256 = HEXLOWER.encode(&Sha256::digest(&statement));
    let receipt = signer.envelope(PAYLOAD_TYPE, &statement).to_text()?;
    let is_new = store::insert(
        &mut tx,
        &store::NewCase {
            id,
            institution,
            request,
            search_terms: &search_terms(request),
            salt: &salt,
            code: &code,
            form_nonce: form_nonce.as_ref().map(<[u8; 16]>::as_slice),
            evidence,
            number: &number,
            request_sha256: &request_sha256,
            receipt: &receipt,
            due_at,
        },
    )
    .await?;
    if !is_new {
        return Err(ComplaintError::SentBefore);
    }
    tx.record(&Happened::with(
        (id, institution),
        "complaints.received",
        json!({
            "number": number, "complaint": request.kind, "language": request.language, "due_at": due_at,
            "request_sha256": request_sha256, "receipt_sha256": receipt_sha256,
        }),
    ))?;
    tell_of_arrival(&mut tx, (id, &number), request.kind, institution).await?;
    let case = store::find(tx.conn(), id)
        .await?
        .ok_or(ComplaintError::NotFound)?;
    tx.commit(permit).await?;
    Ok(Filed { case, code })
}

/// What is searched for to begin with: what the person gave, and for people the ways in which the name is written.
fn search_terms(request: &NewRequest) -> Vec<String> {
    let mut terms = request.terms.clone();
    if request.kind.is_of_data_subject() {
        let names: Vec<String> = if terms.is_empty() {
            vec![request.name.clone()]
        } else {
            terms.clone()
        };
        terms.extend(names.iter().flat_map(|name| name_variants(name)));
    }
    let terms = parse_terms(terms.iter().map(String::as_str));
    terms.into_iter().map(|term| term.text).collect()
}
