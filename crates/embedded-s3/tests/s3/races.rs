use std::collections::BTreeSet;

use aws_sdk_s3::{
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use tokio::task::JoinSet;

use crate::given::{self, BUCKET};

const WRITERS: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_writers_who_must_be_first_exactly_one_is() {
    let world = given::world().await;
    for round in 0..4 {
        let key = format!("round {round}");
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let put = world.client.put_object().bucket(BUCKET).key(&key);
            let body = ByteStream::from(format!("writer {writer}").into_bytes());
            let put = put.if_none_match("*").body(body);
            writers.spawn(async move { (writer, put.send().await) });
        }
        let mut winners = Vec::new();
        for (writer, answer) in writers.join_all().await {
            if answer.is_ok() {
                winners.push(writer);
            } else {
                let refusal = given::refusal(answer);
                assert_eq!(refusal, (412, "PreconditionFailed".to_owned()));
            }
        }
        assert_eq!(winners.len(), 1, "exactly one writer wins: {winners:?}");
        let winner = winners[0];
        let kept = given::get(&world.client, &key).await;
        assert_eq!(kept, format!("writer {winner}").into_bytes());
    }
    let blobs = crate::objects::blobs(world.folder.path());
    assert_eq!(blobs, 4, "the losers leave nothing behind");
}

/// A counter that many raise by read, change and conditional write loses no step.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conditional_writes_lose_no_update() {
    let world = given::world().await;
    given::put(&world.client, "counter", "0").await;
    let mut writers = JoinSet::new();
    for _ in 0..4 {
        let client = world.client.clone();
        writers.spawn(async move {
            let mut raised = 0;
            while raised < 5 {
                let get = client.get_object().bucket(BUCKET).key("counter");
                let object = get.send().await.unwrap();
                let etag = object.e_tag().unwrap().to_owned();
                let bytes = object.body.collect().await.unwrap().to_vec();
                let value: u32 = String::from_utf8(bytes).unwrap().parse().unwrap();
                let put = client.put_object().bucket(BUCKET).key("counter");
                let body = ByteStream::from((value + 1).to_string().into_bytes());
                if put.if_match(etag).body(body).send().await.is_ok() {
                    raised += 1;
                }
            }
        });
    }
    writers.join_all().await;
    assert_eq!(given::get(&world.client, "counter").await, b"20");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_whole_objects_while_they_are_overwritten() {
    let world = given::world().await;
    let body = |round: u64| given::noise(300_000, round % 4);
    let possible: BTreeSet<Vec<u8>> = (0..4).map(body).collect();
    given::put(&world.client, "a", body(0)).await;
    let mut tasks = JoinSet::new();
    for writer in 0..2 {
        let client = world.client.clone();
        tasks.spawn(async move {
            for round in 0..12 {
                given::put(&client, "a", body(writer + round)).await;
            }
        });
    }
    for _ in 0..3 {
        let (client, possible) = (world.client.clone(), possible.clone());
        tasks.spawn(async move {
            for _ in 0..12 {
                let seen = given::get(&client, "a").await;
                assert!(possible.contains(&seen), "a mixture of two writes");
            }
        });
    }
    tasks.join_all().await;
    world.server.stop().await;
    assert_eq!(crate::objects::blobs(world.folder.path()), 1);
}

/// The upload ends once: as an object, or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_complete_and_an_abort_at_once_do_not_both_happen() {
    let world = given::world().await;
    for round in 0..6 {
        let key = format!("round {round}");
        let create = world.client.create_multipart_upload().bucket(BUCKET);
        let upload = create.key(&key).send().await.unwrap().upload_id.unwrap();
        let part = world.client.upload_part().bucket(BUCKET).key(&key);
        let part = part.upload_id(&upload).part_number(1);
        let part = part.body(ByteStream::from_static(b"x")).send().await;
        let part = CompletedPart::builder()
            .part_number(1)
            .set_e_tag(part.unwrap().e_tag);
        let parts = CompletedMultipartUpload::builder().parts(part.build());
        let complete = world.client.complete_multipart_upload().bucket(BUCKET);
        let complete = complete.key(&key).upload_id(&upload);
        let complete = complete.multipart_upload(parts.build()).send();
        let abort = world.client.abort_multipart_upload().bucket(BUCKET);
        let abort = abort.key(&key).upload_id(&upload).send();
        let (completed, aborted) = tokio::join!(complete, abort);
        assert_ne!(completed.is_ok(), aborted.is_ok());
        let get = world.client.get_object().bucket(BUCKET).key(&key);
        assert_eq!(get.send().await.is_ok(), completed.is_ok());
    }
}
