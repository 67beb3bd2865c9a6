//! A database for each test, copied from a template that has the schema.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, postgres::PgConnectOptions,
};
use virtual_faculty::db::{MIGRATIONS, grant_to};

/// Guards the making of the template among tests that start at once.
const LOCK: i64 = 0x0fac_0117;

/// As whom the portal of a test connects: it owns no table.
const ROLE: &str = "faculty_app";

/// One test's database, by its addresses. It goes when this is dropped, unless the test failed: some hundred of them
/// at once would fill a small disk.
pub(crate) struct Fresh {
    /// The portal's own.
    pub(crate) url: String,
    /// The owner's, who can do what the portal cannot.
    pub(crate) owner_url: String,
    server: String,
    name: String,
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let (server, name) = (self.server.clone(), self.name.clone());
        // A thread of its own: the test's runtime cannot be waited on from here. What stays behind harms no test.
        let removal = std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
            else {
                return;
            };
            let _: Result<(), sqlx::Error> = runtime.block_on(async {
                let mut admin = PgConnection::connect(&server).await?;
                let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                admin.execute(AssertSqlSafe(statement)).await?;
                admin.close().await
            });
        });
        let _ = removal.join();
    }
}

/// The server that all tests share, for its owner.
pub(crate) fn shared() -> String {
    std::env::var("DATABASE_URL")
        .expect("DATABASE_URL names a Postgres server: run tests through scripts/test or scripts/with-postgres")
}

/// Makes an empty database with the schema.
pub(crate) async fn fresh_on(server: String) -> Fresh {
    let mut admin = PgConnection::connect(&server).await.unwrap();
    let mut migrations = Sha256::new();
    for migration in MIGRATIONS.iter() {
        migrations.update(&migration.checksum);
    }
    let version = HEXLOWER.encode(&migrations.finalize()[..16]);
    let template = format!("template_rights_{version}");
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
        make_role(&mut admin, &server).await;
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
        grant_to(&mut schema, ROLE).await.unwrap();
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
    let owner_url = url.to_string();
    url.set_username(ROLE).unwrap();
    Fresh {
        url: url.into(),
        owner_url,
        server,
        name,
    }
}

/// Makes the role where it is missing, with the owner's password where the server asks for one.
async fn make_role(admin: &mut PgConnection, server: &str) {
    let password = url::Url::parse(server)
        .unwrap()
        .password()
        .map_or_else(String::new, |password| format!(" PASSWORD '{password}'"));
    let made = admin
        .execute(AssertSqlSafe(format!("CREATE ROLE {ROLE} LOGIN{password}")))
        .await;
    if let Err(error) = made {
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        // 42710: it is there; 23505: another run makes it at this moment.
        assert!(
            matches!(code.as_deref(), Some("42710" | "23505")),
            "{error}"
        );
    }
}

/// A connection to a portal's own database as its owner, to see what it really wrote.
pub(crate) async fn of(app: &super::TestApp) -> PgConnection {
    PgConnection::connect(&app.owner_url).await.unwrap()
}
