//! The file of what was used, row by row: read and sent in pieces, however long it is.

use actix_web::{HttpResponse, get, http::header, web};
use bytes::Bytes;
use futures_util::{Stream, stream};

use super::{
    super::{
        store::{self, Row},
        which::{Place, Which},
        written::csv_of,
    },
    Query,
};
use crate::{
    db::Db,
    error::AppError,
    quota::day_of,
    web::{Page, PageResult},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(download);
}

/// Rows of one piece.
const ROWS_AT_ONCE: i64 = 5_000;

#[get("/{lang:nl|en}/usage.csv")]
async fn download(page: Page, db: web::Data<Db>, query: web::Query<Query>) -> PageResult {
    let which = query.which(page.actor(), day_of(db.now()))?;
    let (since, until) = which.days;
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"usage-{since}-{until}.csv\""),
        ))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(pieces(Db::clone(&db), which)))
}

/// One piece after another. Where one cannot be read the file breaks off, so that nobody takes a part for the whole.
fn pieces(db: Db, which: Which) -> impl Stream<Item = Result<Bytes, AppError>> {
    stream::try_unfold(Some(None), move |next: Option<Option<Place>>| {
        let db = db.clone();
        async move {
            let Some(after) = next else { return Ok(None) };
            let read = piece(&db, &which, after).await;
            read.map(Some).inspect_err(AppError::log)
        }
    })
}

/// The rows behind a place, and the place where the next piece begins, where there is one.
async fn piece(
    db: &Db,
    which: &Which,
    after: Option<Place>,
) -> Result<(Bytes, Option<Option<Place>>), AppError> {
    let mut conn = db.read().await?;
    let rows = store::rows(&mut conn, which, after, ROWS_AT_ONCE).await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == ROWS_AT_ONCE);
    let next = is_full.then(|| rows.last().map(Row::place));
    let csv = csv_of(&rows, after.is_none()).map_err(AppError::Internal)?;
    Ok((Bytes::from(csv), next))
}
