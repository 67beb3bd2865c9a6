//! The keys that the portal signs with: published, rotated, revoked.

use std::process::{Command, Output};

use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use virtual_faculty::signing::{
    self, PublishedKey, PublishedKeys, RotateError, Signer, VerifyError, adopt, revoke,
};

use crate::support::TestApp;

async fn published(app: &TestApp) -> PublishedKeys {
    let text = reqwest::get(app.url.join(".well-known/faculty-keys.json").unwrap())
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    PublishedKeys::parse(&text).unwrap()
}

fn signer(byte: &str) -> Signer {
    Signer::from_hex(&byte.repeat(32)).unwrap()
}

/// The program itself, with `key` configured.
async fn faculty(app: &TestApp, key: &str, arguments: &'static [&'static str]) -> Output {
    let mut environment = app.environment.clone();
    environment.push(("FACULTY_SIGNING_KEY".into(), key.repeat(32)));
    actix_web::web::block(move || {
        Command::new(env!("CARGO_BIN_EXE_faculty"))
            .args(arguments)
            .env_clear()
            .envs(environment)
            .output()
            .unwrap()
    })
    .await
    .unwrap()
}

async fn holds(app: &TestApp, keyid: &str, at: DateTime<Utc>) -> bool {
    let mut tx = app.owner_tx().await;
    sqlx::query_scalar::<_, bool>("SELECT signing_key_holds($1, $2)")
        .bind(keyid)
        .bind(at)
        .fetch_one(tx.conn())
        .await
        .unwrap()
}

#[test]
fn the_list_of_keys_is_as_written_down() {
    let at = |hour| Utc.with_ymd_and_hms(2026, 11, 25, hour, 0, 0).unwrap();
    let key = |byte, valid_from| PublishedKey {
        valid_from,
        ..PublishedKey::trusted(&signer(byte).public_key())
    };
    let keys = PublishedKeys {
        keys: vec![
            key("09", at(3)),
            PublishedKey {
                valid_until: Some(at(3)),
                ..key("08", at(2))
            },
            PublishedKey {
                valid_until: Some(at(2)),
                revoked_at: Some(at(1)),
                revoked_reason: Some("The key lay on a \"shared\" disk.".into()),
                ..key("07", at(0))
            },
        ],
    };
    let text = serde_json::to_string_pretty(&keys).unwrap();
    insta::assert_snapshot!("faculty_keys", text);
    assert_eq!(PublishedKeys::parse(&text), Ok(keys));
}

#[actix_web::test]
async fn the_configured_key_is_published_from_the_first_start_on() {
    let app = TestApp::without_worker(&[]).await;
    let keys = published(&app).await;
    assert_eq!(keys.keys.len(), 1, "{keys:?}");
    let key = &keys.keys[0];
    assert_eq!(key.public_key, app.ports.signer.public_key().hex());
    assert!(key.is_active() && key.valid_from <= app.ports.db.now());
    adopt(&app.ports.db, &app.ports.signer).await.unwrap();
    assert_eq!(
        published(&app).await,
        keys,
        "a second start changes nothing"
    );
}

#[actix_web::test]
async fn after_a_rotation_the_old_key_stays_published_and_signs_no_more() {
    let app = TestApp::without_worker(&[]).await;
    let old = app.ports.signer.clone();
    let envelope = old.envelope("text/plain", b"signed in time");
    let refused = faculty(&app, "6b", &["serve"]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("signing-key rotate"),
        "{said}"
    );

    let rotated = faculty(&app, "6b", &["admin", "signing-key", "rotate"]).await;
    assert!(
        rotated.status.success(),
        "{}",
        String::from_utf8_lossy(&rotated.stderr)
    );

    let keys = published(&app).await;
    let [new, closed] = keys.keys.as_slice() else {
        panic!("two keys are published: {keys:?}");
    };
    assert!(new.is_active());
    assert_eq!(new.keyid, signer("6b").keyid());
    assert_eq!(closed.keyid, old.keyid());
    let end = closed.valid_until.unwrap();
    assert_eq!(
        end, new.valid_from,
        "no moment without a key, none with two"
    );
    assert!(signing::verify(&envelope, &keys, end - TimeDelta::microseconds(1)).is_ok());
    assert!(matches!(
        signing::verify(&envelope, &keys, end),
        Err(VerifyError::PutAway { .. })
    ));
    assert!(holds(&app, &old.keyid(), end - TimeDelta::microseconds(1)).await);
    assert!(
        !holds(&app, &old.keyid(), end).await,
        "the database refuses it too"
    );
    assert!(holds(&app, &new.keyid, end).await);

    let again = adopt(&app.ports.db, &old).await;
    assert!(
        matches!(again, Err(RotateError::PutAway(_))),
        "a key came back: {again:?}"
    );
}

#[actix_web::test]
async fn what_a_revoked_key_signed_later_does_not_hold() {
    let app = TestApp::without_worker(&[]).await;
    let signer = app.ports.signer.clone();
    let envelope = signer.envelope("text/plain", b"x");
    let stolen_at = app.ports.db.now();
    let system = virtual_faculty::policy::Actor::system();
    let later = stolen_at + TimeDelta::days(1);
    let too_late = revoke(&app.ports.db, &system, &signer.keyid(), later, "kwijt").await;
    assert!(matches!(too_late, Err(RotateError::InTheFuture)));
    revoke(&app.ports.db, &system, &signer.keyid(), stolen_at, "kwijt")
        .await
        .unwrap();
    let keys = published(&app).await;
    assert!(matches!(
        signing::verify(&envelope, &keys, stolen_at),
        Err(VerifyError::Revoked { .. })
    ));
    let before = stolen_at - TimeDelta::microseconds(1);
    assert!(
        signing::verify(&envelope, &keys, before).is_ok(),
        "earlier ones stay"
    );
    assert!(matches!(
        adopt(&app.ports.db, &signer).await,
        Err(RotateError::PutAway(_))
    ));
    let twice = revoke(
        &app.ports.db,
        &system,
        &signer.keyid(),
        stolen_at,
        "nog eens",
    )
    .await;
    assert!(matches!(twice, Err(RotateError::Revoked(_))));
}

#[actix_web::test]
async fn the_database_keeps_what_was_published() {
    let app = TestApp::without_worker(&[]).await;
    for statement in [
        "DELETE FROM signing_keys",
        "TRUNCATE signing_keys",
        "UPDATE signing_keys SET valid_from = valid_from - interval '1 year'",
        "UPDATE signing_keys SET public_key = repeat('a', 64), keyid = left(encode(sha256(decode(repeat('a', 64), 'hex')), 'hex'), 16)",
        "INSERT INTO signing_keys (id, keyid, public_key, valid_from)
         SELECT gen_random_uuid(), left(encode(sha256(decode(k, 'hex')), 'hex'), 16), k, now() FROM (SELECT repeat('b', 64) AS k) s",
        "INSERT INTO signing_keys (id, keyid, public_key, valid_from, valid_until)
         VALUES (gen_random_uuid(), repeat('0', 16), repeat('b', 64), now(), now())",
    ] {
        let mut tx = app.owner_tx().await;
        let done = sqlx::query(statement).execute(tx.conn()).await;
        assert!(done.is_err(), "went through: {statement}");
    }
}
