//! A bucket's CORS rules: put, get, delete. They are applied in [`crate::front::cors`].

use s3s::{
    S3Request, S3Result,
    dto::{
        CORSRule, DeleteBucketCorsInput, DeleteBucketCorsOutput, GetBucketCorsInput,
        GetBucketCorsOutput, PutBucketCorsInput, PutBucketCorsOutput,
    },
    s3_error,
};

use super::Service;
use crate::store::record::CorsRule;

/// S3's own limit.
const MAX_RULES: usize = 100;
const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];

impl Service {
    pub(super) async fn put_bucket_cors(
        &self,
        request: S3Request<PutBucketCorsInput>,
    ) -> S3Result<PutBucketCorsOutput> {
        let rules = request.input.cors_configuration.cors_rules;
        if rules.is_empty() || rules.len() > MAX_RULES {
            return Err(s3_error!(MalformedXML, "between 1 and 100 rules"));
        }
        let rules: S3Result<Vec<CorsRule>> = rules.into_iter().map(accepted).collect();
        self.store
            .set_cors(request.input.bucket, Some(rules?))
            .await?;
        Ok(PutBucketCorsOutput::default())
    }

    pub(super) async fn get_bucket_cors(
        &self,
        request: S3Request<GetBucketCorsInput>,
    ) -> S3Result<GetBucketCorsOutput> {
        let bucket = self.store.bucket(request.input.bucket).await?;
        let Some(rules) = bucket.cors else {
            return Err(s3_error!(NoSuchCORSConfiguration));
        };
        let shown = |rule: CorsRule| CORSRule {
            id: rule.id,
            allowed_origins: rule.origins,
            allowed_methods: rule.methods,
            allowed_headers: (!rule.headers.is_empty()).then_some(rule.headers),
            expose_headers: (!rule.expose.is_empty()).then_some(rule.expose),
            max_age_seconds: rule.max_age_seconds,
        };
        Ok(GetBucketCorsOutput {
            cors_rules: Some(rules.into_iter().map(shown).collect()),
        })
    }

    pub(super) async fn delete_bucket_cors(
        &self,
        request: S3Request<DeleteBucketCorsInput>,
    ) -> S3Result<DeleteBucketCorsOutput> {
        self.store.set_cors(request.input.bucket, None).await?;
        Ok(DeleteBucketCorsOutput::default())
    }
}

fn accepted(rule: CORSRule) -> S3Result<CorsRule> {
    let headers = rule.allowed_headers.unwrap_or_default();
    let patterns = rule.allowed_origins.iter().chain(&headers);
    if patterns.clone().any(|it| it.matches('*').count() > 1) {
        return Err(s3_error!(InvalidRequest, "at most one * in a pattern"));
    }
    if rule.allowed_origins.is_empty() || rule.allowed_methods.is_empty() {
        return Err(s3_error!(MalformedXML));
    }
    let mut methods = rule.allowed_methods.iter();
    if !methods.all(|method| METHODS.contains(&method.as_str())) {
        return Err(s3_error!(
            InvalidRequest,
            "a method that CORS does not know"
        ));
    }
    Ok(CorsRule {
        id: rule.id,
        origins: rule.allowed_origins,
        methods: rule.allowed_methods,
        headers,
        expose: rule.expose_headers.unwrap_or_default(),
        max_age_seconds: rule.max_age_seconds,
    })
}
