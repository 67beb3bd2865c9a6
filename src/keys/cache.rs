//! From a key in a request to its holder, from memory. What is remembered is read again when the database tells of a
//! change, when this process made one, and every half second while it is in use; so a revoked key is refused, and its
//! answers are cut, within a second on every replica. Where the database is away, nobody is let in for long.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    holder::Holder,
    looks::Looks,
    secret::Secret,
    store::{self, Active},
};
use crate::db::{Db, StoreError};

/// What was not read for so long is not believed.
const STALE: Duration = Duration::from_secs(3);

/// The keys that this process knows.
pub struct Cache {
    /// Key that secrets are hashed under.
    pepper: SecretString,
    known: RwLock<HashMap<String, Arc<Known>>>,
}

/// A key as it was read.
pub struct Known {
    pub holder: Holder,
    /// Cancelled when the key is revoked: what runs with it ends.
    pub ended: CancellationToken,
    hmac: Vec<u8>,
    expires_at: DateTime<Utc>,
    read_at: Instant,
    /// The number of changes before it was read.
    changes: u64,
    is_used: AtomicBool,
    /// Shared by all readings of it, so that it is not forgotten while answers of before run.
    readings: Arc<()>,
    looks: Arc<Looks>,
}

impl Known {
    /// Counts a request that takes nothing of the key's limits.
    ///
    /// # Errors
    /// Where there were too many of these in a minute: how long until the next.
    pub fn look(&self) -> Result<(), Duration> {
        self.looks.take(Instant::now())
    }
}

impl Cache {
    /// A cache that knows no key yet.
    #[must_use]
    pub fn new(pepper: SecretString) -> Self {
        Self {
            pepper,
            known: RwLock::default(),
        }
    }

    /// The key that a program sent; none where it is malformed, unknown, wrong, not active, revoked or expired, or
    /// where its institution does not take part any more.
    ///
    /// # Errors
    /// Where it has to be read and the database is away: nobody is let in then.
    pub async fn authenticate(
        &self,
        db: &Db,
        text: &str,
    ) -> Result<Option<Arc<Known>>, StoreError> {
        let Some(secret) = Secret::parse(text) else {
            return Ok(None);
        };
        let known = match self.fresh(db, secret.public_id()) {
            Some(known) => Some(known),
            None => {
                let ids = [secret.public_id().to_owned()];
                self.read(db, &ids).await?;
                let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
                known.get(secret.public_id()).cloned()
            }
        };
        // An unknown public id costs the same hash as a wrong secret.
        let stored = known.as_ref().map_or(&[0; 32][..], |known| &known.hmac);
        let is_right = secret.matches(&self.pepper, stored);
        let known = known
            .filter(|known| is_right && known.expires_at > db.now() && !known.ended.is_cancelled());
        if let Some(known) = &known {
            known.is_used.store(true, Ordering::Relaxed);
        }
        Ok(known)
    }

    fn fresh(&self, db: &Db, public_id: &str) -> Option<Arc<Known>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let is_fresh =
            |known: &&Arc<Known>| known.read_at.elapsed() < STALE && known.changes == db.changes();
        known.get(public_id).filter(is_fresh).cloned()
    }

    /// Reads a key again that was changed.
    ///
    /// # Errors
    /// Where the database is away; the key is not believed any more then.
    pub async fn look_at(&self, db: &Db, public_id: &str) -> Result<(), StoreError> {
        let is_known = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            known.contains_key(public_id)
        };
        if !is_known {
            return Ok(());
        }
        self.read(db, &[public_id.to_owned()]).await
    }

    /// Reads all keys again that were used since they were read, or with `all` every one; forgets the others.
    ///
    /// # Errors
    /// Where the database is away; in a while none is believed any more then.
    pub async fn look_again(&self, db: &Db, all: bool) -> Result<(), StoreError> {
        let now = Instant::now();
        let ids: Vec<String> = {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            // An answer under way holds its key too, and is to hear of its end.
            known.retain(|_, known| {
                all || known.is_used.load(Ordering::Relaxed)
                    || Arc::strong_count(&known.readings) > 1
                    || known.read_at.elapsed() < STALE
                    || known.looks.are_counted(now)
            });
            known.keys().cloned().collect()
        };
        if ids.is_empty() {
            return Ok(());
        }
        self.read(db, &ids).await
    }

    async fn read(&self, db: &Db, public_ids: &[String]) -> Result<(), StoreError> {
        let (changes, read_at) = (db.changes(), Instant::now());
        let mut conn = db.read().await?;
        let found = store::find_active(&mut conn, public_ids, db.now()).await?;
        drop(conn);
        let mut found: HashMap<String, Active> = found.into_iter().collect();
        let mut all = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for public_id in public_ids {
            let old = all.get(public_id);
            match found.remove(public_id) {
                Some(active) => {
                    let same = old.filter(|old| old.hmac == active.hmac);
                    let readings = same.map_or_else(Arc::default, |old| Arc::clone(&old.readings));
                    let looks = same.map_or_else(Arc::default, |old| Arc::clone(&old.looks));
                    let ended = same.map_or_else(CancellationToken::new, |old| old.ended.clone());
                    let known = Known {
                        holder: active.holder,
                        ended,
                        hmac: active.hmac,
                        expires_at: active.expires_at,
                        read_at,
                        changes,
                        is_used: AtomicBool::new(false),
                        readings,
                        looks,
                    };
                    all.insert(public_id.clone(), Arc::new(known));
                }
                None => {
                    if let Some(old) = all.remove(public_id) {
                        old.ended.cancel();
                    }
                }
            }
        }
        Ok(())
    }
}
