//! Speaking to the server: is it the one we want, and has it our database?

use std::time::Duration;

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};

/// A server on loopback that does not answer within this is taken for broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why the server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// It refused, or the connection broke.
    #[error("the database server did not take our request")]
    Server(#[from] sqlx::Error),
    /// No answer in time.
    #[error("the database server did not answer within {} seconds", PATIENCE.as_secs())]
    TimedOut,
    /// The role's name would need quoting.
    #[error("{0:?} cannot be a role's name: use a-z, 0-9 and _")]
    RoleName(String),
}

/// Connects as `faculty` to the database that every cluster has.
async fn connect(port: u16, password: &str) -> Result<PgConnection, DatabaseError> {
    let options = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username("faculty")
        .password(password)
        .database("postgres")
        .ssl_mode(PgSslMode::Disable);
    match tokio::time::timeout(PATIENCE, options.connect()).await {
        Ok(connection) => Ok(connection?),
        Err(_) => Err(DatabaseError::TimedOut),
    }
}

/// Whether the server was started to survive a power cut.
pub(crate) async fn is_durable(port: u16, password: &str) -> Result<bool, DatabaseError> {
    let mut connection = connect(port, password).await?;
    let fsync: String = sqlx::query_scalar("SHOW fsync")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    Ok(fsync == "on")
}

/// Makes `name` where it is missing; `name` holds only letters, digits and `_`.
pub(crate) async fn create_missing(
    port: u16,
    password: &str,
    name: &str,
) -> Result<(), DatabaseError> {
    let mut connection = connect(port, password).await?;
    let exists: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)")
            .bind(name)
            .fetch_one(&mut connection)
            .await?;
    if !exists {
        connection
            .execute(AssertSqlSafe(format!("CREATE DATABASE \"{name}\"")))
            .await?;
    }
    connection.close().await?;
    Ok(())
}

/// Makes the role `name` where it is missing and sets its password, over the owner's address `url`.
pub(crate) async fn ensure_role(
    url: &str,
    name: &str,
    password: &str,
) -> Result<(), DatabaseError> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || name.len() > 63 || !name.chars().all(is_plain) {
        return Err(DatabaseError::RoleName(name.to_owned()));
    }
    let mut connection = match tokio::time::timeout(PATIENCE, PgConnection::connect(url)).await {
        Ok(connection) => connection?,
        Err(_) => return Err(DatabaseError::TimedOut),
    };
    let exists: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $1)")
            .bind(name)
            .fetch_one(&mut connection)
            .await?;
    let verb = if exists { "ALTER" } else { "CREATE" };
    connection
        .execute(AssertSqlSafe(format!(
            "{verb} ROLE \"{name}\" LOGIN PASSWORD '{password}'"
        )))
        .await?;
    connection.close().await?;
    Ok(())
}
