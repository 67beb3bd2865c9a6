//! A database for each test, copied from a template that has the schema.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, postgres::PgConnectOptions,
};
use virtual_faculty::db::MIGRATIONS;

/// Guards the making of the template among tests that start at once.
const LOCK: i64 = 0x0fac_0117;

/// Makes an empty database with the schema; answers its address. The server is `DATABASE_URL`'s.
pub(crate) async fn fresh() -> String {
    let server = std::env::var("DATABASE_URL")
        .expect("DATABASE_URL names a Postgres server: run tests through scripts/test or scripts/with-postgres");
    let mut admin = PgConnection::connect(&server).await.unwrap();
    let mut migrations = Sha256::new();
    for migration in MIGRATIONS.iter() {
        migrations.update(&migration.checksum);
    }
    let version = HEXLOWER.encode(&migrations.finalize()[..16]);
    let template = format!("template_{version}");
    admin
        .execute(AssertSqlSafe(format!("SELECT pg_advisory_lock({LOCK})")))
        .await
        .unwrap();
    let is_there = admin
        .fetch_optional(AssertSqlSafe(format!(
            "SELECT 1 FROM pg_database WHERE datname = '{template}'"
        )))
        .await
        .unwrap()
        .is_some();
    if !is_there {
        let draft = format!("{template}_draft");
        for statement in [
            format!("DROP DATABASE IF EXISTS {draft}"),
            format!("CREATE DATABASE {draft}"),
        ] {
            admin.execute(AssertSqlSafe(statement)).await.unwrap();
        }
        let options: PgConnectOptions = server.parse().unwrap();
        let mut schema = PgConnection::connect_with(&options.database(&draft))
            .await
            .unwrap();
        MIGRATIONS.run(&mut schema).await.unwrap();
        schema.close().await.unwrap();
        admin
            .execute(AssertSqlSafe(format!(
                "ALTER DATABASE {draft} RENAME TO {template}"
            )))
            .await
            .unwrap();
    }
    let name = format!("test_{}", uuid::Uuid::now_v7().simple());
    admin
        .execute(AssertSqlSafe(format!(
            "CREATE DATABASE {name} TEMPLATE {template}"
        )))
        .await
        .unwrap();
    admin.close().await.unwrap();
    let mut url = url::Url::parse(&server).unwrap();
    url.set_path(&name);
    url.into()
}

/// A connection to a portal's database, to see what it really wrote, and to bring about what takes long.
pub(crate) async fn connection(app: &super::TestApp) -> PgConnection {
    use secrecy::ExposeSecret as _;
    let url = &app.ports.config.database.url;
    PgConnection::connect(url.expose_secret()).await.unwrap()
}
