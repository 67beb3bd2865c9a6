//! Checkpoints of the log: what is signed, and under which name.

use chrono::{DateTime, SecondsFormat, Utc};
use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};
use transparency_log::{Checkpoint, CheckpointError, Hash, Note, NoteError, VerifierKey};

use crate::signing::{PublicKey, PublishedKeys, VerifyError};

/// Begins the line of a checkpoint that says when it was signed.
const TIME: &str = "time ";
/// Begins the line of a checkpoint that names the signed note before it, by its SHA-256 in base64.
const BEFORE: &str = "before ";

/// A checkpoint that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Lines of the log that it is about: the first so many.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
    /// When it was signed.
    pub at: DateTime<Utc>,
    /// The signed note as published.
    pub note: String,
}

/// Why a signed text does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureProblem {
    /// The note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text in it.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The text names another log.
    #[error("it is of the log {0}")]
    Origin(String),
    /// The text does not say when it was signed.
    #[error("it does not say when it was signed")]
    Untimed,
    /// The signature, or its key at that moment.
    #[error(transparent)]
    Signature(#[from] VerifyError),
    /// The checkpoint that it names as the one before is another.
    #[error("it does not follow the checkpoint before it: one was taken out, put in or changed")]
    Before,
    /// The text is not written as we write it.
    #[error("it is written in another form")]
    Form,
}

/// Checks the signature of a note that says itself when it was signed (a line `time …`); answers its text.
///
/// # Errors
/// [`SignatureProblem`].
pub(super) fn check_note(
    keys: &PublishedKeys,
    origin: &str,
    note: &str,
) -> Result<String, SignatureProblem> {
    let parsed = Note::parse(note)?;
    let [signature] = parsed.signatures.as_slice() else {
        // One that nobody checks could be added or taken away unseen.
        return Err(SignatureProblem::Form);
    };
    if parsed.to_string() != note || signature.name != origin {
        return Err(SignatureProblem::Form);
    }
    let at = parsed
        .text
        .lines()
        .find_map(|line| line.strip_prefix(TIME)?.parse::<DateTime<Utc>>().ok())
        .ok_or(SignatureProblem::Untimed)?;
    let signer = keys
        .keys
        .iter()
        .find(|key| {
            let verifier = PublicKey::from_hex(&key.public_key)
                .ok()
                .and_then(|key| VerifierKey::new(origin, key.as_bytes()));
            verifier.is_some_and(|verifier| verifier.hash() == signature.key_hash)
        })
        .ok_or(NoteError::UnknownSigner)?;
    keys.check(
        &signer.keyid,
        parsed.text.as_bytes(),
        &signature.signature,
        at,
    )?;
    Ok(parsed.text)
}

/// Checks a checkpoint of the log `origin`; answers what it says.
///
/// # Errors
/// [`SignatureProblem`].
pub fn check_checkpoint(
    keys: &PublishedKeys,
    origin: &str,
    note: &str,
) -> Result<Signed, SignatureProblem> {
    let text = check_note(keys, origin, note)?;
    let checkpoint = Checkpoint::parse(&text)?;
    if checkpoint.origin != origin {
        return Err(SignatureProblem::Origin(checkpoint.origin));
    }
    let at = checkpoint
        .extensions
        .iter()
        .find_map(|line| line.strip_prefix(TIME)?.parse().ok())
        .ok_or(SignatureProblem::Untimed)?;
    Ok(Signed {
        size: checkpoint.size,
        root: checkpoint.root,
        at,
        note: note.to_owned(),
    })
}

/// Checks that a checkpoint names the one before it, so that none can be taken out unseen; the first names none.
///
/// # Errors
/// [`SignatureProblem::Before`].
pub(super) fn follows(note: &str, before: Option<&str>) -> Result<(), SignatureProblem> {
    let named = note.lines().take_while(|line| !line.is_empty());
    let named = named.filter_map(|line| line.strip_prefix(BEFORE)).next();
    if named == before.map(note_hash).as_deref() {
        Ok(())
    } else {
        Err(SignatureProblem::Before)
    }
}

/// SHA-256 of a signed note in base64.
fn note_hash(note: &str) -> String {
    BASE64.encode(&Sha256::digest(note))
}

/// The line that says when something is signed.
#[must_use]
pub(super) fn time_line(at: DateTime<Utc>) -> String {
    format!("{TIME}{}", at.to_rfc3339_opts(SecondsFormat::Micros, true))
}

/// The text of a checkpoint, to be signed after the note `before`.
#[must_use]
pub(super) fn checkpoint_text(
    origin: &str,
    (size, root): (u64, Hash),
    at: DateTime<Utc>,
    before: Option<&str>,
) -> String {
    Checkpoint {
        origin: origin.to_owned(),
        size,
        root,
        extensions: std::iter::once(time_line(at))
            .chain(before.map(|note| format!("{BEFORE}{}", note_hash(note))))
            .collect(),
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_written_as_outsiders_read_it() {
        let at = DateTime::from_timestamp_micros(1_795_475_400_000_042).unwrap();
        let first = checkpoint_text("portaal.example/log", (3, Hash([7; 32])), at, None);
        assert_eq!(
            first,
            "portaal.example/log\n3\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\ntime 2026-11-23T23:10:00.000042Z\n"
        );
        let second = checkpoint_text("portaal.example/log", (3, Hash([7; 32])), at, Some("x"));
        let before = "before LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=\n";
        assert_eq!(second, format!("{first}{before}"));
        assert_eq!(follows(&second, Some("x")), Ok(()));
        for (note, named) in [(&second, None), (&second, Some("y")), (&first, Some("x"))] {
            assert_eq!(follows(note, named), Err(SignatureProblem::Before));
        }
        // What stands below the empty line is signatures, and says nothing.
        let below = format!("{first}\n{before}");
        assert_eq!(follows(&below, None), Ok(()));
    }
}
