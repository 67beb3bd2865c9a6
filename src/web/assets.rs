//! Style sheets, scripts and fonts, from inside the binary.

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::{self, EntityTag},
    web,
};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "static/"]
#[exclude = "vendor/README.md"]
struct Assets;

/// Serves a file of `static/`; browsers ask again with its hash.
#[get("/static/{path:.*}")]
pub(crate) async fn serve(request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    let Some(file) = Assets::get(&path) else {
        return HttpResponse::NotFound().finish();
    };
    let tag = EntityTag::new_strong(data_encoding::HEXLOWER.encode(&file.metadata.sha256_hash()));
    let known = request
        .headers()
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains(tag.tag()));
    let mut answer = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    answer
        .insert_header((header::ETAG, tag.to_string()))
        .insert_header((header::CACHE_CONTROL, "public, max-age=0, must-revalidate"));
    if known {
        return answer.finish();
    }
    answer
        .content_type(file.metadata.mimetype())
        .body(file.data.into_owned())
}
