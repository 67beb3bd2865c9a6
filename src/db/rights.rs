//! What the application's role may do to which table: what the triggers refuse, it has no right to either.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

/// Guards the change of rights among programs that start at once.
const LOCK: i64 = 0x0fac_0200;

/// Why rights could not be given.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// The role that `database.url` names was not made yet.
    #[error(
        "there is no database role {0}; make it once, as the owner of the database: CREATE ROLE \"{0}\" LOGIN PASSWORD '…'"
    )]
    NoRole(String),
    /// The database refused, or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Gives `role` what the portal needs and takes away what it must not have: reading and adding everywhere,
/// changing and removing only where no `refuse_change` trigger stands, emptying (TRUNCATE) nowhere.
///
/// Looks at the tables that are there, so a new table needs no line here. Harmless to repeat; answers how many
/// rights it changed. The connection is the owner's.
///
/// # Errors
/// [`GrantError`]; nothing has changed then.
#[expect(
    clippy::disallowed_methods,
    reason = "changes rights, not data: there is nothing to audit and nobody on whose behalf"
)]
pub async fn grant_to(conn: &mut PgConnection, role: &str) -> Result<usize, GrantError> {
    let mut tx = conn.begin().await?;
    sqlx::query_scalar!("SELECT pg_advisory_xact_lock($1)", LOCK)
        .fetch_one(&mut *tx)
        .await?;
    let is_there = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $1) AS "is_there!""#,
        role
    )
    .fetch_one(&mut *tx)
    .await?;
    if !is_there {
        return Err(GrantError::NoRole(role.to_owned()));
    }
    let statements = sqlx::query_scalar!(
        r#"WITH kinds (privilege, bit) AS (VALUES ('SELECT', 0), ('INSERT', 4), ('DELETE', 8), ('UPDATE', 16), ('TRUNCATE', 32)),
           wanted AS (
               SELECT c.oid, c.relname, k.privilege,
                      k.privilege <> 'TRUNCATE'
                      AND (k.privilege = 'SELECT' OR c.relname <> '_sqlx_migrations')
                      AND NOT EXISTS (
                          SELECT 1
                          FROM pg_trigger g
                          JOIN pg_proc p ON p.oid = g.tgfoid
                          WHERE g.tgrelid = c.oid
                            AND p.proname = 'refuse_change'
                            AND g.tgtype & k.bit <> 0
                            -- A trigger on some columns or rows only leaves the right to the others.
                            AND g.tgqual IS NULL
                            AND g.tgattr = ''::int2vector) AS is_given
               FROM pg_class c
               CROSS JOIN kinds k
               WHERE c.relnamespace = 'public'::regnamespace
                 AND c.relkind IN ('r', 'p'))
           SELECT format(
                      CASE WHEN is_given THEN 'GRANT %s ON TABLE public.%I TO %I' ELSE 'REVOKE %s ON TABLE public.%I FROM %I' END,
                      privilege, relname, $1::text) AS "statement!"
           FROM wanted
           WHERE is_given <> CASE
               WHEN privilege IN ('UPDATE', 'INSERT') AND NOT is_given THEN has_any_column_privilege($1::text::name, oid, privilege)
               ELSE has_table_privilege($1::text::name, oid, privilege) END
           UNION ALL
           SELECT format('GRANT USAGE ON SEQUENCE public.%I TO %I', relname, $1::text)
           FROM pg_class
           WHERE relnamespace = 'public'::regnamespace
             -- Conditions have no order of their own, and of anything but a sequence this may not be asked.
             AND CASE WHEN relkind = 'S' THEN NOT has_sequence_privilege($1::text::name, oid, 'USAGE') END
           UNION ALL
           SELECT format('GRANT SELECT ON TABLE public.%I TO %I', relname, $1::text)
           FROM pg_class
           WHERE relnamespace = 'public'::regnamespace
             AND relkind IN ('v', 'm')
             AND NOT has_table_privilege($1::text::name, oid, 'SELECT')"#,
        role,
    )
    .fetch_all(&mut *tx)
    .await?;
    for statement in &statements {
        tx.execute(AssertSqlSafe(statement.clone())).await?;
    }
    tx.commit().await?;
    Ok(statements.len())
}

/// The append-only tables that the connection's own role could change all the same; none where roles are apart.
///
/// # Errors
/// Where the database is away.
pub async fn changeable_tables(conn: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT DISTINCT c.relname::text AS "name!"
           FROM pg_class c
           JOIN pg_trigger g ON g.tgrelid = c.oid
           JOIN pg_proc p ON p.oid = g.tgfoid
           WHERE c.relnamespace = 'public'::regnamespace
             AND p.proname = 'refuse_change'
             AND g.tgqual IS NULL
             AND g.tgattr = ''::int2vector
             AND (pg_has_role(c.relowner, 'MEMBER')
                  OR (g.tgtype & 16 <> 0 AND has_any_column_privilege(c.oid, 'UPDATE'))
                  OR (g.tgtype & 8 <> 0 AND has_table_privilege(c.oid, 'DELETE'))
                  OR has_table_privilege(c.oid, 'TRUNCATE'))
           ORDER BY 1"#
    )
    .fetch_all(conn)
    .await
}
