//! Bringing the schema up to this version, and the rights on it.

use sqlx::{Connection as _, PgConnection, migrate::MigrateError as SqlxMigrateError};

use super::{Db, MIGRATIONS, rights::GrantError, rights::grant_to};

/// Why the schema is not that of this version.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A migration failed, or the schema is newer than this program.
    #[error(transparent)]
    Migration(#[from] SqlxMigrateError),
    /// The schema is older, and this role may not change it.
    #[error(
        "the schema is older than this program and the role {role} may not change it: run `faculty migrate` with database.migration_url set"
    )]
    Behind {
        /// The role of `database.url`.
        role: String,
    },
    /// The role of the application has no rights yet.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// The database refused, or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Db {
    /// Brings the schema up to this version and gives the application's role its rights.
    ///
    /// With an owner's address it acts as the owner. Without one it migrates where its own role may, and
    /// otherwise only looks whether the schema is the one that this program was made for.
    ///
    /// # Errors
    /// [`MigrateError`].
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        if let Some(owner) = &self.owner {
            let mut conn = PgConnection::connect_with(owner).await?;
            MIGRATIONS.run(&mut conn).await?;
            if owner.get_username() != self.role {
                let changed = grant_to(&mut conn, &self.role).await?;
                tracing::info!(role = self.role, changed, "rights are as they should be");
            }
            conn.close().await?;
            return Ok(());
        }
        let mut conn = self.writer.acquire().await?;
        let may_change = sqlx::query_scalar!(
            r#"SELECT has_schema_privilege('public', 'CREATE') AS "may_change!""#
        )
        .fetch_one(&mut *conn)
        .await?;
        if may_change {
            MIGRATIONS.run(&mut *conn).await?;
            return Ok(());
        }
        // Not `query!`: the table is sqlx's own, and not there where the queries are checked.
        let applied: Vec<i64> =
            sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
                .fetch_all(&mut *conn)
                .await
                .or_else(|error| match &error {
                    sqlx::Error::Database(inner) if inner.code().as_deref() == Some("42P01") => {
                        Ok(Vec::new())
                    }
                    _ => Err(error),
                })?;
        if let Some(newer) = applied
            .iter()
            .find(|version| !MIGRATIONS.version_exists(**version))
        {
            return Err(SqlxMigrateError::VersionMissing(*newer).into());
        }
        if MIGRATIONS
            .iter()
            .any(|migration| !applied.contains(&migration.version))
        {
            return Err(MigrateError::Behind {
                role: self.role.clone(),
            });
        }
        Ok(())
    }
}
