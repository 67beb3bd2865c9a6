//! What a receipt names by hash, as exactly the bytes that were hashed: manifests of dataset versions and terms of
//! permissions. With these files anybody who may see the model can check its receipt without us.

use actix_web::{HttpResponse, get, http::header, web};
use attestation::{Envelope, Material, Statement};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    datasets::{self, ManifestEntry},
    db::Db,
    error::AppError,
    ids::{DatasetVersionId, ModelId},
    models::store,
    policy::{self, Action},
    web::{ApiActor, ApiResult},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(download);
}

/// The materials of a model's receipt; none where it has no receipt that can be read.
pub(super) async fn materials(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<Vec<Material>, AppError> {
    let receipt = store::receipt(conn, model).await?.unwrap_or_default();
    Ok(Envelope::parse(&receipt)
        .ok()
        .and_then(|envelope| Statement::parse(&envelope).ok())
        .map(|statement| statement.materials())
        .unwrap_or_default())
}

/// The manifest or the terms that the receipt names under this id.
#[get("/api/v1/models/{model}/evidence/{id}")]
async fn download(
    actor: ApiActor,
    db: web::Data<Db>,
    path: web::Path<(ModelId, Uuid)>,
) -> ApiResult {
    let (model, id) = path.into_inner();
    let mut conn = db.read().await?;
    let found = store::find(&mut conn, model)
        .await?
        .ok_or(AppError::NotFound)?;
    let _permit = policy::check(&actor.0, Action::ViewModel, &found.scope())?;
    let uri = format!("urn:uuid:{id}");
    let named = materials(&mut conn, model).await?;
    let material = named
        .into_iter()
        .find(|one| one.uri == uri)
        .ok_or(AppError::NotFound)?;
    let (name, bytes) = match material.kind.as_str() {
        "dataset_version" => ("manifest", manifest(&mut conn, DatasetVersionId(id)).await?),
        "permission" => (
            "permission",
            store::terms(&mut conn, id)
                .await?
                .ok_or(AppError::NotFound)?
                .into_bytes(),
        ),
        _ => return Err(AppError::NotFound.into()),
    };
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}-{id}.json\""),
        ))
        .body(bytes))
}

async fn manifest(conn: &mut PgConnection, version: DatasetVersionId) -> Result<Vec<u8>, AppError> {
    let entries = datasets::ready_files(conn, version)
        .await?
        .into_iter()
        .map(|file| ManifestEntry {
            path: file.path,
            sha256: file.sha256,
            size: file.size_bytes,
        })
        .collect();
    datasets::manifest_text(entries).map_err(|e| AppError::Internal(e.into()))
}
