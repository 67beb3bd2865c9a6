use aws_sdk_s3::{
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};

use crate::given::{self, BUCKET};

fn failed() -> (u16, String) {
    (412, "PreconditionFailed".to_owned())
}

#[tokio::test]
async fn a_put_that_must_be_first_happens_once() {
    let world = given::world().await;
    let put = |body: &'static [u8]| {
        let put = world.client.put_object().bucket(BUCKET).key("a");
        let put = put.if_none_match("*").body(ByteStream::from_static(body));
        put.send()
    };
    put(b"first").await.unwrap();
    assert_eq!(given::refusal(put(b"second").await), failed());
    assert_eq!(given::get(&world.client, "a").await, b"first");
    let delete = world.client.delete_object().bucket(BUCKET).key("a");
    delete.send().await.unwrap();
    put(b"third").await.unwrap();
}

#[tokio::test]
async fn a_put_onto_a_known_state_happens_only_there() {
    let world = given::world().await;
    let put = |etag: &str| {
        let put = world.client.put_object().bucket(BUCKET).key("a");
        put.if_match(etag)
            .body(ByteStream::from_static(b"new"))
            .send()
    };
    let nothing = given::refusal(put("\"any\"").await);
    assert_eq!(nothing, (404, "NoSuchKey".to_owned()));
    let etag = given::put(&world.client, "a", "old").await;
    let other = "\"00000000000000000000000000000000\"";
    assert_eq!(given::refusal(put(other).await), failed());
    put(&etag).await.unwrap();
    assert_eq!(given::refusal(put(&etag).await), failed());
    assert_eq!(given::get(&world.client, "a").await, b"new");
}

#[tokio::test]
async fn a_complete_that_must_be_first_is_refused_where_the_key_is_taken() {
    let world = given::world().await;
    let create = world.client.create_multipart_upload().bucket(BUCKET);
    let upload = create.key("a").send().await.unwrap().upload_id.unwrap();
    let part = world.client.upload_part().bucket(BUCKET).key("a");
    let part = part.upload_id(&upload).part_number(1);
    let part = part.body(ByteStream::from_static(b"part")).send().await;
    let part = CompletedPart::builder()
        .part_number(1)
        .set_e_tag(part.unwrap().e_tag);
    let parts = CompletedMultipartUpload::builder()
        .parts(part.build())
        .build();
    let etag = given::put(&world.client, "a", "taken").await;
    let complete = || {
        let complete = world.client.complete_multipart_upload();
        let complete = complete.bucket(BUCKET).key("a").upload_id(&upload);
        complete.multipart_upload(parts.clone())
    };
    let first = complete().if_none_match("*").send().await;
    assert_eq!(given::refusal(first), failed());
    let other = complete().if_match("\"other\"").send().await;
    assert_eq!(given::refusal(other), failed());
    complete().if_match(etag).send().await.unwrap();
    assert_eq!(given::get(&world.client, "a").await, b"part");
}

#[tokio::test]
async fn a_read_of_what_is_known_already_answers_not_modified() {
    let world = given::world().await;
    let etag = given::put(&world.client, "a", "x").await;
    let get = || world.client.get_object().bucket(BUCKET).key("a");
    let head = || world.client.head_object().bucket(BUCKET).key("a");
    let known = get().if_none_match(&etag).send().await;
    assert_eq!(given::refusal(known).0, 304);
    let known = head().if_none_match(&etag).send().await;
    assert_eq!(given::refusal(known).0, 304);
    get().if_none_match("\"other\"").send().await.unwrap();
    let modified = head().send().await.unwrap().last_modified.unwrap();
    let since = get().if_modified_since(modified).send().await;
    assert_eq!(given::refusal(since).0, 304);
}

#[tokio::test]
async fn a_read_of_another_state_than_expected_is_refused() {
    let world = given::world().await;
    let etag = given::put(&world.client, "a", "x").await;
    let get = || world.client.get_object().bucket(BUCKET).key("a");
    get().if_match(&etag).send().await.unwrap();
    let other = get().if_match("\"other\"").send().await;
    assert_eq!(given::refusal(other), failed());
    let long_ago = aws_sdk_s3::primitives::DateTime::from_secs(1_000_000_000);
    let changed = get().if_unmodified_since(long_ago).send().await;
    assert_eq!(given::refusal(changed), failed());
}

#[tokio::test]
async fn a_delete_of_another_state_than_expected_is_refused() {
    let world = given::world().await;
    let etag = given::put(&world.client, "a", "x").await;
    let delete = || world.client.delete_object().bucket(BUCKET).key("a");
    let other = delete().if_match("\"other\"").send().await;
    assert_eq!(given::refusal(other), failed());
    assert_eq!(given::get(&world.client, "a").await, b"x");
    delete().if_match(etag).send().await.unwrap();
}
