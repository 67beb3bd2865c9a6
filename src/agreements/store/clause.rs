//! Clauses outside the terms, and what the parties said of them.

use sqlx::PgConnection;

use super::{
    super::{
        clause::{Clause, Judged, NewClause, Word},
        line::Party,
    },
    corrupt,
};
use crate::{
    db::{StoreError, WriteTx},
    ids::{AgreementClauseId, AgreementDocumentId, AgreementId, UserId},
};

/// The clauses of an agreement, first noted first.
pub(in super::super) async fn clauses(
    conn: &mut PgConnection,
    agreement: AgreementId,
) -> Result<Vec<Clause>, StoreError> {
    let words = sqlx::query!(
        "SELECT w.clause_id, w.party, w.word, w.said_by, u.name, w.said_at
         FROM agreement_clause_words w JOIN users u ON u.id = w.said_by
         WHERE w.agreement_id = $1 ORDER BY w.party",
        agreement.0,
    )
    .fetch_all(&mut *conn)
    .await?;
    let rows = sqlx::query!(
        "SELECT c.id, c.document_id, c.page, c.passage, c.reason, u.name, c.noted_at
         FROM agreement_clauses c JOIN users u ON u.id = c.noted_by
         WHERE c.agreement_id = $1 ORDER BY c.noted_at, c.id",
        agreement.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let judged = words
                .iter()
                .filter(|word| word.clause_id == row.id)
                .map(|word| {
                    let wrong = |what| corrupt("agreement_clause_words", row.id, what);
                    Ok(Judged {
                        party: word.party.parse().map_err(|_| wrong("unknown party"))?,
                        word: word.word.parse().map_err(|_| wrong("unknown word"))?,
                        by: UserId(word.said_by),
                        name: word.name.clone(),
                        at: word.said_at,
                    })
                })
                .collect::<Result<_, StoreError>>()?;
            Ok(Clause {
                id: AgreementClauseId(row.id),
                document: AgreementDocumentId(row.document_id),
                page: row.page,
                passage: row.passage,
                reason: row.reason,
                noted_by: row.name,
                noted_at: row.noted_at,
                judged,
            })
        })
        .collect()
}

pub(in super::super) async fn insert_clause(
    tx: &mut WriteTx<'_>,
    agreement: AgreementId,
    new: &NewClause,
) -> Result<AgreementClauseId, StoreError> {
    let (now, user, id) = (tx.now(), tx.actor().user, AgreementClauseId::fresh());
    sqlx::query!(
        "INSERT INTO agreement_clauses (id, agreement_id, document_id, page, passage, reason, noted_by, noted_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        id.0,
        agreement.0,
        new.document.0,
        new.page,
        new.passage,
        new.reason,
        user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(id)
}

pub(in super::super) async fn judge(
    tx: &mut WriteTx<'_>,
    (agreement, clause): (AgreementId, AgreementClauseId),
    party: Party,
    word: Word,
) -> Result<(), StoreError> {
    let (now, user) = (tx.now(), tx.actor().user);
    sqlx::query!(
        "INSERT INTO agreement_clause_words (clause_id, agreement_id, party, word, said_by, said_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        clause.0,
        agreement.0,
        party.name(),
        word.name(),
        user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
