//! A limit on the size of files stands for a full disk: the write fails in the same place.

use aws_sdk_s3::primitives::ByteStream;

use crate::given::{self, BUCKET, MIB, Process};

#[tokio::test]
async fn an_object_that_does_not_fit_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), Some(8 * 1024));
    let client = process.client();
    client.create_bucket().bucket(BUCKET).send().await.unwrap();
    given::put(&client, "a", "before").await;
    for key in ["a", "b"] {
        let put = client.put_object().bucket(BUCKET).key(key);
        let put = put.body(ByteStream::from(given::noise(12 * MIB, 1)));
        let refusal = given::refusal(put.send().await);
        assert_eq!(refusal, (507, "InsufficientStorage".to_owned()));
    }
    assert_eq!(given::get(&client, "a").await, b"before");
    let get = client.get_object().bucket(BUCKET).key("b").send().await;
    assert_eq!(given::refusal(get).0, 404, "nothing torn is visible");
    given::put(&client, "c", "after").await;
    assert_eq!(given::get(&client, "c").await, b"after");
    assert_eq!(crate::objects::blobs(folder.path()), 2);
    let unfinished = std::fs::read_dir(folder.path().join("tmp")).unwrap();
    assert_eq!(unfinished.count(), 0);
}

/// The library of the metadata file refuses everything after a failed write, until it is opened again.
#[tokio::test]
async fn when_the_metadata_cannot_grow_reads_go_on_and_deletes_make_room() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), None);
    let client = process.client();
    client.create_bucket().bucket(BUCKET).send().await.unwrap();
    given::put(&client, "first", "kept").await;
    process.kill();
    let size = std::fs::metadata(folder.path().join("metadata.redb"));
    let limit = size.unwrap().len() / 1024 + 16;
    let process = Process::start(folder.path(), Some(limit));
    let client = process.client();
    let mut stored = Vec::new();
    let refusal = loop {
        let key = format!("{}/{}", stored.len(), "x".repeat(900));
        let put = client.put_object().bucket(BUCKET).key(&key);
        let put = put.metadata("padding", "y".repeat(1900));
        let put = put.body(ByteStream::from_static(b"x"));
        match put.send().await {
            Ok(_) => stored.push(key),
            refused => break given::refusal(refused),
        }
        assert!(stored.len() < 5000, "the limit is reached some time");
    };
    assert_eq!(refusal, (507, "InsufficientStorage".to_owned()));
    assert_eq!(given::get(&client, "first").await, b"kept");
    for key in &stored {
        assert_eq!(given::get(&client, key).await, b"x", "{key}");
    }
    process.kill();

    let process = Process::start(folder.path(), None);
    let client = process.client();
    for key in &stored {
        assert_eq!(given::get(&client, key).await, b"x", "{key}");
    }
    given::put(&client, "last", "room again").await;
    assert_eq!(given::get(&client, "last").await, b"room again");
}
