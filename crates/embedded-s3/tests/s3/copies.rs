use aws_sdk_s3::{
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart, MetadataDirective},
};

use crate::given::{self, BUCKET, MIB};

#[tokio::test]
async fn a_copy_outlives_its_source_without_copying_bytes() {
    let world = given::world().await;
    let bytes = given::noise(MIB, 1);
    let etag = given::put(&world.client, "from", bytes.clone()).await;
    let copy = world.client.copy_object().bucket(BUCKET).key("to");
    let copy = copy.copy_source("alpha/from").send().await.unwrap();
    let result = copy.copy_object_result().unwrap();
    assert_eq!(result.e_tag(), Some(etag.as_str()));
    assert_eq!(crate::objects::blobs(world.folder.path()), 1);
    let delete = world.client.delete_object().bucket(BUCKET).key("from");
    delete.send().await.unwrap();
    assert!(given::get(&world.client, "to").await == bytes);
}

#[tokio::test]
async fn a_copy_takes_new_metadata_where_told_to() {
    let world = given::world().await;
    let put = world.client.put_object().bucket(BUCKET).key("a");
    let put = put.body(ByteStream::from_static(b"x"));
    put.metadata("old", "1").send().await.unwrap();
    let copy = || {
        let copy = world.client.copy_object().bucket(BUCKET);
        copy.copy_source("alpha/a")
    };
    let onto_itself = copy().key("a").send().await;
    let refusal = given::refusal(onto_itself);
    assert_eq!(refusal, (400, "InvalidRequest".to_owned()));
    let replace = copy().key("a").metadata("new", "2");
    let replace = replace.metadata_directive(MetadataDirective::Replace);
    replace.send().await.unwrap();
    let head = world.client.head_object().bucket(BUCKET).key("a");
    let head = head.send().await.unwrap();
    let metadata = head.metadata().unwrap();
    assert_eq!(metadata.get("new").unwrap(), "2");
    assert!(!metadata.contains_key("old"));
    assert_eq!(given::get(&world.client, "a").await, b"x");
}

#[tokio::test]
async fn a_copy_of_an_exact_version_or_of_none() {
    let world = given::world_with_versions().await;
    let put = world.client.put_object().bucket(BUCKET).key("a");
    let put = put.body(ByteStream::from_static(b"one")).send().await;
    let first = put.unwrap().version_id.unwrap();
    given::put(&world.client, "a", "two").await;
    let copy = |source: String| {
        let copy = world.client.copy_object().bucket(BUCKET).key("b");
        copy.copy_source(source).send()
    };
    let done = copy(format!("alpha/a?versionId={first}")).await.unwrap();
    assert_eq!(done.copy_source_version_id(), Some(first.as_str()));
    assert_eq!(given::get(&world.client, "b").await, b"one");
    let missing = given::refusal(copy("alpha/nothing".to_owned()).await);
    assert_eq!(missing, (404, "NoSuchKey".to_owned()));
}

#[tokio::test]
async fn a_part_is_copied_from_a_range_of_another_object() {
    let world = given::world().await;
    let source = given::noise(6 * MIB, 2);
    given::put(&world.client, "from", source.clone()).await;
    let create = world.client.create_multipart_upload().bucket(BUCKET);
    let upload = create.key("to").send().await.unwrap().upload_id.unwrap();
    let mut parts = CompletedMultipartUpload::builder();
    for (number, range) in [(1, "bytes=1-5242880"), (2, "bytes=0-9")] {
        let part = world.client.upload_part_copy().bucket(BUCKET).key("to");
        let part = part.upload_id(&upload).part_number(number);
        let part = part.copy_source("alpha/from").copy_source_range(range);
        let result = part.send().await.unwrap().copy_part_result.unwrap();
        let part = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(result.e_tag);
        parts = parts.parts(part.build());
    }
    let complete = world.client.complete_multipart_upload().bucket(BUCKET);
    let complete = complete.key("to").upload_id(&upload);
    complete
        .multipart_upload(parts.build())
        .send()
        .await
        .unwrap();
    let expected = [&source[1..=5_242_880], &source[0..10]].concat();
    assert!(given::get(&world.client, "to").await == expected);
}
