//! The database: reading through a connection, writing through a [`WriteTx`].

mod leaf;
mod meter;
mod migrate;
mod rights;
mod write_tx;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, SubsecRound as _, Utc};
use sqlx::{
    PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};

pub use self::{
    leaf::Leaf,
    meter::MeterTx,
    migrate::MigrateError,
    rights::{GrantError, changeable_tables, grant_to},
    write_tx::{CommitError, Event, Subject, Task, WriteTx},
};
use secrecy::ExposeSecret as _;

use crate::{clock::Clock, config, policy::Actor};

/// The schema of this version of the portal.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// The portal's database and clock.
#[derive(Clone)]
pub struct Db {
    writer: PgPool,
    reader: PgPool,
    /// Who changes the schema, where that is somebody else.
    owner: Option<PgConnectOptions>,
    /// As whom the portal itself connects.
    role: String,
    clock: Arc<dyn Clock>,
    /// How often this process changed something that others may remember.
    changes: Arc<AtomicU64>,
}

impl Db {
    /// Connects lazily; makes one pool to write with and one that Postgres itself keeps from writing.
    ///
    /// # Errors
    /// Where an address is no Postgres URL.
    pub fn connect(config: &config::Database, clock: Arc<dyn Clock>) -> Result<Self, sqlx::Error> {
        let options: PgConnectOptions = config.url.expose_secret().parse()?;
        let owner = match config.migration_url.expose_secret() {
            "" => None,
            url => Some(url.parse()?),
        };
        let role = options.get_username().to_owned();
        let connections = config.connections;
        let pool = || {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(Duration::from_secs(5))
        };
        let options = options.options([("statement_timeout", "30s")]);
        Ok(Self {
            writer: pool().connect_lazy_with(options.clone()),
            reader: pool()
                .connect_lazy_with(options.options([("default_transaction_read_only", "on")])),
            owner,
            role,
            clock,
            changes: Arc::default(),
        })
    }

    /// A connection to read with.
    ///
    /// # Errors
    /// Where the database is away.
    pub async fn read(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        self.reader.acquire().await
    }

    /// A transaction to write with, on behalf of `actor`.
    ///
    /// # Errors
    /// Where the database is away.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that opens an audited transaction"
    )]
    pub async fn write<'a>(&self, actor: &'a Actor) -> Result<WriteTx<'a>, sqlx::Error> {
        let tx = self.writer.begin().await?;
        let changes = Arc::clone(&self.changes);
        Ok(WriteTx::new(tx, actor, self.now(), changes))
    }

    /// A transaction for what is its own record and too much to chain: counters, leases, sessions,
    /// events of running jobs.
    ///
    /// # Errors
    /// Where the database is away.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that opens a metering transaction"
    )]
    pub async fn meter(&self) -> Result<MeterTx, sqlx::Error> {
        Ok(MeterTx::new(self.writer.begin().await?, self.now()))
    }

    /// Rises with each audited change that this process committed: what was read at another number is read again, so
    /// that whoever changed something here sees it here at once.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Says that something was changed outside the audit log that others may remember.
    pub fn note_change(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// A connection that hears what is notified on `channel`.
    ///
    /// # Errors
    /// Where the database is away.
    pub async fn listen(&self, channel: &str) -> Result<PgListener, sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.reader).await?;
        listener.listen(channel).await?;
        Ok(listener)
    }

    /// The present instant, in the microseconds that Postgres keeps.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now().trunc_subsecs(6)
    }
}

/// A row that the portal itself could not have written.
#[derive(Debug, thiserror::Error)]
#[error("{table} {id}: {problem}")]
pub struct CorruptRow {
    /// Which table.
    pub table: &'static str,
    /// Which row.
    pub id: uuid::Uuid,
    /// What is wrong.
    pub problem: &'static str,
}

/// What reading from or writing to a table can fail with.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused, or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// A row makes no sense.
    #[error(transparent)]
    Corrupt(#[from] CorruptRow),
}
