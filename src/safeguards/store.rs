//! The SQL of safeguards.

use sqlx::PgConnection;

use super::safeguard::{Hook, OnFailure, Safeguards};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::InstitutionId,
};

struct Row {
    institution_id: uuid::Uuid,
    filters_prompts: bool,
    filters_answers: bool,
    hook_url: Option<String>,
    hook_judges_prompts: bool,
    hook_judges_answers: bool,
    hook_failure: String,
    hook_generation: i32,
}

impl TryFrom<Row> for Safeguards {
    type Error = CorruptRow;

    fn try_from(row: Row) -> Result<Self, CorruptRow> {
        let on_failure = OnFailure::parse(&row.hook_failure).ok_or(CorruptRow {
            table: "institution_safeguards",
            id: row.institution_id,
            problem: "hook_failure",
        })?;
        let hook = row.hook_url.map(|url| Hook {
            url,
            judges_prompts: row.hook_judges_prompts,
            judges_answers: row.hook_judges_answers,
            on_failure,
            generation: row.hook_generation,
        });
        Ok(Self {
            filters_prompts: row.filters_prompts,
            filters_answers: row.filters_answers,
            hook,
        })
    }
}

pub(super) async fn all(
    conn: &mut PgConnection,
) -> Result<Vec<(InstitutionId, Safeguards)>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT institution_id, filters_prompts, filters_answers, hook_url, hook_judges_prompts, hook_judges_answers,
                hook_failure, hook_generation
         FROM institution_safeguards WHERE filters_prompts OR filters_answers OR hook_url IS NOT NULL",
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok((InstitutionId(row.institution_id), row.try_into()?)))
        .collect()
}

/// Those of one institution, and the generation that a hook's secret has or would have.
pub(super) async fn of(
    conn: &mut PgConnection,
    institution: InstitutionId,
) -> Result<(Safeguards, i32), StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT institution_id, filters_prompts, filters_answers, hook_url, hook_judges_prompts, hook_judges_answers,
                hook_failure, hook_generation
         FROM institution_safeguards WHERE institution_id = $1",
        institution.0,
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else {
        return Ok((Safeguards::default(), 1));
    };
    let generation = row.hook_generation;
    Ok((row.try_into()?, generation))
}

/// One change of an institution's steps at a time.
pub(super) async fn lock(
    tx: &mut WriteTx<'_>,
    institution: InstitutionId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended('safeguards of ' || $1::text, 0))",
        institution.0.to_string(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn save(
    tx: &mut WriteTx<'_>,
    institution: InstitutionId,
    steps: &Safeguards,
    generation: i32,
) -> Result<(), StoreError> {
    let (now, user) = (tx.now(), tx.actor().user);
    let hook = steps.hook.as_ref();
    sqlx::query!(
        "INSERT INTO institution_safeguards (institution_id, filters_prompts, filters_answers, hook_url,
             hook_judges_prompts, hook_judges_answers, hook_failure, hook_generation, changed_by, changed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (institution_id) DO UPDATE
         SET filters_prompts = excluded.filters_prompts, filters_answers = excluded.filters_answers,
             hook_url = excluded.hook_url, hook_judges_prompts = excluded.hook_judges_prompts,
             hook_judges_answers = excluded.hook_judges_answers, hook_failure = excluded.hook_failure,
             hook_generation = excluded.hook_generation, changed_by = excluded.changed_by,
             changed_at = excluded.changed_at",
        institution.0,
        steps.filters_prompts,
        steps.filters_answers,
        hook.map(|hook| hook.url.as_str()),
        hook.is_some_and(|hook| hook.judges_prompts),
        hook.is_some_and(|hook| hook.judges_answers),
        hook.map_or(OnFailure::Refuse, |hook| hook.on_failure).name(),
        generation,
        user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
