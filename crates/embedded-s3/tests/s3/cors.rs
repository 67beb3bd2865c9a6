use aws_sdk_s3::types::{CorsConfiguration, CorsRule};
use reqwest::{Method, Response, header::HeaderMap};

use crate::given::{self, BUCKET, ORIGIN, World};

async fn preflight(world: &World, origin: &str, method: &str) -> Response {
    let url = world.url("alpha/upload");
    given::http()
        .request(Method::OPTIONS, url)
        .header("origin", origin)
        .header("access-control-request-method", method)
        .header(
            "access-control-request-headers",
            "content-type,x-amz-checksum-sha256",
        )
        .send()
        .await
        .unwrap()
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).unwrap().to_str().unwrap()
}

#[tokio::test]
async fn the_portal_may_upload_to_a_bucket_without_rules() {
    let world = given::world().await;
    let answer = preflight(&world, ORIGIN, "PUT").await;
    assert_eq!(answer.status(), 200);
    let headers = answer.headers();
    assert_eq!(text(headers, "access-control-allow-origin"), ORIGIN);
    let allowed = text(headers, "access-control-allow-headers");
    assert_eq!(allowed, "content-type, x-amz-checksum-sha256");
    assert!(text(headers, "access-control-allow-methods").contains("PUT"));
    let exposed = text(headers, "access-control-expose-headers");
    for header in ["ETag", "x-amz-checksum-sha256"] {
        assert!(exposed.contains(header), "{exposed}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused() {
    let world = given::world().await;
    for origin in ["http://evil.example", "http://portal.example.evil", "null"] {
        let answer = preflight(&world, origin, "PUT").await;
        assert_eq!(answer.status(), 403, "{origin}");
        let headers = answer.headers();
        assert!(!headers.contains_key("access-control-allow-origin"));
    }
}

/// The upload page must be able to read a refusal, to sign again.
#[tokio::test]
async fn also_an_error_may_be_read_by_the_page() {
    let world = given::world().await;
    let put = given::http().put(world.url("alpha/upload"));
    let answer = put.header("origin", ORIGIN).body("x").send().await.unwrap();
    assert_eq!(answer.status(), 403);
    let headers = answer.headers();
    assert_eq!(text(headers, "access-control-allow-origin"), ORIGIN);
    assert!(text(headers, "vary").contains("Origin"));
}

#[tokio::test]
async fn rules_of_a_bucket_replace_the_default_until_deleted() {
    let world = given::world().await;
    let get = || world.client.get_bucket_cors().bucket(BUCKET).send();
    let none = given::refusal(get().await);
    assert_eq!(none, (404, "NoSuchCORSConfiguration".to_owned()));
    let rule = CorsRule::builder()
        .allowed_origins("https://*.university.example")
        .allowed_methods("GET")
        .allowed_headers("content-*")
        .allowed_headers("x-amz-*")
        .expose_headers("ETag")
        .max_age_seconds(60);
    let rules = CorsConfiguration::builder().cors_rules(rule.build().unwrap());
    let put = world.client.put_bucket_cors().bucket(BUCKET);
    let put = put.cors_configuration(rules.build().unwrap());
    put.send().await.unwrap();
    let shown = get().await.unwrap();
    assert_eq!(shown.cors_rules()[0].max_age_seconds(), Some(60));

    let page = "https://a.university.example";
    assert_eq!(preflight(&world, page, "GET").await.status(), 200);
    assert_eq!(preflight(&world, page, "PUT").await.status(), 403);
    assert_eq!(preflight(&world, ORIGIN, "GET").await.status(), 403);

    let delete = world.client.delete_bucket_cors().bucket(BUCKET);
    delete.send().await.unwrap();
    assert_eq!(preflight(&world, ORIGIN, "PUT").await.status(), 200);
}
