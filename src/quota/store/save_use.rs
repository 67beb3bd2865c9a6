//! Writing what was used: a line for each reservation that ended, and the sums of days.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use quota::{Book, LeaseKey, RequestId};
use uuid::Uuid;

use super::day_of;
use crate::{
    db::{MeterTx, StoreError},
    ids::{InstitutionId, ModelId},
    quota::{
        end::unsettled,
        exchange::Message,
        record::{Context, Price, Record},
    },
};

/// Lines of use on their way, with the reservations that they are about.
pub(super) type Records = Vec<((RequestId, LeaseKey), Record)>;

pub(super) async fn records(
    tx: &mut MeterTx,
    (before, after): (&Book, &Book),
    message: &Message,
) -> Result<Records, StoreError> {
    let new = after.events.iter();
    let new: Vec<_> = new
        .filter(|(event, _)| !before.events.contains_key(event))
        .collect();
    let mut records = Vec::with_capacity(new.len());
    let mut unknown = Vec::new();
    for (&(request, lease), &used) in new {
        match message.records.get(&(request, lease)) {
            Some(record) => records.push(((request, lease), record.clone())),
            // Set aside and never sent on.
            None if used == 0 => {}
            None => unknown.push((request, lease, used)),
        }
    }
    for (request, lease, used) in unknown {
        match context_of(tx, request, lease).await? {
            Some(context) => records.push(((request, lease), unsettled(context, used))),
            None => {
                tracing::error!(request = %Uuid::from_u128(request.0), used, "use without what it was for");
            }
        }
    }
    Ok(records)
}

async fn context_of(
    tx: &mut MeterTx,
    request: RequestId,
    lease: LeaseKey,
) -> Result<Option<Context>, StoreError> {
    let row = sqlx::query!(
        "SELECT k.institution_id, h.model_id, h.upstream, h.is_streamed, h.started_at, h.prompt_price,
                h.completion_price
         FROM quota_holds h JOIN api_keys k ON k.id = h.leaf_id
         WHERE h.replica_id = $1 AND h.leaf_id = $2 AND h.measure = $3 AND h.since = $4 AND h.request_id = $5",
        Uuid::from_u128(lease.replica.0),
        Uuid::from_u128(lease.leaf.0),
        lease.measure.name(),
        lease.since,
        Uuid::from_u128(request.0),
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| Context {
        institution: InstitutionId(row.institution_id),
        model: ModelId(row.model_id),
        upstream: row.upstream,
        price: Price {
            prompt_per_million: row.prompt_price,
            completion_per_million: row.completion_price,
        },
        is_streamed: row.is_streamed,
        started_at: row.started_at,
    }))
}

pub(super) async fn save_records(
    tx: &mut MeterTx,
    records: &Records,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if records.is_empty() {
        return Ok(());
    }
    let column = |of: &dyn Fn(&RequestId, &LeaseKey, &Record) -> Uuid| -> Vec<Uuid> {
        let all = records.iter();
        all.map(|((request, key), record)| of(request, key, record))
            .collect()
    };
    let requests = column(&|request, _, _| Uuid::from_u128(request.0));
    let keys = column(&|_, key, _| Uuid::from_u128(key.leaf.0));
    let institutions = column(&|_, _, record| record.context.institution.0);
    let models = column(&|_, _, record| record.context.model.0);
    let replicas = column(&|_, key, _| Uuid::from_u128(key.replica.0));
    let days: Vec<_> = records
        .iter()
        .map(|((_, key), _)| day_of(key.since))
        .collect();
    let prompts: Vec<_> = records.iter().map(|(_, r)| r.spent.prompt_tokens).collect();
    let completions: Vec<_> = records
        .iter()
        .map(|(_, r)| r.spent.completion_tokens)
        .collect();
    let outcomes: Vec<_> = records
        .iter()
        .map(|(_, r)| r.spent.outcome.name().to_owned())
        .collect();
    let streamed: Vec<_> = records.iter().map(|(_, r)| r.context.is_streamed).collect();
    let costs: Vec<_> = records.iter().map(|(_, r)| r.cost_micros()).collect();
    let started: Vec<_> = records.iter().map(|(_, r)| r.context.started_at).collect();
    sqlx::query!(
        "INSERT INTO usage_records (request_id, api_key_id, institution_id, model_id, replica_id, day, prompt_tokens,
             completion_tokens, outcome, is_streamed, started_at, cost_micros, ended_at)
         SELECT k.*, $13 FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::date[],
             $7::bigint[], $8::bigint[], $9::text[], $10::boolean[], $11::timestamptz[], $12::bigint[]) AS k",
        &requests,
        &keys,
        &institutions,
        &models,
        &replicas,
        &days,
        &prompts,
        &completions,
        &outcomes,
        &streamed,
        &started,
        &costs,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The project that what was used from a lease counts for; none where its key stood right under the institution.
fn project_of((before, after): (&Book, &Book), key: LeaseKey) -> Option<Uuid> {
    let lease = before.leases.get(&key).or_else(|| after.leases.get(&key))?;
    match lease.path.as_slice() {
        [_key, project, _institution] => Some(Uuid::from_u128(project.0)),
        _ => None,
    }
}

/// Adds to the days, in the order of their keys.
pub(super) async fn save_days(
    tx: &mut MeterTx,
    books: (&Book, &Book),
    records: &Records,
) -> Result<(), StoreError> {
    type Day = (Uuid, NaiveDate, Uuid, Option<Uuid>);
    let mut sums: BTreeMap<Day, (Uuid, [i64; 4])> = BTreeMap::new();
    for ((_, key), record) in records {
        let day = (
            Uuid::from_u128(key.leaf.0),
            day_of(key.since),
            record.context.model.0,
            project_of(books, *key),
        );
        let (_, [requests, prompt, completion, cost]) = sums
            .entry(day)
            .or_insert((record.context.institution.0, [0; 4]));
        *requests += 1;
        *prompt += record.spent.prompt_tokens;
        *completion += record.spent.completion_tokens;
        *cost = cost.saturating_add(record.cost_micros());
    }
    if sums.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = sums.keys().map(|day| day.0).collect();
    let days: Vec<_> = sums.keys().map(|day| day.1).collect();
    let models: Vec<_> = sums.keys().map(|day| day.2).collect();
    let projects: Vec<_> = sums.keys().map(|day| day.3).collect();
    let institutions: Vec<_> = sums.values().map(|sum| sum.0).collect();
    let [requests, prompts, completions, costs] =
        [0, 1, 2, 3].map(|n: usize| sums.values().map(|sum| sum.1[n]).collect::<Vec<_>>());
    sqlx::query!(
        "INSERT INTO usage_days AS d (api_key_id, day, model_id, institution_id, requests, prompt_tokens,
             completion_tokens, cost_micros, project_id)
         SELECT * FROM unnest($1::uuid[], $2::date[], $3::uuid[], $4::uuid[], $5::bigint[], $6::bigint[], $7::bigint[],
             $8::bigint[], $9::uuid[])
         ON CONFLICT (api_key_id, day, model_id, project_id) DO UPDATE
         SET requests = d.requests + excluded.requests, prompt_tokens = d.prompt_tokens + excluded.prompt_tokens,
             completion_tokens = d.completion_tokens + excluded.completion_tokens,
             cost_micros = d.cost_micros + excluded.cost_micros",
        &keys,
        &days,
        &models,
        &institutions,
        &requests,
        &prompts,
        &completions,
        &costs,
        &projects as &[Option<Uuid>],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
