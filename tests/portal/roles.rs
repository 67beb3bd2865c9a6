//! The database keeps the portal itself from changing what is append-only.

use std::process::Command;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use virtual_faculty::db::{changeable_tables, grant_to};

use crate::support::TestApp;

/// "permission denied", or "must be owner".
const DENIED: &str = "42501";

async fn owner(app: &TestApp) -> PgConnection {
    PgConnection::connect(&app.owner_url).await.unwrap()
}

async fn portal(app: &TestApp) -> PgConnection {
    use secrecy::ExposeSecret as _;
    PgConnection::connect(app.ports.config.database.url.expose_secret())
        .await
        .unwrap()
}

/// Tables with a trigger that refuses `bit` (8 DELETE, 16 UPDATE), with one column of each.
async fn append_only(conn: &mut PgConnection, bit: i16) -> Vec<(String, String)> {
    sqlx::query_as(
        "SELECT DISTINCT ON (c.relname) c.relname::text, a.attname::text
         FROM pg_trigger g
         JOIN pg_proc p ON p.oid = g.tgfoid
         JOIN pg_class c ON c.oid = g.tgrelid
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             AND a.attidentity = '' AND a.attgenerated = ''
         WHERE p.proname = 'refuse_change' AND g.tgtype & $1 <> 0 AND g.tgqual IS NULL
           AND g.tgattr = ''::int2vector
         ORDER BY c.relname, a.attnum",
    )
    .bind(bit)
    .fetch_all(conn)
    .await
    .unwrap()
}

async fn refused(conn: &mut PgConnection, statement: String) {
    let error = conn
        .execute(AssertSqlSafe(statement.clone()))
        .await
        .expect_err(&statement);
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    assert_eq!(code.as_deref(), Some(DENIED), "{statement}: {error}");
}

#[actix_web::test]
async fn the_portals_role_changes_no_append_only_table() {
    let app = TestApp::without_worker(&[]).await;
    let mut conn = portal(&app).await;
    let kept = append_only(&mut conn, 16).await;
    let names: Vec<&str> = kept.iter().map(|(table, _)| table.as_str()).collect();
    for known in [
        "events",
        "permissions",
        "permission_events",
        "reviews",
        "receipts",
        "dataset_uses",
    ] {
        assert!(names.contains(&known), "{known} is append-only: {names:?}");
    }
    for (table, column) in &kept {
        refused(&mut conn, format!("UPDATE {table} SET {column} = {column}")).await;
        refused(
            &mut conn,
            format!("ALTER TABLE {table} DISABLE TRIGGER ALL"),
        )
        .await;
        refused(&mut conn, format!("TRUNCATE {table} CASCADE")).await;
    }
    for (table, _) in append_only(&mut conn, 8).await {
        refused(&mut conn, format!("DELETE FROM {table}")).await;
    }
    refused(&mut conn, "CREATE TABLE beside (id integer)".into()).await;
    refused(&mut conn, "DELETE FROM _sqlx_migrations".into()).await;
}

#[actix_web::test]
async fn readiness_warns_of_a_role_that_could_change_the_log() {
    let app = TestApp::without_worker(&[]).await;
    let answer = reqwest::get(app.url.join("/readyz").unwrap())
        .await
        .unwrap();
    assert_eq!(answer.text().await.unwrap(), "ready\n", "roles are apart");
    let tables = changeable_tables(&mut owner(&app).await).await.unwrap();
    assert!(tables.contains(&"events".to_owned()), "{tables:?}");
    let mut conn = owner(&app).await;
    conn.execute("GRANT UPDATE (kind) ON events TO faculty_app")
        .await
        .unwrap();
    let answer = reqwest::get(app.url.join("/readyz").unwrap())
        .await
        .unwrap();
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("warning") && text.contains("(events)"),
        "{text}"
    );
}

#[actix_web::test]
async fn a_new_table_gets_its_rights_by_its_triggers() {
    let app = TestApp::without_worker(&[]).await;
    let mut conn = owner(&app).await;
    for statement in [
        "CREATE TABLE kept (id integer)",
        "CREATE TRIGGER kept_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON kept
             FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
        "CREATE TABLE plain (id integer)",
        "GRANT UPDATE ON kept TO faculty_app",
    ] {
        conn.execute(statement).await.unwrap();
    }
    assert!(grant_to(&mut conn, "faculty_app").await.unwrap() > 0);
    assert_eq!(
        grant_to(&mut conn, "faculty_app").await.unwrap(),
        0,
        "a second time there is nothing to do"
    );
    let mut conn = portal(&app).await;
    for statement in [
        "INSERT INTO kept VALUES (1)",
        "INSERT INTO plain VALUES (1)",
        "UPDATE plain SET id = 2",
        "DELETE FROM plain",
    ] {
        conn.execute(statement).await.unwrap();
    }
    refused(&mut conn, "UPDATE kept SET id = 2".into()).await;
}

#[actix_web::test]
async fn migrating_needs_the_owner_and_makes_the_rights() {
    let app = TestApp::without_worker(&[]).await;
    let mut conn = owner(&app).await;
    let name = format!("test_{}", uuid::Uuid::now_v7().simple());
    conn.execute(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .await
        .unwrap();
    let elsewhere = |url: &str| {
        let mut url = url::Url::parse(url).unwrap();
        url.set_path(&name);
        url.to_string()
    };
    let faculty = |owner: Option<String>| {
        use secrecy::ExposeSecret as _;
        let own = elsewhere(app.ports.config.database.url.expose_secret());
        let mut command = Command::new(env!("CARGO_BIN_EXE_faculty"));
        command
            .arg("migrate")
            .envs(app.environment.iter().cloned())
            .env("FACULTY_DATABASE__URL", own);
        if let Some(url) = owner {
            command.env("FACULTY_DATABASE__MIGRATION_URL", url);
        }
        command.output().unwrap()
    };
    let alone = faculty(None);
    let said = String::from_utf8_lossy(&alone.stderr).into_owned();
    assert!(
        !alone.status.success() && said.contains("migration_url"),
        "{said}"
    );
    let with_owner = faculty(Some(elsewhere(&app.owner_url)));
    assert!(with_owner.status.success(), "{with_owner:?}");
    let again = faculty(None);
    assert!(again.status.success(), "the schema is there: {again:?}");
    let mut conn = PgConnection::connect(&elsewhere(&app.owner_url))
        .await
        .unwrap();
    let may: bool =
        sqlx::query_scalar("SELECT has_table_privilege('faculty_app', 'events', 'INSERT')")
            .fetch_one(&mut conn)
            .await
            .unwrap();
    assert!(may, "the role got its rights");
}
