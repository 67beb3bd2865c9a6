//! Checkpoints and notes against the example of the specification, another implementation, and every changed byte.

#![expect(clippy::unwrap_used, reason = "a check that cannot look should fail")]

use ed25519_dalek::{Signer as _, SigningKey};
use signed_note::{StandardVerifier, VerifierList};
use transparency_log::{Checkpoint, Note, NoteError, VerifierKey, leaf_hash};

fn key() -> (SigningKey, VerifierKey) {
    let secret = SigningKey::from_bytes(&[7; 32]);
    let key = VerifierKey::new("faculty.example/log", secret.verifying_key().as_bytes()).unwrap();
    (secret, key)
}

fn note() -> Note {
    let (secret, key) = key();
    let checkpoint = Checkpoint {
        origin: key.name.clone(),
        size: 12,
        root: leaf_hash(b"root"),
        extensions: vec!["time 2026-11-25T04:00:00Z".into()],
    };
    Note::sign(checkpoint.to_string(), &key, |text| {
        secret.sign(text).to_bytes()
    })
}

#[test]
fn the_example_of_the_specification_holds() {
    let key =
        VerifierKey::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
            .unwrap();
    let note = "If you think cryptography is the answer to your problem,\n\
                then you don't know what your problem is.\n\n\
                — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    let parsed = Note::parse(note).unwrap();
    assert_eq!(parsed.verify(std::slice::from_ref(&key)), Ok(&key));
    assert_eq!(parsed.to_string(), note);
}

#[test]
fn another_implementation_takes_our_notes() {
    let (_, key) = key();
    let text = note().to_string();
    let theirs = signed_note::Note::from_bytes(text.as_bytes()).unwrap();
    let verifier = StandardVerifier::new(&key.to_string()).unwrap();
    let (known, _) = theirs
        .verify(&VerifierList::new(vec![Box::new(verifier)]))
        .unwrap();
    assert_eq!(known.len(), 1);
    let checkpoint = tlog_tiles::Checkpoint::from_bytes(theirs.text()).unwrap();
    assert_eq!(
        (checkpoint.origin(), checkpoint.size()),
        ("faculty.example/log", 12)
    );
}

#[test]
fn a_note_reads_as_it_was_written() {
    let (_, key) = key();
    let read = Note::parse(&note().to_string()).unwrap();
    assert_eq!(read, note());
    let checkpoint = Checkpoint::parse(&read.text).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (12, leaf_hash(b"root")));
    assert_eq!(checkpoint.to_string(), read.text);
    assert_eq!(VerifierKey::parse(&key.to_string()), Some(key));
}

#[test]
fn any_changed_byte_is_found() {
    let (_, key) = key();
    let keys = [key];
    let text = note().to_string().into_bytes();
    for at in 0..text.len() {
        for flip in [1, 0x20] {
            let mut changed = text.clone();
            changed[at] ^= flip;
            let Ok(changed) = String::from_utf8(changed) else {
                continue;
            };
            let outcome = Note::parse(&changed).and_then(|note| note.verify(&keys).map(|_| ()));
            assert!(outcome.is_err(), "byte {at}: {changed}");
        }
    }
}

#[test]
fn a_strangers_signature_does_not_count() {
    let stranger = SigningKey::from_bytes(&[8; 32]);
    let other =
        VerifierKey::new("faculty.example/log", stranger.verifying_key().as_bytes()).unwrap();
    assert_eq!(note().verify(&[other]), Err(NoteError::UnknownSigner));
}
