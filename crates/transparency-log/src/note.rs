//! Signed notes: a text with lines of signatures below, C2SP signed-note.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

/// The kind of signature that is Ed25519 (RFC 8032) over the text itself.
const ED25519: u8 = 1;

/// A text with signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Ends in a line feed; what is signed.
    pub text: String,
    /// At least one.
    pub signatures: Vec<NoteSignature>,
}

/// One line of signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key.
    pub name: String,
    /// See [`VerifierKey::hash`].
    pub key_hash: [u8; 4],
    /// The signature itself.
    pub signature: Vec<u8>,
}

/// A published key with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    /// Who signs; for a log its origin.
    pub name: String,
    key: VerifyingKey,
}

/// Why a note does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Text and signatures cannot be told apart.
    #[error("this is no signed note: {0}")]
    Malformed(&'static str),
    /// None of its signatures is by a key that was given.
    #[error("no signature is by a key that was given")]
    UnknownSigner,
    /// A signature by a known key is wrong.
    #[error("the signature does not hold: the text or the signature was changed")]
    Signature,
}

impl VerifierKey {
    /// A key of 32 bytes under a name without spaces and plus signs; none where either cannot be used.
    #[must_use]
    pub fn new(name: &str, key: &[u8; 32]) -> Option<Self> {
        let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+');
        let key = VerifyingKey::from_bytes(key).ok()?;
        is_name.then(|| Self {
            name: name.to_owned(),
            key,
        })
    }

    /// First four bytes of SHA-256 over the name, a line feed, the kind and the key.
    #[must_use]
    pub fn hash(&self) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', ED25519])
            .chain_update(self.key.as_bytes())
            .finalize();
        let mut first = [0; 4];
        first
            .iter_mut()
            .zip(hash)
            .for_each(|(byte, from)| *byte = from);
        first
    }

    /// Reads `name+hash+key`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '+');
        let (name, hash, key) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = BASE64.decode(key.as_bytes()).ok()?;
        let (&ED25519, bytes) = bytes.split_first()? else {
            return None;
        };
        let key = Self::new(name, bytes.try_into().ok()?)?;
        (HEXLOWER.encode(&key.hash()) == hash).then_some(key)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![ED25519];
        bytes.extend_from_slice(self.key.as_bytes());
        write!(
            f,
            "{}+{}+{}",
            self.name,
            HEXLOWER.encode(&self.hash()),
            BASE64.encode(&bytes)
        )
    }
}

impl Note {
    /// A note with one signature, made by `sign` over the bytes it is given with the key `key`.
    #[must_use]
    pub fn sign(text: String, key: &VerifierKey, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Self {
        let signature = sign(text.as_bytes()).to_vec();
        Self {
            text,
            signatures: vec![NoteSignature {
                name: key.name.clone(),
                key_hash: key.hash(),
                signature,
            }],
        }
    }

    /// Reads a note.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Malformed;
        if note.chars().any(|c| c.is_control() && c != '\n') {
            return Err(malformed("it holds a control character"));
        }
        let (text, lines) = note
            .rfind("\n\n")
            .and_then(|at| Some((note.get(..=at)?, note.get(at + 2..)?)))
            .ok_or(malformed("there is no empty line above the signatures"))?;
        let lines = lines
            .strip_suffix('\n')
            .ok_or(malformed("it does not end in a line feed"))?;
        let signatures = lines
            .split('\n')
            .map(|line| {
                let (name, rest) = line.strip_prefix("— ")?.split_once(' ')?;
                let bytes = BASE64.decode(rest.as_bytes()).ok()?;
                let (key_hash, signature) = bytes.split_at_checked(4)?;
                Some(NoteSignature {
                    name: name.to_owned(),
                    key_hash: key_hash.try_into().ok()?,
                    signature: signature.to_vec(),
                })
            })
            .collect::<Option<Vec<_>>>()
            .filter(|signatures| !signatures.is_empty())
            .ok_or(malformed("a line of signature cannot be read"))?;
        Ok(Self {
            text: text.to_owned(),
            signatures,
        })
    }

    /// Checks the signatures by known keys, of which there must be one; answers whose it is.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<&'k VerifierKey, NoteError> {
        let mut signer = None;
        for signature in &self.signatures {
            let known = keys
                .iter()
                .find(|key| key.name == signature.name && key.hash() == signature.key_hash);
            let Some(key) = known else {
                continue;
            };
            let bytes =
                Signature::from_slice(&signature.signature).map_err(|_| NoteError::Signature)?;
            key.key
                .verify_strict(self.text.as_bytes(), &bytes)
                .map_err(|_| NoteError::Signature)?;
            signer = signer.or(Some(key));
        }
        signer.ok_or(NoteError::UnknownSigner)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| {
            let mut bytes = signature.key_hash.to_vec();
            bytes.extend_from_slice(&signature.signature);
            writeln!(f, "— {} {}", signature.name, BASE64.encode(&bytes))
        })
    }
}
