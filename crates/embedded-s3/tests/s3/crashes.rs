use std::collections::BTreeMap;

use aws_sdk_s3::{Client, primitives::ByteStream, types::CompletedMultipartUpload};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::given::{self, BUCKET, MIB, Process};

fn body(writer: u64, round: u64) -> Vec<u8> {
    given::noise(
        200_000 + usize::try_from(round).unwrap(),
        writer * 1000 + round,
    )
}

/// Everything in the bucket, by key, each object read whole and checked against its ETag.
async fn contents(client: &Client) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut pages = client
        .list_objects_v2()
        .bucket(BUCKET)
        .into_paginator()
        .send();
    while let Some(page) = pages.next().await {
        for object in page.unwrap().contents() {
            let key = object.key().unwrap();
            let bytes = given::get(client, key).await;
            assert_eq!(object.size(), Some(bytes.len() as i64), "{key}");
            all.insert(key.to_owned(), Sha256::digest(&bytes).to_vec());
        }
    }
    all
}

/// What was acknowledged is there and whole after `kill -9` in the middle of writing; nothing else is left over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for life in 0..3_u64 {
        let process = Process::start(folder.path(), None);
        if life == 0 {
            let create = process.client().create_bucket().bucket(BUCKET);
            create.send().await.unwrap();
        }
        let (sender, mut written) = mpsc::channel(1);
        for writer in 0..4_u64 {
            let (client, sender) = (process.client(), sender.clone());
            tokio::spawn(async move {
                for round in 0.. {
                    let key = format!("{life}/{writer}/{round}");
                    let bytes = body(writer, round);
                    let put = client.put_object().bucket(BUCKET).key(&key);
                    let put = put.body(ByteStream::from(bytes.clone()));
                    if put.send().await.is_err() {
                        return;
                    }
                    let sum = Sha256::digest(&bytes).to_vec();
                    if sender.send((key, sum)).await.is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for _ in 0..30 {
            let (key, sum) = written.recv().await.unwrap();
            acknowledged.insert(key, sum);
        }
        process.kill();
        while let Some((key, sum)) = written.recv().await {
            acknowledged.insert(key, sum);
        }
    }
    let process = Process::start(folder.path(), None);
    let found = contents(&process.client()).await;
    for (key, sum) in &acknowledged {
        assert_eq!(found.get(key), Some(sum), "{key}");
    }
    let blobs = crate::objects::blobs(folder.path());
    assert_eq!(blobs, found.len(), "no bytes without an object");
    let leftover = std::fs::read_dir(folder.path().join("tmp")).unwrap();
    assert_eq!(leftover.count(), 0);
}

#[tokio::test]
async fn an_upload_goes_on_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), None);
    let client = process.client();
    client.create_bucket().bucket(BUCKET).send().await.unwrap();
    let create = client.create_multipart_upload().bucket(BUCKET);
    let upload = create.key("a").send().await.unwrap().upload_id.unwrap();
    let pieces = [given::noise(5 * MIB, 1), given::noise(10, 2)];
    let send = |client: Client, number: i32| {
        let part = client.upload_part().bucket(BUCKET).key("a");
        let part = part.upload_id(&upload).part_number(number);
        let piece = pieces[usize::try_from(number).unwrap() - 1].clone();
        part.body(ByteStream::from(piece)).send()
    };
    send(client, 1).await.unwrap();
    process.kill();

    let process = Process::start(folder.path(), None);
    let client = process.client();
    let list = client.list_parts().bucket(BUCKET).key("a");
    let list = list.upload_id(&upload).send().await.unwrap();
    assert_eq!(list.parts().len(), 1, "the first part is still there");
    send(client.clone(), 2).await.unwrap();
    let list = client.list_parts().bucket(BUCKET).key("a");
    let list = list.upload_id(&upload).send().await.unwrap();
    let mut parts = CompletedMultipartUpload::builder();
    for part in list.parts() {
        let part = aws_sdk_s3::types::CompletedPart::builder()
            .set_part_number(part.part_number())
            .set_e_tag(part.e_tag().map(str::to_owned));
        parts = parts.parts(part.build());
    }
    let complete = client.complete_multipart_upload().bucket(BUCKET);
    let complete = complete.key("a").upload_id(&upload);
    complete
        .multipart_upload(parts.build())
        .send()
        .await
        .unwrap();
    assert!(given::get(&client, "a").await == pieces.concat());
}

#[tokio::test]
async fn bytes_that_nothing_names_are_removed_at_the_start() {
    let world = given::world().await;
    given::put(&world.client, "a", "kept").await;
    let folder = world.folder;
    world.server.stop().await;
    let orphan = folder
        .path()
        .join("blobs/00/0123456789abcdef0123456789abcd00");
    let unfinished = folder.path().join("tmp/0123456789abcdef0123456789abcdef");
    std::fs::write(&orphan, "orphan").unwrap();
    std::fs::write(&unfinished, "unfinished").unwrap();
    let server = embedded_s3::start(given::config(folder.path())).await;
    let server = server.unwrap();
    assert!(!orphan.exists());
    assert!(!unfinished.exists());
    let client = given::client(&server.endpoint(), given::ACCESS_KEY, given::SECRET_KEY);
    assert_eq!(given::get(&client, "a").await, b"kept");
}

#[tokio::test]
async fn a_stop_and_a_start_keep_everything() {
    let world = given::world_with_versions().await;
    given::put(&world.client, "a", "one").await;
    given::put(&world.client, "a", "two").await;
    let folder = world.folder;
    world.server.stop().await;
    let server = embedded_s3::start(given::config(folder.path())).await;
    let server = server.unwrap();
    let client = given::client(&server.endpoint(), given::ACCESS_KEY, given::SECRET_KEY);
    let list = client.list_object_versions().bucket(BUCKET).send().await;
    assert_eq!(list.unwrap().versions().len(), 2);
    assert_eq!(given::get(&client, "a").await, b"two");
}

/// The old server's tasks end by themselves; the new one waits for them.
#[tokio::test]
async fn a_server_that_was_dropped_can_be_started_again() {
    let world = given::world().await;
    given::put(&world.client, "a", "kept").await;
    let folder = world.folder;
    drop(world.server);
    let server = embedded_s3::start(given::config(folder.path())).await;
    let server = server.unwrap();
    let client = given::client(&server.endpoint(), given::ACCESS_KEY, given::SECRET_KEY);
    assert_eq!(given::get(&client, "a").await, b"kept");
}
