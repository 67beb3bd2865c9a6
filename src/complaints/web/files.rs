//! Letters and evidence, for those who handle a case.

use actix_web::{HttpResponse, get, http::header, web};

use super::{
    super::{
        letter::{LetterKind, date},
        store,
    },
    follow::LetterPage,
    show::load,
    words::paragraphs,
};
use crate::{
    db::Db,
    error::AppError,
    ids::ComplaintId,
    objects::ObjectStore,
    web::{Page, PageResult},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(show_letter).service(download_evidence);
}

#[get("/{lang:nl|en}/complaints/{id}/letters/{kind}")]
async fn show_letter(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, ComplaintId, String)>,
) -> PageResult {
    let kind: LetterKind = path.2.parse().map_err(|_| AppError::NotFound)?;
    let (case, reader) = load(&db, page.actor(), path.1).await?;
    if !reader.sees_contact() {
        return Err(AppError::NotFound.into());
    }
    let mut conn = db.read().await?;
    let letter = store::letters(&mut conn, case.id)
        .await?
        .into_iter()
        .find(|letter| letter.kind == kind)
        .ok_or(AppError::NotFound)?;
    let body = letter
        .body
        .ok_or_else(|| AppError::conflict("complaint-forgotten"))?;
    page.show(&LetterPage {
        chrome: page.chrome(),
        title: page.lang().t(&format!("complaint-letter-{}", kind.name())),
        lang: case.language,
        number: case.number,
        when: date(case.language, letter.written_at),
        paragraphs: paragraphs(&body),
        sha256: letter.body_sha256,
        code: String::new(),
        kind: kind.name(),
    })
}

/// The file that came with the form, as a download: it is not ours, and no browser should draw it here.
#[get("/{lang:nl|en}/complaints/{id}/evidence")]
async fn download_evidence(
    page: Page,
    (db, objects): (web::Data<Db>, web::Data<ObjectStore>),
    path: web::Path<(String, ComplaintId)>,
) -> PageResult {
    let (case, reader) = load(&db, page.actor(), path.1).await?;
    let file = case
        .details
        .and_then(|details| details.evidence)
        .filter(|_| reader.sees_contact())
        .ok_or(AppError::NotFound)?;
    let body = objects
        .read_range(
            &file.object_key,
            &file.object_version,
            (0, file.size_bytes.unsigned_abs()),
        )
        .await?;
    let name: String = file
        .name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ') {
                c
            } else {
                '_'
            }
        })
        .collect();
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ))
        .body(body))
}
