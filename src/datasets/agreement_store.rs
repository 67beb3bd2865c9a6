//! The SQL of what agreements say about a dataset. Their slice stands above this one and points here; the page of a
//! dataset points back by address.

use sqlx::PgConnection;

use crate::{
    db::StoreError,
    ids::{AgreementId, DatasetId},
};

/// An agreement that covers a dataset.
pub(super) struct Covering {
    pub(super) agreement: AgreementId,
    pub(super) title: String,
    /// A word of `agreements::Status`.
    pub(super) status: String,
    /// The page on which it says what the data is for, where a permission of it counts and it has pages.
    pub(super) page: Option<i32>,
    /// Whether a permission that counts came from it.
    pub(super) gives: bool,
}

/// The agreements that cover a dataset, the newest first.
pub(super) async fn covering(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Vec<Covering>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT a.id, a.title, a.status, p.page,
                  EXISTS (SELECT 1 FROM agreement_permissions g
                          JOIN LATERAL (SELECT state FROM permission_events WHERE permission_id = g.permission_id
                                        ORDER BY decided_at DESC, id DESC LIMIT 1) e ON true
                          WHERE g.agreement_id = a.id AND g.dataset_id = c.dataset_id
                              AND e.state IN ('given', 'renewed')) AS "gives!"
           FROM agreement_datasets c JOIN agreements a ON a.id = c.agreement_id
           LEFT JOIN LATERAL (SELECT page FROM agreement_lines l WHERE l.agreement_id = a.id
                              AND l.term = 'purposes' ORDER BY l.layer, l.version DESC LIMIT 1) p ON true
           WHERE c.dataset_id = $1 ORDER BY a.id DESC LIMIT 50"#,
        dataset.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Covering {
            agreement: AgreementId(row.id),
            title: row.title,
            status: row.status,
            page: row.page,
            gives: row.gives,
        })
        .collect())
}
