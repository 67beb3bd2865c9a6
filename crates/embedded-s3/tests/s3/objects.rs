use aws_sdk_s3::primitives::ByteStream;

use crate::given::{self, BUCKET, MIB};

#[tokio::test]
async fn an_object_comes_back_with_its_bytes_and_headers() {
    let world = given::world().await;
    let bytes = given::noise(3 * MIB + 17, 1);
    let put = world.client.put_object().bucket(BUCKET).key("data.jsonl");
    let put = put
        .body(ByteStream::from(bytes.clone()))
        .content_type("application/jsonl")
        .content_encoding("zstd")
        .cache_control("no-store")
        .content_disposition("attachment")
        .content_language("nl")
        .metadata("origin", "waterland")
        .send()
        .await
        .unwrap();
    assert!(given::has_request_id(&put));

    let get = world.client.get_object().bucket(BUCKET).key("data.jsonl");
    let object = get.send().await.unwrap();
    assert_eq!(object.content_type(), Some("application/jsonl"));
    assert_eq!(object.content_encoding(), Some("zstd"));
    assert_eq!(object.cache_control(), Some("no-store"));
    assert_eq!(object.content_disposition(), Some("attachment"));
    assert_eq!(object.content_language(), Some("nl"));
    let metadata = object.metadata().unwrap();
    assert_eq!(metadata.get("origin").unwrap(), "waterland");
    assert_eq!(object.e_tag(), put.e_tag());
    assert_eq!(object.body.collect().await.unwrap().to_vec(), bytes);

    let head = world.client.head_object().bucket(BUCKET).key("data.jsonl");
    let head = head.send().await.unwrap();
    assert_eq!(head.content_length(), Some(bytes.len() as i64));
    assert_eq!(head.content_type(), Some("application/jsonl"));
    assert_eq!(head.e_tag(), put.e_tag());
}

#[tokio::test]
async fn an_empty_object_is_an_object() {
    let world = given::world().await;
    given::put(&world.client, "empty", "").await;
    assert_eq!(given::get(&world.client, "empty").await, b"");
}

#[tokio::test]
async fn a_range_gives_just_those_bytes() {
    let world = given::world().await;
    let bytes = given::noise(2 * MIB, 2);
    given::put(&world.client, "a", bytes.clone()).await;
    let cases = [
        ("bytes=0-0", 0..1),
        ("bytes=1000-1048600", 1000..1_048_601),
        ("bytes=2097151-", 2_097_151..2_097_152),
        ("bytes=-5", 2_097_147..2_097_152),
        ("bytes=2097000-9999999", 2_097_000..2_097_152),
    ];
    for (range, expected) in cases {
        let get = world.client.get_object().bucket(BUCKET).key("a");
        let part = get.range(range).send().await.unwrap();
        let header = format!("bytes {}-{}/2097152", expected.start, expected.end - 1);
        assert_eq!(part.content_range(), Some(header.as_str()));
        let body = part.body.collect().await.unwrap().to_vec();
        assert!(body == bytes[expected], "{range}");
    }
    let get = world.client.get_object().bucket(BUCKET).key("a");
    let beyond = get.range("bytes=2097152-").send().await;
    assert_eq!(
        given::refusal(beyond),
        (416, "InvalidRange".to_owned()),
        "a range behind the end"
    );
}

#[tokio::test]
async fn what_is_not_there_is_named_by_its_kind() {
    let world = given::world().await;
    let get = world.client.get_object().bucket(BUCKET).key("nothing");
    let no_key = given::refusal(get.send().await);
    assert_eq!(no_key, (404, "NoSuchKey".to_owned()));
    let put = world.client.put_object().bucket("nowhere").key("a");
    let put = put.body(ByteStream::from_static(b"x")).send().await;
    assert_eq!(given::refusal(put), (404, "NoSuchBucket".to_owned()));
    let delete = world.client.delete_object().bucket(BUCKET).key("nothing");
    delete.send().await.unwrap();
}

#[tokio::test]
async fn an_overwritten_object_leaves_no_bytes_behind() {
    let world = given::world().await;
    for round in 0..3 {
        given::put(&world.client, "a", given::noise(1000, round)).await;
    }
    assert_eq!(blobs(world.folder.path()), 1, "after overwriting");
    let delete = world.client.delete_object().bucket(BUCKET).key("a");
    delete.send().await.unwrap();
    assert_eq!(blobs(world.folder.path()), 0, "after deleting");
}

/// A reader that has begun keeps what it reads, whatever becomes of the object: of its parts, only the first is open.
#[tokio::test]
async fn an_object_deleted_while_it_is_read_is_read_to_its_end() {
    let world = given::world().await;
    let bytes = given::noise(15 * MIB, 3);
    let pieces: Vec<_> = bytes.chunks(5 * MIB).map(<[u8]>::to_vec).collect();
    crate::multipart::upload(&world.client, "a", pieces).await;
    assert_eq!(blobs(world.folder.path()), 3);
    let get = world.client.get_object().bucket(BUCKET).key("a");
    let object = get.send().await.unwrap();
    let delete = world.client.delete_object().bucket(BUCKET).key("a");
    delete.send().await.unwrap();
    let head = world.client.head_object().bucket(BUCKET).key("a");
    assert_eq!(given::refusal(head.send().await).0, 404);
    assert!(object.body.collect().await.unwrap().to_vec() == bytes);
    // The connections end before the server does, and let go of what they held.
    world.server.stop().await;
    assert_eq!(blobs(world.folder.path()), 0, "then its bytes go too");
}

#[tokio::test]
async fn a_bucket_is_removed_only_when_empty() {
    let world = given::world().await;
    let again = world.client.create_bucket().bucket(BUCKET).send().await;
    let expected = (409, "BucketAlreadyOwnedByYou".to_owned());
    assert_eq!(given::refusal(again), expected);
    given::put(&world.client, "a", "x").await;
    let delete = || world.client.delete_bucket().bucket(BUCKET).send();
    let full = given::refusal(delete().await);
    assert_eq!(full, (409, "BucketNotEmpty".to_owned()));
    let object = world.client.delete_object().bucket(BUCKET).key("a");
    object.send().await.unwrap();
    delete().await.unwrap();
    let head = world.client.head_bucket().bucket(BUCKET).send().await;
    assert_eq!(given::refusal(head).0, 404);
}

#[tokio::test]
async fn many_objects_are_deleted_in_one_request() {
    use aws_sdk_s3::types::{Delete, ObjectIdentifier};
    let world = given::world().await;
    for key in ["a", "b", "c"] {
        given::put(&world.client, key, key).await;
    }
    let named = |key: &str| ObjectIdentifier::builder().key(key).build().unwrap();
    let delete = Delete::builder()
        .objects(named("a"))
        .objects(named("c"))
        .objects(named("never there"));
    let request = world.client.delete_objects().bucket(BUCKET);
    let answer = request
        .delete(delete.build().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.deleted().len(), 3);
    assert!(answer.errors().is_empty());
    let left = world.client.list_objects_v2().bucket(BUCKET).send().await;
    let left = left.unwrap();
    let left: Vec<_> = left.contents().iter().filter_map(|one| one.key()).collect();
    assert_eq!(left, ["b"]);
}

#[tokio::test]
async fn what_is_not_offered_is_refused_rather_than_ignored() {
    use aws_sdk_s3::types::{ObjectCannedAcl, ServerSideEncryption};
    let world = given::world().await;
    let put = || world.client.put_object().bucket(BUCKET).key("a");
    let encrypted = put().server_side_encryption(ServerSideEncryption::Aes256);
    let public = put().acl(ObjectCannedAcl::PublicRead);
    let tagged = put().tagging("a=b");
    for request in [encrypted, public, tagged] {
        let answer = given::refusal(request.send().await);
        assert_eq!(answer, (501, "NotImplemented".to_owned()));
    }
}

/// How many files hold bytes of objects.
pub(crate) fn blobs(folder: &std::path::Path) -> usize {
    let shards = std::fs::read_dir(folder.join("blobs")).unwrap();
    shards
        .map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap().count())
        .sum()
}
