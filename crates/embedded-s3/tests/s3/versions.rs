use aws_sdk_s3::{Client, primitives::ByteStream, types::BucketVersioningStatus};

use crate::given::{self, BUCKET};

async fn put(client: &Client, body: &'static str) -> Option<String> {
    let put = client.put_object().bucket(BUCKET).key("a");
    let put = put.body(ByteStream::from_static(body.as_bytes()));
    put.send().await.unwrap().version_id
}

async fn read(client: &Client, version: &str) -> Result<Vec<u8>, (u16, String)> {
    let get = client.get_object().bucket(BUCKET).key("a");
    match get.version_id(version).send().await {
        Ok(object) => {
            assert_eq!(object.version_id(), Some(version));
            Ok(object.body.collect().await.unwrap().to_vec())
        }
        error => Err(given::refusal(error)),
    }
}

#[tokio::test]
async fn every_version_stays_readable_by_its_id() {
    let world = given::world_with_versions().await;
    let first = put(&world.client, "one").await.unwrap();
    let second = put(&world.client, "two").await.unwrap();
    assert_ne!(first, second);
    assert_eq!(read(&world.client, &first).await.unwrap(), b"one");
    assert_eq!(read(&world.client, &second).await.unwrap(), b"two");
    assert_eq!(given::get(&world.client, "a").await, b"two");
    let unknown = first.replace(|_: char| true, "f");
    let expected = (404, "NoSuchVersion".to_owned());
    assert_eq!(read(&world.client, &unknown).await, Err(expected.clone()));
    assert_eq!(read(&world.client, "é").await, Err(expected));
}

#[tokio::test]
async fn a_delete_hides_and_removing_the_marker_shows_again() {
    let world = given::world_with_versions().await;
    let kept = put(&world.client, "kept").await.unwrap();
    let delete = || world.client.delete_object().bucket(BUCKET).key("a");
    let deleted = delete().send().await.unwrap();
    assert_eq!(deleted.delete_marker(), Some(true));
    let marker = deleted.version_id.unwrap();
    let get = world.client.get_object().bucket(BUCKET).key("a");
    let hidden = get.send().await;
    let error = hidden.as_ref().unwrap_err().raw_response().unwrap();
    let header = error.headers().get("x-amz-delete-marker");
    assert_eq!(header, Some("true"));
    assert_eq!(given::refusal(hidden), (404, "NoSuchKey".to_owned()));
    let of_marker = read(&world.client, &marker).await;
    assert_eq!(of_marker, Err((405, "MethodNotAllowed".to_owned())));
    assert_eq!(read(&world.client, &kept).await.unwrap(), b"kept");
    let list = world.client.list_object_versions().bucket(BUCKET);
    let list = list.send().await.unwrap();
    assert_eq!(list.versions().len(), 1);
    assert_eq!(list.versions()[0].is_latest(), Some(false));
    assert_eq!(list.delete_markers()[0].version_id(), Some(marker.as_str()));
    assert_eq!(list.delete_markers()[0].is_latest(), Some(true));

    let removed = delete().version_id(&marker).send().await.unwrap();
    assert_eq!(removed.delete_marker(), Some(true));
    assert_eq!(given::get(&world.client, "a").await, b"kept");
}

#[tokio::test]
async fn a_version_deleted_by_id_is_gone_for_good() {
    let world = given::world_with_versions().await;
    let first = put(&world.client, "one").await.unwrap();
    put(&world.client, "two").await.unwrap();
    let delete = world.client.delete_object().bucket(BUCKET).key("a");
    delete.version_id(&first).send().await.unwrap();
    let gone = read(&world.client, &first).await;
    assert_eq!(gone, Err((404, "NoSuchVersion".to_owned())));
    assert_eq!(given::get(&world.client, "a").await, b"two");
    assert_eq!(crate::objects::blobs(world.folder.path()), 1);
}

#[tokio::test]
async fn what_was_there_before_versioning_is_the_null_version() {
    let world = given::world().await;
    assert_eq!(put(&world.client, "before").await, None);
    given::set_versioning(&world.client, BucketVersioningStatus::Enabled).await;
    put(&world.client, "after").await.unwrap();
    assert_eq!(read(&world.client, "null").await.unwrap(), b"before");
    assert_eq!(given::get(&world.client, "a").await, b"after");
}

#[tokio::test]
async fn suspending_keeps_the_versions_and_replaces_only_null() {
    let world = given::world_with_versions().await;
    let kept = put(&world.client, "kept").await.unwrap();
    given::set_versioning(&world.client, BucketVersioningStatus::Suspended).await;
    assert_eq!(put(&world.client, "one").await.as_deref(), Some("null"));
    assert_eq!(put(&world.client, "two").await.as_deref(), Some("null"));
    assert_eq!(read(&world.client, "null").await.unwrap(), b"two");
    assert_eq!(read(&world.client, &kept).await.unwrap(), b"kept");
    let list = world.client.list_object_versions().bucket(BUCKET);
    assert_eq!(list.send().await.unwrap().versions().len(), 2);
    let versioning = world.client.get_bucket_versioning().bucket(BUCKET);
    let status = versioning.send().await.unwrap().status;
    assert_eq!(status, Some(BucketVersioningStatus::Suspended));
}

#[tokio::test]
async fn a_bucket_with_versions_left_is_not_removed() {
    let world = given::world_with_versions().await;
    put(&world.client, "one").await;
    let delete = world.client.delete_object().bucket(BUCKET).key("a");
    delete.send().await.unwrap();
    let list = world.client.list_objects_v2().bucket(BUCKET).send().await;
    assert_eq!(list.unwrap().key_count(), Some(0));
    let bucket = world.client.delete_bucket().bucket(BUCKET).send().await;
    assert_eq!(given::refusal(bucket), (409, "BucketNotEmpty".to_owned()));
}
