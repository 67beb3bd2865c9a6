//! How far a model may go: the database's rule against the pure one, on lineages made up at random.

use std::collections::BTreeSet;

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::json;
use uuid::Uuid;
use virtual_faculty::{
    ids::ModelId,
    models::{self, DistributionScope},
    permissions::Recipients,
};

use crate::support::TestApp;

/// What one permission says of handing on.
#[derive(Debug, Clone)]
struct Terms {
    recipients: Recipients,
    commercial: bool,
    territories: Vec<&'static str>,
}

/// A dataset that a job used, with its licence and the permissions that the verdict read.
#[derive(Debug, Clone)]
struct Used {
    license: &'static str,
    permissions: Vec<Terms>,
}

/// One step of tuning: what was asked for, and on which data.
#[derive(Debug, Clone)]
struct Step {
    recipients: Recipients,
    commercial: bool,
    used: Vec<Used>,
}

/// A base and the models made one out of the other.
#[derive(Debug, Clone)]
struct Lineage {
    base_license: &'static str,
    steps: Vec<Step>,
}

fn recipients() -> impl Strategy<Value = Recipients> {
    prop::sample::select(Recipients::ALL.to_vec())
}

fn license() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "CC0-1.0",
        "CC-BY-4.0",
        "CC-BY-NC-4.0",
        "CC-BY-SA-4.0",
        "Apache-2.0",
    ])
}

fn lineage() -> impl Strategy<Value = Lineage> {
    let places =
        prop::sample::subsequence(vec!["NL", "BE", "NO", "US", "EU", "EEA", "world"], 0..3);
    let terms =
        (recipients(), any::<bool>(), places).prop_map(|(recipients, commercial, territories)| {
            Terms {
                recipients,
                commercial,
                territories,
            }
        });
    let used =
        (license(), prop::collection::vec(terms, 1..4)).prop_map(|(license, permissions)| Used {
            license,
            permissions,
        });
    let step = (
        recipients(),
        any::<bool>(),
        prop::collection::vec(used, 1..3),
    )
        .prop_map(|(recipients, commercial, used)| Step {
            recipients,
            commercial,
            used,
        });
    (license(), prop::collection::vec(step, 1..4)).prop_map(|(base_license, steps)| Lineage {
        base_license,
        steps,
    })
}

const EU: &str = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK";

/// The countries of a list, by hand and not by the database's table.
fn codes(territories: &[&str]) -> Option<BTreeSet<String>> {
    if territories.is_empty() || territories.contains(&"world") {
        return None;
    }
    let mut codes = BTreeSet::new();
    for territory in territories {
        match *territory {
            "EU" => codes.extend(EU.split(' ').map(str::to_owned)),
            "EEA" => codes.extend(EU.split(' ').chain(["IS", "LI", "NO"]).map(str::to_owned)),
            code => {
                codes.insert(code.to_owned());
            }
        }
    }
    Some(codes)
}

/// The pure rule, along the chain.
fn expected(lineage: &Lineage) -> DistributionScope {
    let of_licence = |license: &str| DistributionScope {
        allows_commercial_use: !license.contains("-NC-"),
        is_share_alike: license.contains("-SA-"),
        ..DistributionScope::unlimited()
    };
    let mut scope = of_licence(lineage.base_license);
    for step in &lineage.steps {
        scope = scope.and(&DistributionScope {
            recipients: step.recipients,
            allows_commercial_use: step.commercial,
            ..DistributionScope::unlimited()
        });
        for used in &step.used {
            scope = scope.and(&of_licence(used.license));
            for terms in &used.permissions {
                scope = scope.and(&DistributionScope {
                    recipients: terms.recipients,
                    allows_commercial_use: terms.commercial,
                    territories: codes(&terms.territories),
                    is_share_alike: false,
                });
            }
        }
    }
    scope
}

/// Writes the rows of a lineage, past the portal; answers the last model.
async fn write(app: &TestApp, lineage: &Lineage) -> Uuid {
    let mut tx = app.ports.db.meter().await.unwrap();
    let conn = tx.conn();
    sqlx::query("SET LOCAL session_replication_role = replica")
        .execute(&mut *conn)
        .await
        .unwrap();
    let mut model = Uuid::now_v7();
    sqlx::query(
        "INSERT INTO models (id, name, kind, family, license, institution_id, status, weights_sha256, created_at,
             own_commercial, own_share_alike)
         VALUES ($1, $1::text, 'base', 'x', $2, gen_random_uuid(), 'released', repeat('0', 64), now(),
             NOT licence_has($2, 'NC'), licence_has($2, 'SA'))",
    )
    .bind(model)
    .bind(lineage.base_license)
    .execute(&mut *conn)
    .await
    .unwrap();
    for step in &lineage.steps {
        let (job, attempt, next) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        sqlx::query(
            "INSERT INTO jobs (id, institution_id, title, motivation, purpose, is_commercial, recipients, base_model_id,
                 task, seed, status, requested_by, requested_at, approved_by, approved_at, ended_at)
             VALUES ($1, gen_random_uuid(), 'x', '', 'fine_tuning', $2, $3, $4, '{}', 1, 'succeeded', gen_random_uuid(),
                 now(), gen_random_uuid(), now(), now())",
        )
        .bind(job)
        .bind(step.commercial)
        .bind(step.recipients.name())
        .bind(model)
        .execute(&mut *conn)
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO attempts (id, job_id, number, backend, status, created_at, ended_at)
             VALUES ($1, $2, 1, 'x', 'succeeded', now(), now())",
        )
        .bind(attempt)
        .bind(job)
        .execute(&mut *conn)
        .await
        .unwrap();
        for used in &step.used {
            let (dataset, version) = (Uuid::now_v7(), Uuid::now_v7());
            sqlx::query(
                "INSERT INTO datasets (id, institution_id, title, description, language, license, source, right_holder,
                     has_personal_data, confidentiality, created_by, created_at)
                 VALUES ($1, gen_random_uuid(), 'x', '', 'nl', $2, '', 'x', false, 'public', gen_random_uuid(), now())",
            )
            .bind(dataset)
            .bind(used.license)
            .execute(&mut *conn)
            .await
            .unwrap();
            sqlx::query(
                "INSERT INTO dataset_versions (id, dataset_id, number, status, created_at) VALUES ($1, $2, 1, 'draft', now())",
            )
            .bind(version)
            .bind(dataset)
            .execute(&mut *conn)
            .await
            .unwrap();
            let mut reasons = Vec::new();
            for terms in &used.permissions {
                let permission = Uuid::now_v7();
                // Terms of rule set 1 say nothing of territories.
                let mut text = json!({
                    "recipients": terms.recipients, "allows_commercial_use": terms.commercial,
                });
                if !terms.territories.is_empty() {
                    text["territories"] = json!(terms.territories);
                }
                sqlx::query(
                    "INSERT INTO permissions (id, dataset_id, institution_id, layer, terms, terms_sha256, created_by, created_at)
                     VALUES ($1, $2, gen_random_uuid(), 'copyright', $3, repeat('0', 64), gen_random_uuid(), now())",
                )
                .bind(permission)
                .bind(dataset)
                .bind(text.to_string())
                .execute(&mut *conn)
                .await
                .unwrap();
                reasons.push(
                    json!({ "rule": "permitted", "layer": "copyright", "permission": permission }),
                );
            }
            sqlx::query(
                "INSERT INTO dataset_uses (id, attempt_id, dataset_version_id, verdict, policy_sha256, decided_at)
                 VALUES (gen_random_uuid(), $1, $2, $3, repeat('0', 64), now())",
            )
            .bind(attempt)
            .bind(version)
            .bind(json!({ "is_allowed": true, "reasons": reasons }))
            .execute(&mut *conn)
            .await
            .unwrap();
        }
        sqlx::query(
            "INSERT INTO models (id, name, kind, family, license, base_model_id, job_id, institution_id, status,
                 weights_sha256, created_at)
             VALUES ($1, $1::text, 'adapter', 'x', 'x', $2, $3, gen_random_uuid(), 'registered', repeat('0', 64), now())",
        )
        .bind(next)
        .bind(model)
        .bind(job)
        .execute(&mut *conn)
        .await
        .unwrap();
        for (from_kind, from, to_kind, to) in
            [("job", job, "model", next), ("model", model, "model", next)]
        {
            sqlx::query("INSERT INTO lineage_edges VALUES ($1, $2, $3, $4, now())")
                .bind(from_kind)
                .bind(from)
                .bind(to_kind)
                .bind(to)
                .execute(&mut *conn)
                .await
                .unwrap();
        }
        model = next;
    }
    tx.commit().await.unwrap();
    model
}

#[actix_web::test]
async fn the_database_and_the_pure_rule_give_the_same_scope_and_refuse_the_same_releases() {
    let app = TestApp::without_worker(&[]).await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..60 {
        let lineage = lineage().new_tree(&mut runner).unwrap().current();
        let model = write(&app, &lineage).await;
        let mut conn = app.ports.db.read().await.unwrap();
        let scope = models::scope(&mut conn, ModelId(model)).await.unwrap();
        let limits = models::limits(&mut conn, ModelId(model)).await.unwrap();
        drop(conn);
        assert_eq!(scope, expected(&lineage), "{lineage:#?}");
        assert_eq!(
            DistributionScope::of(&limits),
            scope,
            "the limits that a page shows: {limits:#?}"
        );
        for recipients in Recipients::ALL {
            for commercial in [false, true] {
                let wanted = DistributionScope {
                    recipients: *recipients,
                    allows_commercial_use: commercial,
                    ..scope.clone()
                };
                let territories: Option<Vec<String>> = wanted
                    .territories
                    .clone()
                    .map(|codes| codes.into_iter().collect());
                let mut tx = app.ports.db.meter().await.unwrap();
                let done = sqlx::query(
                    "UPDATE models SET status = 'released', release_recipients = $2, release_commercial = $3,
                         release_territories = $4, release_share_alike = $5 WHERE id = $1",
                )
                .bind(model)
                .bind(wanted.recipients.name())
                .bind(wanted.allows_commercial_use)
                .bind(territories)
                .bind(wanted.is_share_alike)
                .execute(tx.conn())
                .await;
                assert_eq!(
                    done.is_ok(),
                    scope.covers(&wanted),
                    "{wanted:?} within {scope:?}: {done:?}"
                );
            }
        }
    }
}

#[actix_web::test]
async fn a_release_leaves_neither_its_territories_nor_its_share_alike() {
    let app = TestApp::without_worker(&[]).await;
    let used = Used {
        license: "CC-BY-SA-4.0",
        permissions: vec![Terms {
            recipients: Recipients::Public,
            commercial: true,
            territories: vec!["EU"],
        }],
    };
    let step = Step {
        recipients: Recipients::Public,
        commercial: true,
        used: vec![used],
    };
    let lineage = Lineage {
        base_license: "Apache-2.0",
        steps: vec![step],
    };
    let model = write(&app, &lineage).await;
    for (territories, share_alike, is_within) in [
        ("NULL", "true", false),
        ("'{world}'", "true", false),
        ("'{US}'", "true", false),
        ("'{EEA}'", "true", false),
        ("'{NL,BE}'", "false", false),
        ("'{NL,BE}'", "true", true),
        ("'{EU}'", "true", true),
    ] {
        let mut tx = app.ports.db.meter().await.unwrap();
        let done = sqlx::query(sqlx::AssertSqlSafe(format!(
            "UPDATE models SET status = 'released', release_recipients = 'public', release_commercial = true,
                 release_territories = {territories}, release_share_alike = {share_alike} WHERE id = '{model}'"
        )))
        .execute(tx.conn())
        .await;
        assert_eq!(
            done.is_ok(),
            is_within,
            "{territories} {share_alike}: {done:?}"
        );
    }
}
