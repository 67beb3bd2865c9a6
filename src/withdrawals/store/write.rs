//! Writing a withdrawal down, and what is decided afterwards.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::super::{
    decide::Decision,
    duty::Kind,
    reach::{Reach, ReachedKey, ReachedModel},
    scope::{Consequence, Extent},
};
use crate::{
    db::{StoreError, WriteTx},
    ids::{
        DatasetId, DatasetVersionId, DutyId, InstitutionId, JobId, ModelId, UserId, WithdrawalId,
    },
    jobs::Stopped,
};

/// A withdrawal to be kept.
pub(in super::super) struct NewWithdrawal<'a> {
    pub(in super::super) id: WithdrawalId,
    pub(in super::super) dataset: DatasetId,
    pub(in super::super) institution: InstitutionId,
    pub(in super::super) is_revoked: bool,
    pub(in super::super) extent: Extent,
    pub(in super::super) reason: &'a str,
    pub(in super::super) consequence: Consequence,
    pub(in super::super) delete_by: Option<DateTime<Utc>>,
    pub(in super::super) affected: &'a serde_json::Value,
}

pub(in super::super) async fn insert(
    tx: &mut WriteTx<'_>,
    new: &NewWithdrawal<'_>,
) -> Result<(), StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    let (scope, version, layer, permission) = match new.extent {
        Extent::Dataset => ("dataset", None, None, None),
        Extent::Version(id) => ("version", Some(id.0), None, None),
        Extent::Layer(layer) => ("layer", None, Some(layer.name()), None),
        Extent::Permission(id) => ("permission", None, None, Some(id.0)),
    };
    sqlx::query!(
        "INSERT INTO withdrawals (id, dataset_id, institution_id, reason, withdrawn_by, withdrawn_at, affected, kind,
             scope, dataset_version_id, layer, permission_id, on_withdrawal, delete_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        new.id.0,
        new.dataset.0,
        new.institution.0,
        new.reason,
        actor.user.0,
        now,
        new.affected,
        if new.is_revoked { "revoked" } else { "withdrawn" },
        scope,
        version,
        layer,
        permission,
        new.consequence.name(),
        new.delete_by,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in super::super) async fn insert_versions(
    tx: &mut WriteTx<'_>,
    id: WithdrawalId,
    versions: &[DatasetVersionId],
) -> Result<(), StoreError> {
    let versions: Vec<_> = versions.iter().map(|version| version.0).collect();
    sqlx::query!(
        "INSERT INTO withdrawal_versions (withdrawal_id, dataset_version_id) SELECT $1, unnest($2::uuid[])",
        id.0,
        &versions,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Every job with what happened to it; those that were not stopped were over.
pub(in super::super) async fn insert_jobs(
    tx: &mut WriteTx<'_>,
    id: WithdrawalId,
    jobs: &[JobId],
    stopped: &[Stopped],
) -> Result<(), StoreError> {
    let jobs: Vec<_> = jobs.iter().map(|job| job.0).collect();
    let (blocked, asked): (Vec<&Stopped>, Vec<&Stopped>) =
        stopped.iter().partition(|one| one.status.is_over());
    let blocked: Vec<_> = blocked.iter().map(|one| one.job.0).collect();
    let asked: Vec<_> = asked.iter().map(|one| one.job.0).collect();
    sqlx::query!(
        "INSERT INTO withdrawal_jobs (withdrawal_id, job_id, consequence)
         SELECT $1, j.id, CASE WHEN b.id IS NOT NULL THEN 'blocked' WHEN a.id IS NOT NULL THEN 'asked_to_stop'
                               ELSE 'over' END
         FROM unnest($2::uuid[]) AS j (id)
         LEFT JOIN unnest($3::uuid[]) AS b (id) ON b.id = j.id
         LEFT JOIN unnest($4::uuid[]) AS a (id) ON a.id = j.id",
        id.0,
        &jobs,
        &blocked,
        &asked,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in super::super) async fn insert_models(
    tx: &mut WriteTx<'_>,
    id: WithdrawalId,
    models: &[ReachedModel],
    consequence: Consequence,
) -> Result<(), StoreError> {
    let ids: Vec<_> = models.iter().map(|model| model.id.0).collect();
    let served: Vec<_> = models.iter().map(|model| model.is_served).collect();
    sqlx::query!(
        "INSERT INTO withdrawal_models (withdrawal_id, model_id, consequence, was_served)
         SELECT $1, id, $4, is_served FROM unnest($2::uuid[], $3::boolean[]) AS model (id, is_served)",
        id.0,
        &ids,
        &served,
        consequence.name(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in super::super) async fn insert_keys(
    tx: &mut WriteTx<'_>,
    id: WithdrawalId,
    keys: &[ReachedKey],
) -> Result<(), StoreError> {
    let keys: Vec<_> = keys.iter().map(|key| key.id.0).collect();
    sqlx::query!(
        "INSERT INTO withdrawal_keys (withdrawal_id, api_key_id) SELECT $1, unnest($2::uuid[])",
        id.0,
        &keys,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ends what leave to read the touched jobs hold on the withdrawn data: addresses that still work are written down.
pub(in super::super) async fn revoke_grants(
    tx: &mut WriteTx<'_>,
    id: WithdrawalId,
    dataset: DatasetId,
    touched: &Reach,
) -> Result<(), StoreError> {
    let now = tx.now();
    let jobs: Vec<_> = touched.jobs.iter().map(|job| job.0).collect();
    let fallen: Vec<_> = touched.fallen.iter().map(|version| version.0).collect();
    sqlx::query!(
        "INSERT INTO grant_revocations (grant_id, withdrawal_id, revoked_at)
         SELECT g.id, $1, $2 FROM read_grants g
         JOIN attempts a ON a.id = g.attempt_id
         JOIN dataset_versions v ON v.id = g.dataset_version_id
         WHERE a.job_id = ANY($3) AND g.is_allowed AND g.expires_at > $2
           AND (v.dataset_id = $4 OR v.id = ANY($5))",
        id.0,
        now,
        &jobs,
        dataset.0,
        &fallen,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in super::super) async fn add_duty(
    tx: &mut WriteTx<'_>,
    withdrawal: WithdrawalId,
    kind: Kind,
    due_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO withdrawal_duties (id, withdrawal_id, kind, owner_role, due_at) VALUES ($1, $2, $3, $4, $5)",
        DutyId::fresh().0,
        withdrawal.0,
        kind.name(),
        kind.owner().name(),
        due_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that a duty was done; false where it was noted before, or there is none.
pub(in super::super) async fn end_duty(
    tx: &mut WriteTx<'_>,
    withdrawal: WithdrawalId,
    kind: Kind,
    note: &str,
) -> Result<bool, StoreError> {
    let (now, by) = (tx.now(), tx.actor().user);
    let done = sqlx::query!(
        "INSERT INTO withdrawal_duty_ends (duty_id, note, ended_by, ended_at)
         SELECT id, $3, nullif($4, '00000000-0000-0000-0000-000000000000'::uuid), $5
         FROM withdrawal_duties WHERE withdrawal_id = $1 AND kind = $2
         ON CONFLICT (duty_id) DO NOTHING",
        withdrawal.0,
        kind.name(),
        note,
        by.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How many models of a withdrawal still wait for a decision.
pub(in super::super) async fn undecided(
    conn: &mut PgConnection,
    withdrawal: WithdrawalId,
) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM withdrawal_models w
           WHERE w.withdrawal_id = $1 AND w.consequence = 'retrain' AND NOT EXISTS (
               SELECT 1 FROM model_decisions d WHERE d.withdrawal_id = w.withdrawal_id AND d.model_id = w.model_id)"#,
        withdrawal.0,
    )
    .fetch_one(conn)
    .await?)
}

/// Keeps a decision; false where there was one, or none is asked for.
pub(in super::super) async fn add_decision(
    tx: &mut WriteTx<'_>,
    (withdrawal, model): (WithdrawalId, ModelId),
    decision: Decision,
    reason: &str,
) -> Result<bool, StoreError> {
    let (now, by) = (tx.now(), tx.actor().user);
    let done = sqlx::query!(
        "INSERT INTO model_decisions (withdrawal_id, model_id, decision, reason, decided_by, decided_at, replaced_by)
         SELECT withdrawal_id, model_id, $3, $4, $5, $6, $7 FROM withdrawal_models
         WHERE withdrawal_id = $1 AND model_id = $2 AND consequence = 'retrain'
         ON CONFLICT (withdrawal_id, model_id) DO NOTHING",
        withdrawal.0,
        model.0,
        decision.name(),
        reason,
        by.0,
        now,
        decision.replaced_by().map(|model| model.0),
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps that somebody proposes to use a model again; false where that was proposed, or something was decided.
pub(in super::super) async fn add_lift_proposal(
    tx: &mut WriteTx<'_>,
    withdrawal: WithdrawalId,
    model: ModelId,
    reason: &str,
) -> Result<bool, StoreError> {
    let (now, by) = (tx.now(), tx.actor().user);
    let done = sqlx::query!(
        "INSERT INTO lift_proposals (withdrawal_id, model_id, reason, proposed_by, proposed_at)
         SELECT w.withdrawal_id, w.model_id, $3, $4, $5 FROM withdrawal_models w
         WHERE w.withdrawal_id = $1 AND w.model_id = $2 AND w.consequence = 'retrain' AND NOT EXISTS (
             SELECT 1 FROM model_decisions d WHERE d.withdrawal_id = $1 AND d.model_id = $2)
         ON CONFLICT (withdrawal_id, model_id) DO NOTHING",
        withdrawal.0,
        model.0,
        reason,
        by.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Who proposed to use a model again, if anybody did.
pub(in super::super) async fn lift_proposed_by(
    conn: &mut PgConnection,
    withdrawal: WithdrawalId,
    model: ModelId,
) -> Result<Option<UserId>, StoreError> {
    let by = sqlx::query_scalar!(
        "SELECT proposed_by FROM lift_proposals WHERE withdrawal_id = $1 AND model_id = $2",
        withdrawal.0,
        model.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(by.map(UserId))
}

/// Whether `new` can take the place of a model: of the same institution, made by a job after the withdrawal, not
/// kept from use, and nothing that was withdrawn in its lineage.
pub(in super::super) async fn is_made_anew(
    conn: &mut PgConnection,
    (withdrawal, model): (WithdrawalId, ModelId),
    new: ModelId,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT 1 FROM models n, models o, withdrawals w
               WHERE n.id = $3 AND o.id = $2 AND w.id = $1 AND n.institution_id = o.institution_id
                 AND n.job_id IS NOT NULL AND n.created_at > w.withdrawn_at
                 AND n.quarantined_at IS NULL AND n.status <> 'retired'
           ) AND NOT EXISTS (SELECT 1 FROM withdrawn_lineage($1, $3)) AS "is_anew!""#,
        withdrawal.0,
        model.0,
        new.0,
    )
    .fetch_one(conn)
    .await?)
}

/// Whether another withdrawal keeps a model from use: one that retires it, or one that nobody decided on.
pub(in super::super) async fn is_held_elsewhere(
    conn: &mut PgConnection,
    withdrawal: WithdrawalId,
    model: ModelId,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT 1 FROM withdrawal_models w
               LEFT JOIN model_decisions d ON d.withdrawal_id = w.withdrawal_id AND d.model_id = w.model_id
               WHERE w.model_id = $2 AND w.withdrawal_id <> $1
                 AND (w.consequence = 'retire' OR w.consequence = 'retrain' AND d.decision IS DISTINCT FROM 'lift')
           ) AS "is_held!""#,
        withdrawal.0,
        model.0,
    )
    .fetch_one(conn)
    .await?)
}
