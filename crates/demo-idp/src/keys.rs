//! The keys that sign.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use data_encoding::BASE64URL_NOPAD;
use openidconnect::{
    JsonWebKeyId, PrivateSigningKey,
    core::{CoreJwsSigningAlgorithm, CoreRsaPrivateSigningKey},
};
use rsa::{
    RsaPrivateKey,
    pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey, LineEnding},
    traits::PublicKeyParts,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const BITS: usize = 2048;
/// The signing key and those whose tokens may still be around.
const KEPT: usize = 3;
/// The file holds a few keys of 1.7 kB.
const FILE_LIMIT_BYTES: u64 = 64 << 10;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file could not be read or written.
    #[error("the signing keys in {path} cannot be read or written")]
    Io {
        /// The file or its folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The file is not what we wrote.
    #[error("{0} does not hold signing keys; remove it to have new ones made")]
    Damaged(PathBuf),
    /// No key could be made.
    #[error("no RSA key could be made")]
    Generate(#[from] rsa::Error),
    /// A token could not be signed or a made key not be read.
    #[error("signing failed: {0}")]
    Sign(String),
    /// The thread that was making a key ended.
    #[error("the making of a key was cut short")]
    Interrupted,
}

/// One key as it is kept: PKCS#1 in PEM, the newest first in the file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    pem: String,
}

/// One key, ready to sign and to publish.
struct Key {
    stored: StoredKey,
    kid: String,
    public: Value,
    signing: CoreRsaPrivateSigningKey,
}

/// All keys; the first signs, the others are published for tokens that are still around.
pub(crate) struct KeyRing {
    file: PathBuf,
    keys: RwLock<Vec<Arc<Key>>>,
}

impl KeyRing {
    /// The kept keys, or one new key. Takes a second or so where a key must be made.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, KeyError> {
        let file = data_dir.join("signing-keys.json");
        fs::create_dir_all(data_dir).map_err(at(data_dir))?;
        let keys = match read(&file)? {
            Some(keys) => keys,
            None => {
                let keys = vec![Arc::new(Key::generate()?)];
                write(&file, &keys)?;
                keys
            }
        };
        let keys = RwLock::new(keys);
        Ok(Self { file, keys })
    }

    /// Makes a new key and signs with it from now on; earlier ones stay published.
    pub(crate) fn rotate(&self) -> Result<(), KeyError> {
        let new = Arc::new(Key::generate()?);
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = vec![new];
        next.extend(keys.iter().take(KEPT - 1).cloned());
        write(&self.file, &next)?;
        *keys = next;
        Ok(())
    }

    /// The public keys as a JWK set (RFC 7517).
    pub(crate) fn public(&self) -> Value {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let public: Vec<&Value> = keys.iter().map(|key| &key.public).collect();
        json!({ "keys": public })
    }

    /// Signs claims as a compact JWT with RS256 (RFC 7515, 7518 3.3).
    pub(crate) fn sign(&self, claims: &impl Serialize) -> Result<String, KeyError> {
        let first = {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            keys.first().cloned()
        };
        let key = first.ok_or_else(|| KeyError::Damaged(self.file.clone()))?;
        let header = json!({ "alg": "RS256", "kid": key.kid, "typ": "JWT" });
        let claims = serde_json::to_vec(claims).map_err(|e| KeyError::Sign(e.to_string()))?;
        let mut token = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
        token.push('.');
        BASE64URL_NOPAD.encode_append(&claims, &mut token);
        let signature = key
            .signing
            .sign(
                &CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
                token.as_bytes(),
            )
            .map_err(|error| KeyError::Sign(error.to_string()))?;
        token.push('.');
        BASE64URL_NOPAD.encode_append(&signature, &mut token);
        Ok(token)
    }
}

impl Key {
    fn generate() -> Result<Self, KeyError> {
        let key = RsaPrivateKey::new(&mut rand_core::OsRng, BITS)?;
        let pem = key
            .to_pkcs1_pem(LineEnding::LF)
            .map_err(|error| KeyError::Sign(error.to_string()))?;
        Self::from_stored(StoredKey {
            pem: pem.to_string(),
        })
    }

    fn from_stored(stored: StoredKey) -> Result<Self, KeyError> {
        let key = RsaPrivateKey::from_pkcs1_pem(&stored.pem)
            .map_err(|error| KeyError::Sign(error.to_string()))?;
        let n = BASE64URL_NOPAD.encode(&key.n().to_bytes_be());
        let e = BASE64URL_NOPAD.encode(&key.e().to_bytes_be());
        // The thumbprint of RFC 7638: members in this order, no blanks.
        let thumbprint = Sha256::digest(format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#));
        let kid = BASE64URL_NOPAD.encode(&thumbprint);
        let signing =
            CoreRsaPrivateSigningKey::from_pem(&stored.pem, Some(JsonWebKeyId::new(kid.clone())))
                .map_err(KeyError::Sign)?;
        let public =
            json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": e });
        Ok(Self {
            stored,
            kid,
            public,
            signing,
        })
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> KeyError + use<> {
    let path = path.to_owned();
    |source| KeyError::Io { path, source }
}

fn read(file: &Path) -> Result<Option<Vec<Arc<Key>>>, KeyError> {
    let damaged = || KeyError::Damaged(file.to_owned());
    let bytes = match fs::metadata(file) {
        Ok(metadata) if metadata.len() > FILE_LIMIT_BYTES => return Err(damaged()),
        Ok(_) => fs::read(file).map_err(at(file))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(file)(error)),
    };
    let stored: Vec<StoredKey> = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
    let keys: Vec<Arc<Key>> = stored
        .into_iter()
        .map(|stored| Key::from_stored(stored).map(Arc::new))
        .collect::<Result<_, _>>()
        .map_err(|_| damaged())?;
    if keys.is_empty() {
        return Err(damaged());
    }
    Ok(Some(keys))
}

/// Replaces the file whole, so that a kill leaves the old or the new keys.
fn write(file: &Path, keys: &[Arc<Key>]) -> Result<(), KeyError> {
    let stored: Vec<&StoredKey> = keys.iter().map(|key| &key.stored).collect();
    let replace = || {
        // Several may begin in one folder at once; the last to finish leaves its keys for those who come later.
        let unfinished = file.with_extension(format!("{}.unfinished", std::process::id()));
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut out = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&unfinished)?;
        out.write_all(&serde_json::to_vec(&stored)?)?;
        out.sync_all()?;
        fs::rename(&unfinished, file)
    };
    replace().map_err(at(file))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn kids(ring: &KeyRing) -> Vec<String> {
        let public = ring.public();
        let keys = public["keys"].as_array().unwrap();
        keys.iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn keys_are_kept_secret_and_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let ring = KeyRing::open(dir.path()).unwrap();
        let first = kids(&ring);
        ring.rotate().unwrap();
        let rotated = kids(&ring);
        assert_eq!(rotated.len(), 2);
        assert_eq!(rotated.last(), first.first(), "the old key stays published");
        let again = KeyRing::open(dir.path()).unwrap();
        assert_eq!(kids(&again), rotated);
        let file = dir.path().join("signing-keys.json");
        let mode = fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!ring.public().to_string().contains("\"d\""));
    }

    #[test]
    fn a_damaged_file_is_refused_and_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("signing-keys.json");
        for damage in ["", "[]", r#"[{"pem":"x"}]"#] {
            fs::write(&file, damage).unwrap();
            let error = KeyRing::open(dir.path()).err().unwrap();
            assert!(matches!(error, KeyError::Damaged(_)), "{error}");
            assert_eq!(fs::read_to_string(&file).unwrap(), damage);
        }
    }
}
