//! How far a model may go: the database's rule against the pure one, on lineages made up at random.

use std::collections::BTreeSet;

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;
use virtual_faculty::{
    bootstrap,
    ids::ModelId,
    models::{self, DistributionScope},
    permissions::{self, Recipients},
};

use crate::support::{TestApp, given};

/// What one permission says of handing on.
#[derive(Debug, Clone)]
struct Terms {
    recipients: Recipients,
    commercial: bool,
    territories: Vec<&'static str>,
}

/// Another dataset that the used one was curated from, with all permissions that held at the decision.
#[derive(Debug, Clone)]
struct Source {
    license: &'static str,
    permissions: Vec<Terms>,
}

/// A dataset that a job used, with its licence and the permissions that the verdict read.
#[derive(Debug, Clone)]
struct Used {
    license: &'static str,
    /// Whether the verdict's policy was kept, as from rule set 2 on.
    keeps_policy: bool,
    permissions: Vec<Terms>,
    sources: Vec<Source>,
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

fn recipients() -> impl Strategy<Value = Recipients> + Clone {
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
    let source = (license(), prop::collection::vec(terms.clone(), 0..3)).prop_map(
        |(license, permissions)| Source {
            license,
            permissions,
        },
    );
    let used = (
        license(),
        any::<bool>(),
        prop::collection::vec(terms, 1..4),
        prop::collection::vec(source, 0..2),
    )
        .prop_map(|(license, keeps_policy, permissions, sources)| Used {
            license,
            keeps_policy,
            permissions,
            sources,
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
    let of_terms = |terms: &Terms| DistributionScope {
        recipients: terms.recipients,
        allows_commercial_use: terms.commercial,
        territories: codes(&terms.territories),
        is_share_alike: false,
    };
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
                scope = scope.and(&of_terms(terms));
            }
            for source in &used.sources {
                scope = scope.and(&of_licence(source.license));
                for terms in &source.permissions {
                    scope = scope.and(&of_terms(terms));
                }
                if source.permissions.is_empty() {
                    scope = scope.and(&DistributionScope {
                        is_share_alike: false,
                        ..DistributionScope::narrowest()
                    });
                }
            }
        }
    }
    scope
}

/// A dataset with a version, whose licence was this one an hour ago and is another one by now.
async fn dataset(conn: &mut PgConnection, license: &str) -> (Uuid, Uuid) {
    let (dataset, version) = (Uuid::now_v7(), Uuid::now_v7());
    sqlx::query(
        "INSERT INTO datasets (id, institution_id, title, description, language, license, source, right_holder,
             has_personal_data, confidentiality, created_by, created_at)
         VALUES ($1, gen_random_uuid(), 'x', '', 'nl', 'LicenseRef-changed-since', '', 'x', false, 'public',
             gen_random_uuid(), now())",
    )
    .bind(dataset)
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
    for (license, after) in [(license, -1), ("CC0-1.0", 1), ("CC-BY-NC-SA-4.0", 2)] {
        sqlx::query(
            "INSERT INTO licence_facts (id, dataset_id, license, expression, said_by, said_at, flags)
             VALUES (gen_random_uuid(), $1, $2, $2, gen_random_uuid(), now() + make_interval(hours => $3), $4)",
        )
        .bind(dataset)
        .bind(license)
        .bind(after)
        .bind(flags(license))
        .execute(&mut *conn)
        .await
        .unwrap();
    }
    (dataset, version)
}

fn flags(license: &str) -> Option<serde_json::Value> {
    let flags = permissions::licence_flags(license);
    flags.map(|flags| serde_json::to_value(flags).unwrap())
}

/// A permission, with its state from so many hours on.
async fn permission(
    conn: &mut PgConnection,
    dataset: Uuid,
    terms: &Terms,
    states: &[(&str, i32)],
) -> Uuid {
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
    for (state, after) in states {
        sqlx::query(
            "INSERT INTO permission_events (id, permission_id, state, decided_by, decided_at)
             VALUES (gen_random_uuid(), $1, $2, gen_random_uuid(), now() + make_interval(hours => $3))",
        )
        .bind(permission)
        .bind(state)
        .bind(after)
        .execute(&mut *conn)
        .await
        .unwrap();
    }
    permission
}

/// What `version` was curated from: another dataset, with what held there at the decision and what did not.
async fn curated_from(conn: &mut PgConnection, version: Uuid, source: &Source) {
    let (dataset, from) = dataset(conn, source.license).await;
    for terms in &source.permissions {
        permission(conn, dataset, terms, &[("given", -2), ("withdrawn", 1)]).await;
    }
    let narrow = Terms {
        recipients: Recipients::Consortium,
        commercial: false,
        territories: vec!["US"],
    };
    permission(conn, dataset, &narrow, &[("given", -2), ("withdrawn", -1)]).await;
    permission(conn, dataset, &narrow, &[("given", 1)]).await;
    let run = Uuid::now_v7();
    for (from_kind, from, to_kind, to) in [
        ("dataset_version", from, "curation_run", run),
        ("curation_run", run, "dataset_version", version),
    ] {
        edge(conn, (from_kind, from), (to_kind, to)).await;
    }
}

async fn edge(
    conn: &mut PgConnection,
    (from_kind, from): (&str, Uuid),
    (to_kind, to): (&str, Uuid),
) {
    sqlx::query("INSERT INTO lineage_edges VALUES ($1, $2, $3, $4, now())")
        .bind(from_kind)
        .bind(from)
        .bind(to_kind)
        .bind(to)
        .execute(&mut *conn)
        .await
        .unwrap();
}

/// The text that a verdict read, as far as the licence goes; answers its hash.
async fn keep_policy(conn: &mut PgConnection, flags: &serde_json::Value) -> String {
    let text = json!({ "facts": { "licence": { "flags": flags } } }).to_string();
    let sha256 = permissions::sha256_hex(&text);
    sqlx::query(
        "INSERT INTO policies (sha256, rule_set, canonical, kept_at) VALUES ($1, 2, $2, now())
         ON CONFLICT DO NOTHING",
    )
    .bind(&sha256)
    .bind(text)
    .execute(&mut *conn)
    .await
    .unwrap();
    sha256
}

/// Writes the rows of a lineage, past the portal; answers the last model.
async fn write(app: &TestApp, lineage: &Lineage) -> Uuid {
    let mut tx = app.owner_tx().await;
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
            let (dataset, version) = dataset(&mut *conn, used.license).await;
            let mut reasons = Vec::new();
            for terms in &used.permissions {
                let permission = permission(&mut *conn, dataset, terms, &[]).await;
                reasons.push(
                    json!({ "rule": "permitted", "layer": "copyright", "permission": permission }),
                );
            }
            for source in &used.sources {
                curated_from(&mut *conn, version, source).await;
            }
            let policy = if used.keeps_policy {
                keep_policy(&mut *conn, &flags(used.license).into()).await
            } else {
                "0".repeat(64)
            };
            sqlx::query(
                "INSERT INTO dataset_uses (id, attempt_id, dataset_version_id, verdict, policy_sha256, decided_at)
                 VALUES (gen_random_uuid(), $1, $2, $3, $4, now())",
            )
            .bind(attempt)
            .bind(version)
            .bind(json!({ "is_allowed": true, "reasons": reasons }))
            .bind(policy)
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
            edge(&mut *conn, (from_kind, from), (to_kind, to)).await;
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
                let mut tx = app.owner_tx().await;
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

/// A model for everybody, made in one step from one dataset.
fn one_step(license: &'static str, territories: Vec<&'static str>) -> Lineage {
    let used = Used {
        license,
        keeps_policy: true,
        permissions: vec![Terms {
            recipients: Recipients::Public,
            commercial: true,
            territories,
        }],
        sources: Vec::new(),
    };
    let step = Step {
        recipients: Recipients::Public,
        commercial: true,
        used: vec![used],
    };
    Lineage {
        base_license: "Apache-2.0",
        steps: vec![step],
    }
}

/// As somebody who switched the triggers off.
async fn past_triggers(app: &TestApp, change: &str) {
    let mut tx = app.owner_tx().await;
    let text = format!("SET LOCAL session_replication_role = replica; {change}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(text))
        .execute(tx.conn())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn scope_of(app: &TestApp, model: Uuid) -> DistributionScope {
    let mut conn = app.ports.db.read().await.unwrap();
    models::scope(&mut conn, ModelId(model)).await.unwrap()
}

#[actix_web::test]
async fn what_nobody_knows_allows_nothing() {
    let app = TestApp::without_worker(&[]).await;
    let of_licence = DistributionScope::narrowest();
    let of_terms = DistributionScope {
        is_share_alike: false,
        ..DistributionScope::narrowest()
    };
    let unknown = r#"{"facts":{"licence":{"flags":null}}}"#;
    let other_form = r#"{"facts":{"licence":{"flags":{"open":true}}}}"#;
    let rewritten = |policy: &str| {
        let sha256 = permissions::sha256_hex(policy);
        format!(
            "UPDATE policies SET canonical = '{policy}', sha256 = '{sha256}';
             UPDATE dataset_uses SET policy_sha256 = '{sha256}'"
        )
    };
    for (change, expected) in [
        (rewritten(unknown), &of_licence),
        (rewritten(other_form), &of_licence),
        (
            "DELETE FROM policies; DELETE FROM licence_facts".to_owned(),
            &of_licence,
        ),
        ("UPDATE permissions SET terms = '{}'".to_owned(), &of_terms),
    ] {
        let model = write(&app, &one_step("CC0-1.0", vec![])).await;
        assert_eq!(scope_of(&app, model).await, DistributionScope::unlimited());
        past_triggers(&app, &change).await;
        assert_eq!(scope_of(&app, model).await, *expected, "{change}");
        past_triggers(
            &app,
            "DELETE FROM policies; DELETE FROM dataset_uses; DELETE FROM permissions; DELETE FROM licence_facts",
        )
        .await;
    }
}

#[actix_web::test]
async fn a_base_of_an_unknown_licence_goes_no_further_than_the_consortium_without_an_agreement() {
    let app = TestApp::without_worker(&[]).await;
    let file = given::tiny_model(&app);
    let agreed = DistributionScope {
        allows_commercial_use: false,
        recipients: Recipients::ResearchLicensees,
        ..DistributionScope::unlimited()
    };
    for (name, agreed, expected) in [
        ("geheim", None, DistributionScope::narrowest()),
        ("afgesproken", Some(agreed.clone()), agreed),
    ] {
        let license = models::BaseLicence {
            label: "LicenseRef-Voorbeeld",
            agreed,
        };
        let base = bootstrap::register_base(&app.ports, name, "smollm2", license, &file)
            .await
            .unwrap();
        assert_eq!(scope_of(&app, base.0).await, expected, "{name}");
    }
}

#[actix_web::test]
async fn a_heavily_modified_model_does_not_come_in_as_released() {
    let app = TestApp::without_worker(&[]).await;
    let model = write(&app, &one_step("CC0-1.0", vec![])).await;
    past_triggers(
        &app,
        "UPDATE attempts SET outcome = '{\"flop\": 1e23}';
         UPDATE models SET institution_id = (SELECT id FROM institutions LIMIT 1)",
    )
    .await;
    let mut conn = app.pool().await.acquire().await.unwrap();
    let row: serde_json::Value =
        sqlx::query_scalar("SELECT to_jsonb(m) FROM models m WHERE id = $1")
            .bind(model)
            .fetch_one(&mut *conn)
            .await
            .unwrap();
    past_triggers(&app, &format!("DELETE FROM models WHERE id = '{model}'")).await;
    for (status, is_refused) in [("released", true), ("registered", false)] {
        let done = sqlx::query(
            "INSERT INTO models SELECT (jsonb_populate_record(NULL::models, $1 || jsonb_build_object('status', $2::text))).*",
        )
        .bind(&row)
        .bind(status)
        .execute(&mut *conn)
        .await;
        let problem = done.map_err(|error| error.to_string()).err();
        assert_eq!(
            problem
                .as_ref()
                .is_some_and(|text| text.contains("nobody decided on that")),
            is_refused,
            "{status}: {problem:?}"
        );
        assert_eq!(problem.is_some(), is_refused, "{status}: {problem:?}");
    }
}

#[actix_web::test]
async fn weights_are_given_out_within_release_and_lineage() {
    let app = TestApp::without_worker(&[]).await;
    let mut operator = app.browser("operator").await;
    // Each model was released as wide as its lineage allows, or narrower.
    let free = one_step("CC0-1.0", vec![]);
    let not_for_profit = one_step("CC-BY-NC-4.0", vec![]);
    let in_europe = one_step("CC0-1.0", vec!["EU"]);
    let mut of_source = one_step("CC0-1.0", vec![]);
    of_source.steps[0].used[0].sources = vec![Source {
        license: "CC0-1.0",
        permissions: vec![Terms {
            recipients: Recipients::ResearchLicensees,
            commercial: true,
            territories: vec![],
        }],
    }];
    let narrower =
        "release_recipients = 'consortium', release_commercial = true, release_share_alike = false";
    for (lineage, release, licence, country, expected) in [
        (&free, "", "professional", "", None),
        (
            &free,
            narrower,
            "research",
            "",
            Some("licensee-not-allowed"),
        ),
        (
            &not_for_profit,
            "",
            "professional",
            "",
            Some("licensee-not-for-profit"),
        ),
        (&not_for_profit, "", "research", "", None),
        (&in_europe, "", "research", "", Some("licensee-elsewhere")),
        (&in_europe, "", "research", "US", Some("licensee-elsewhere")),
        (&in_europe, "", "research", "nl", None),
        (
            &of_source,
            "",
            "professional",
            "",
            Some("licensee-not-allowed"),
        ),
        (&of_source, "", "research", "", None),
    ] {
        let model = write(&app, lineage).await;
        let release = if release.is_empty() {
            "status = 'released'".to_owned()
        } else {
            format!("status = 'released', {release}")
        };
        past_triggers(
            &app,
            &format!(
                "UPDATE models SET institution_id = (SELECT id FROM institutions LIMIT 1) WHERE id = '{model}';
                 UPDATE models SET {release} WHERE id = '{model}'"
            ),
        )
        .await;
        let answer = operator
            .call(
                Method::POST,
                "/api/v1/licensees",
                Some(json!({
                    "model": model, "name": "Stichting Voorbeeld", "contact": "model@voorbeeld.example",
                    "licence": licence, "country": country,
                })),
            )
            .await
            .unwrap();
        let problem: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(
            problem["code"].as_str(),
            expected,
            "{licence} in {country:?}, {release}: {}",
            answer.text
        );
        // Past the portal the database says the same.
        let mut tx = app.owner_tx().await;
        let done = sqlx::query(
            "INSERT INTO licensees (id, model_id, name, contact, licence, held_since, added_by, added_at, country)
             SELECT gen_random_uuid(), $1, 'x', 'a@b', $2, current_date, user_id, now(), nullif(upper($3), '')
             FROM memberships LIMIT 1",
        )
        .bind(model)
        .bind(licence)
        .bind(country)
        .execute(tx.conn())
        .await;
        assert_eq!(done.is_ok(), expected.is_none(), "{done:?}");
    }
    let wrong = operator
        .call(
            Method::POST,
            "/api/v1/licensees",
            Some(json!({
                "model": "x", "name": "x", "contact": "a@b", "licence": "research", "country": "EU",
            })),
        )
        .await
        .unwrap();
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        wrong.text.contains("licensee-country-wrong"),
        "{}",
        wrong.text
    );
}

#[actix_web::test]
async fn a_release_leaves_neither_its_territories_nor_its_share_alike() {
    let app = TestApp::without_worker(&[]).await;
    let lineage = one_step("CC-BY-SA-4.0", vec!["EU"]);
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
        let mut tx = app.owner_tx().await;
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
