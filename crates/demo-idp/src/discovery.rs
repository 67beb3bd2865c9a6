//! What a relying party reads first.

use actix_web::{HttpResponse, http::header::CACHE_CONTROL, web::Data};
use serde_json::json;

use crate::provider::Shared;

/// `GET /.well-known/openid-configuration`, with what SURFconext publishes of it.
///
/// Like SURFconext without `end_session_endpoint` and `authorization_response_iss_parameter_supported`.
pub(crate) async fn configuration(shared: Data<Shared>) -> HttpResponse {
    let issuer = &shared.issuer;
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=3600"))
        .json(json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/oidc/authorize"),
            "token_endpoint": format!("{issuer}/oidc/token"),
            "userinfo_endpoint": format!("{issuer}/oidc/userinfo"),
            "jwks_uri": format!("{issuer}/oidc/certs"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": crate::authorize::SCOPES,
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "acr_values_supported": [crate::token::ASSURANCE],
            "claim_types_supported": ["normal"],
            "claims_parameter_supported": false,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
            "claims_supported": [
                "sub", "name", "given_name", "family_name", "nickname", "preferred_username", "email",
                "email_verified", "updated_at", "schac_home_organization", "eduperson_affiliation",
                "eduperson_scoped_affiliation", "eduperson_principal_name", "edumember_is_member_of",
                "authenticating_authority", "uids", "acr"
            ],
        }))
}

/// `GET /oidc/certs`.
pub(crate) async fn certs(shared: Data<Shared>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=3600"))
        .json(shared.keys.public())
}
