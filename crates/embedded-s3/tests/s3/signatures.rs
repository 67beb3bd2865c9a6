use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Builder, Credentials, Region},
};

use crate::given::{self, ACCESS_KEY, BUCKET, SECRET_KEY};

#[tokio::test]
async fn a_request_without_a_signature_is_refused() {
    let world = given::world().await;
    given::put(&world.client, "a", "secret").await;
    let http = given::http();
    let requests = [
        http.get(world.url("alpha/a")),
        http.get(world.url("alpha?list-type=2")),
        http.get(world.url("")),
        http.put(world.url("alpha/a")).body("mine"),
        http.delete(world.url("alpha/a")),
        http.post(world.url("alpha/a?uploads")),
    ];
    for request in requests {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 403, "{}", answer.url());
    }
    assert_eq!(given::get(&world.client, "a").await, b"secret");
}

#[tokio::test]
async fn a_wrong_secret_or_name_is_refused() {
    let world = given::world().await;
    let endpoint = world.server.endpoint();
    let wrong = given::client(&endpoint, ACCESS_KEY, "another long secret");
    let answer = given::refusal(wrong.list_buckets().send().await);
    assert_eq!(answer, (403, "SignatureDoesNotMatch".to_owned()));
    let unknown = given::client(&endpoint, "nobody", SECRET_KEY);
    let answer = given::refusal(unknown.list_buckets().send().await);
    assert_eq!(answer, (403, "InvalidAccessKeyId".to_owned()));
}

#[tokio::test]
async fn a_signature_for_another_region_is_refused() {
    let world = given::world().await;
    let config = Builder::new()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(world.server.endpoint())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"))
        .force_path_style(true);
    let client = Client::from_conf(config.build());
    let answer = given::refusal(client.list_buckets().send().await);
    assert_eq!(answer, (400, "AuthorizationHeaderMalformed".to_owned()));
}

#[tokio::test]
async fn other_ways_of_signing_are_refused() {
    let world = given::world().await;
    let http = given::http();
    let old = http.get(world.url("alpha/a"));
    let old = old.header("authorization", "AWS portal:c2lnbmF0dXJl");
    let presigned = "alpha/a?AWSAccessKeyId=portal&Expires=99999999999&Signature=x";
    let basic = http
        .get(world.url("alpha/a"))
        .basic_auth("portal", Some("x"));
    for request in [old, http.get(world.url(presigned)), basic] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 400);
    }
}

#[tokio::test]
async fn a_url_may_not_be_valid_for_more_than_a_week() {
    let world = given::world().await;
    let get = world.client.get_object().bucket(BUCKET).key("a");
    let signed = get.presigned(given::a_minute()).await.unwrap();
    let url = signed
        .uri()
        .replace("X-Amz-Expires=60", "X-Amz-Expires=700000");
    let answer = given::http().get(url).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let text = answer.text().await.unwrap();
    assert!(text.contains("AuthorizationQueryParametersError"), "{text}");
}
