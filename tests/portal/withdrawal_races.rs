//! Withdrawal against everything that decides on a use, at once: whatever the order, nothing is allowed that was
//! decided on before and committed after.
//!
//! The order is the audit log's: a line gets its number under a lock that is held to the commit, so numbers are
//! the order of commits. No clock is asked.

use std::{fs, os::unix::fs::PermissionsExt as _, sync::Arc};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use language_model::synthetic::Synthetic;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use reqwest::StatusCode;
use serde_json::json;
use sha2::Sha256;
use sqlx::{PgPool, Row as _};
use uuid::Uuid;
use virtual_faculty::{
    app::Ports,
    ids::{DatasetId, DatasetVersionId, InstitutionId, JobId, UserId},
    jobs::{self, Draft, RawDraft},
    permissions::Layer,
    policy::{Actor, Role},
    withdrawals::{self, Extent, Request, Target},
};

use crate::support::{TestApp, connection, given};

/// Cases at the same time: as many as there are connections for.
const AT_ONCE: usize = 6;

/// What every case works with.
struct Stage {
    app: TestApp,
    pool: PgPool,
    http: reqwest::Client,
    base: Uuid,
    model: given::Approved,
    manager: Actor,
    researcher: Actor,
    operator: Actor,
}

async fn actor(pool: &PgPool, slug: &str, role: Role) -> Actor {
    let row = sqlx::query(
        "SELECT m.user_id, m.institution_id FROM memberships m JOIN institutions i ON i.id = m.institution_id
         WHERE i.slug = $1 AND m.role = $2 LIMIT 1",
    )
    .bind(slug)
    .bind(role.name())
    .fetch_one(pool)
    .await
    .unwrap();
    Actor {
        user: UserId(row.get(0)),
        institution: InstitutionId(row.get(1)),
        roles: vec![role],
    }
}

impl Stage {
    async fn set() -> Self {
        let program = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("nothing-{}", Uuid::now_v7()));
        fs::write(&program, "#!/bin/sh\nexit 0\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let program = program.display().to_string();
        let app = TestApp::without_worker(&[
            ("FACULTY_TRAINING__PROGRAM", program.as_str()),
            ("FACULTY_TRAINING__SLOTS", "100000"),
            ("FACULTY_DATABASE__CONNECTIONS", "40"),
        ])
        .await;
        let file = app.folder.path().join("tiny.gguf");
        Synthetic::default().write_gguf(&file).unwrap();
        let base = app.base_model("tiny", &file).await;
        let worker = app.work_until_stopped();
        let model = given::approved_dataset(&app).await;
        worker.cancel();
        let pool = app.pool().await;
        Self {
            manager: actor(&pool, "waterland", Role::Manager).await,
            researcher: actor(&pool, "harderwijk", Role::Researcher).await,
            operator: actor(&pool, "tno", Role::Operator).await,
            http: reqwest::Client::new(),
            base: base.0,
            model,
            pool,
            app,
        }
    }

    fn ports(&self) -> &Arc<Ports> {
        &self.app.ports
    }

    /// A dataset like the one that went through the doors, with a permission, in a few rows.
    async fn dataset(&self) -> (Uuid, Uuid, Uuid) {
        let (dataset, version, file, permission) = (
            Uuid::now_v7(),
            Uuid::now_v7(),
            Uuid::now_v7(),
            Uuid::now_v7(),
        );
        let mut tx = self.pool.begin().await.unwrap();
        sqlx::query(
            "INSERT INTO datasets SELECT (jsonb_populate_record(d, jsonb_build_object('id', $2))).* FROM datasets d WHERE id = $1",
        )
        .bind(self.model.dataset)
        .bind(dataset)
        .execute(&mut *tx)
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO dataset_versions (id, dataset_id, number, status, created_at) VALUES ($1, $2, 1, 'draft', now())",
        )
        .bind(version)
        .bind(dataset)
        .execute(&mut *tx)
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO dataset_files SELECT (jsonb_populate_record(f, jsonb_build_object('id', $2, 'dataset_version_id', $3,
                 'object_key', f.object_key || $2::text))).* FROM dataset_files f WHERE dataset_version_id = $1 LIMIT 1",
        )
        .bind(self.model.version)
        .bind(file)
        .bind(version)
        .execute(&mut *tx)
        .await
        .unwrap();
        sqlx::query(
            "UPDATE dataset_versions v SET status = 'approved', manifest_sha256 = m.manifest_sha256,
                 submitted_by = m.submitted_by, submitted_at = m.submitted_at, decided_at = m.decided_at
             FROM dataset_versions m WHERE m.id = $1 AND v.id = $2",
        )
        .bind(self.model.version)
        .bind(version)
        .execute(&mut *tx)
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO permissions SELECT (jsonb_populate_record(p, jsonb_build_object('id', $2, 'dataset_id', $3))).*
             FROM permissions p WHERE dataset_id = $1 LIMIT 1",
        )
        .bind(self.model.dataset)
        .bind(permission)
        .bind(dataset)
        .execute(&mut *tx)
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO permission_events (id, permission_id, state, decided_by, decided_at) VALUES ($1, $2, 'given', $3, now())",
        )
        .bind(Uuid::now_v7())
        .bind(permission)
        .bind(self.manager.user.0)
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
        (dataset, version, file)
    }

    fn draft(&self, version: Uuid) -> Draft {
        let raw = RawDraft {
            title: "Proef".into(),
            motivation: "een test".into(),
            base_model: self.base.to_string(),
            dataset_versions: vec![version.to_string()],
            ..RawDraft::fresh()
        };
        Draft::parse(&raw).unwrap()
    }

    async fn request(&self, version: Uuid) -> Option<JobId> {
        jobs::request(
            &self.ports().db,
            &self.researcher,
            &self.draft(version),
            &self.ports().compute,
        )
        .await
        .ok()
    }

    async fn dispatch(&self) {
        let [dispatch, ..] = jobs::chores();
        // Another sweep may hold what this one wants; the next one finds it.
        let _ = (dispatch.run)(self.ports()).await;
    }

    async fn attempt_of(&self, job: JobId) -> Option<Uuid> {
        sqlx::query_scalar("SELECT id FROM attempts WHERE job_id = $1")
            .bind(job.0)
            .fetch_optional(&self.pool)
            .await
            .unwrap()
    }

    /// Asks for the file as a program would; whether leave was given.
    async fn read(&self, attempt: Uuid, file: Uuid) -> bool {
        let mac = Hmac::<Sha256>::new_from_slice(b"0123456789abcdef0123456789abcdef")
            .unwrap()
            .chain_update(format!("attempt:{attempt}"))
            .finalize()
            .into_bytes();
        let url = format!("{}internal/v1/attempts/{attempt}/grants", self.app.url);
        let answer = self
            .http
            .post(url)
            .bearer_auth(format!("vfa_{attempt}_{}", HEXLOWER.encode(&mac)))
            .json(&json!({ "file": file }))
            .send()
            .await
            .unwrap();
        answer.status() == StatusCode::OK
    }
}

/// Some moments later, by chance.
async fn later(rng: &mut StdRng) {
    for _ in 0..rng.random_range(0..4) {
        tokio::time::sleep(std::time::Duration::from_micros(rng.random_range(0..6000))).await;
    }
}

/// One case: how far the first job is when everything begins, and who comes when, by `seed`.
async fn interleave(stage: &Stage, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let (dataset, version, file) = stage.dataset().await;
    let first = stage.request(version).await.expect("it is allowed");
    let db = &stage.ports().db;
    let far = rng.random_range(0..3);
    // Each of these ends all permission for the version.
    let extent = match rng.random_range(0..3) {
        0 => Extent::Dataset,
        1 => Extent::Version(DatasetVersionId(version)),
        _ => Extent::Layer(Layer::Copyright),
    };
    if far > 0 {
        jobs::approve(db, &stage.operator, first).await.unwrap();
    }
    if far > 1 {
        stage.dispatch().await;
    }
    let mut seeds = std::iter::repeat_with(|| rng.random::<u64>());
    let mut next = || StdRng::seed_from_u64(seeds.next().unwrap());
    let (mut a, mut b, mut c, mut d, mut e) = (next(), next(), next(), next(), next());
    let withdraw = async {
        later(&mut a).await;
        let request = Request {
            target: Target {
                dataset: DatasetId(dataset),
                extent,
                locations: stage.ports().config.locations(),
            },
            reason: "proef".into(),
            seen: None,
        };
        withdrawals::withdraw(db, &stage.manager, &request)
            .await
            .unwrap()
    };
    let submit = async {
        for _ in 0..3 {
            later(&mut b).await;
            if let Some(job) = stage.request(version).await {
                later(&mut b).await;
                let _ = jobs::approve(db, &stage.operator, job).await;
            }
        }
    };
    let approve = async {
        later(&mut c).await;
        let _ = jobs::approve(db, &stage.operator, first).await;
    };
    let dispatch = async {
        for _ in 0..3 {
            later(&mut d).await;
            stage.dispatch().await;
        }
    };
    let read = async {
        for _ in 0..4 {
            later(&mut e).await;
            if let Some(attempt) = stage.attempt_of(first).await {
                stage.read(attempt, file).await;
            }
        }
    };
    let (withdrawal, ..) = tokio::join!(withdraw, submit, approve, dispatch, read);
    // And once more after everything: nothing begins any more.
    stage.dispatch().await;
    let granted_late = match stage.attempt_of(first).await {
        Some(attempt) => stage.read(attempt, file).await,
        None => false,
    };
    assert!(
        !granted_late,
        "seed {seed}: a read was granted after the withdrawal"
    );
    assert!(
        stage.request(version).await.is_none(),
        "seed {seed}: a job was taken after the withdrawal"
    );
    check(stage, dataset, version, seed).await;
    // Out of the way of the other cases' sweeps.
    let mut tx = stage.pool.begin().await.unwrap();
    sqlx::query(
        "UPDATE attempts SET status = 'lost', ended_at = now() WHERE ended_at IS NULL AND job_id IN (
             SELECT job_id FROM job_datasets WHERE dataset_version_id = $1)",
    )
    .bind(version)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let _ = withdrawal;
}

async fn check(stage: &Stage, dataset: Uuid, version: Uuid, seed: u64) {
    let withdrawn: i64 = sqlx::query_scalar(
        "SELECT seq FROM events WHERE kind = 'permissions.withdrawn' AND subject_id = $1",
    )
    .bind(dataset)
    .fetch_one(&stage.pool)
    .await
    .unwrap();
    let late: Vec<(i64, String)> = sqlx::query_as(
        "SELECT e.seq, e.kind FROM events e JOIN job_datasets d ON d.job_id = e.subject_id
         WHERE d.dataset_version_id = $1 AND e.seq > $2
           AND e.kind IN ('jobs.requested', 'jobs.approved', 'jobs.dispatched', 'jobs.read_granted', 'jobs.succeeded')",
    )
    .bind(version)
    .bind(withdrawn)
    .fetch_all(&stage.pool)
    .await
    .unwrap();
    assert_eq!(late, [], "seed {seed}: allowed after line {withdrawn}");
    let grants: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM read_grants g WHERE g.dataset_version_id = $1 AND g.is_allowed AND NOT EXISTS (
             SELECT 1 FROM events e WHERE e.kind = 'jobs.read_granted' AND e.seq < $2
               AND e.payload->>'grant' = g.id::text)",
    )
    .bind(version)
    .bind(withdrawn)
    .fetch_one(&stage.pool)
    .await
    .unwrap();
    assert_eq!(
        grants, 0,
        "seed {seed}: a grant without a line before the withdrawal"
    );
    let open: Vec<String> = sqlx::query_scalar(
        "SELECT j.status FROM jobs j JOIN job_datasets d ON d.job_id = j.id
         WHERE d.dataset_version_id = $1 AND (j.status IN ('submitted', 'approved')
           OR j.status = 'running' AND j.cancel_requested_at IS NULL)",
    )
    .bind(version)
    .fetch_all(&stage.pool)
    .await
    .unwrap();
    assert_eq!(open, Vec::<String>::new(), "seed {seed}: a job goes on");
}

#[actix_web::test]
async fn nothing_is_allowed_after_a_withdrawal_whatever_the_interleaving() {
    let cases = if std::env::var_os("FACULTY_TEST_DEEP").is_some() {
        1000
    } else {
        60
    };
    let stage = Stage::set().await;
    let mut conn = connection(&stage.app).await;
    for chunk in (0..cases).collect::<Vec<u64>>().chunks(AT_ONCE) {
        futures_util::future::join_all(chunk.iter().map(|seed| interleave(&stage, *seed))).await;
    }
    // The cases were of every kind, or the test says less than it seems to.
    for kind in [
        "jobs.read_granted",
        "jobs.read_refused",
        "jobs.dispatched",
        "jobs.blocked",
        "jobs.cancel_requested",
    ] {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM events WHERE kind = $1")
            .bind(kind)
            .fetch_one(&mut conn)
            .await
            .unwrap();
        assert!(count > 0, "no case came to {kind}");
        eprintln!("{kind}: {count} over {cases} interleavings");
    }
}
