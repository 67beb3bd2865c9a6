use aws_sdk_s3::{
    Client,
    error::SdkError,
    operation::complete_multipart_upload::{
        CompleteMultipartUploadError, CompleteMultipartUploadOutput,
    },
    primitives::ByteStream,
    types::{
        ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart,
        Part,
    },
};

use crate::given::{self, BUCKET, MIB};

const KEY: &str = "big/file";

async fn begin(client: &Client, algorithm: Option<ChecksumAlgorithm>) -> String {
    let create = client.create_multipart_upload().bucket(BUCKET).key(KEY);
    let create = create.set_checksum_algorithm(algorithm).send().await;
    create.unwrap().upload_id.unwrap()
}

async fn part(client: &Client, upload: &str, number: i32, bytes: Vec<u8>) -> CompletedPart {
    let part = client.upload_part().bucket(BUCKET).key(KEY);
    let part = part.upload_id(upload).part_number(number);
    let sent = part.body(ByteStream::from(bytes)).send().await.unwrap();
    CompletedPart::builder()
        .part_number(number)
        .set_e_tag(sent.e_tag)
        .set_checksum_sha256(sent.checksum_sha256)
        .build()
}

async fn complete(
    client: &Client,
    upload: &str,
    parts: Vec<CompletedPart>,
) -> Result<CompleteMultipartUploadOutput, SdkError<CompleteMultipartUploadError>> {
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts));
    let complete = client.complete_multipart_upload().bucket(BUCKET).key(KEY);
    let complete = complete.upload_id(upload).multipart_upload(parts.build());
    complete.send().await
}

fn code(
    answer: Result<CompleteMultipartUploadOutput, SdkError<CompleteMultipartUploadError>>,
) -> (u16, String) {
    given::refusal(answer)
}

#[tokio::test]
async fn parts_become_one_object_with_the_etag_of_their_etags() {
    let world = given::world().await;
    let upload = begin(&world.client, None).await;
    let (one, two) = (given::noise(5 * MIB, 1), given::noise(100, 2));
    let second = part(&world.client, &upload, 2, two.clone()).await;
    let first = part(&world.client, &upload, 1, one.clone()).await;
    let missing = world.client.get_object().bucket(BUCKET).key(KEY);
    let before = given::refusal(missing.send().await);
    assert_eq!(before.0, 404, "nothing is readable before it is complete");
    let done = complete(&world.client, &upload, vec![first, second]).await;
    let etag = done.unwrap().e_tag.unwrap();
    assert!(etag.ends_with("-2\""), "{etag}");
    let whole = [one, two].concat();
    assert!(given::get(&world.client, KEY).await == whole);
    // Across the border of two parts.
    let get = world.client.get_object().bucket(BUCKET).key(KEY);
    let range = get.range("bytes=5242870-5242890").send().await.unwrap();
    let body = range.body.collect().await.unwrap().to_vec();
    assert_eq!(body, &whole[5_242_870..5_242_891]);
}

#[tokio::test]
async fn a_wrong_etag_at_complete_is_refused() {
    let world = given::world().await;
    let upload = begin(&world.client, None).await;
    let right = part(&world.client, &upload, 1, b"part".to_vec()).await;
    let wrong = CompletedPart::builder().part_number(1);
    let wrong = wrong.e_tag("\"00000000000000000000000000000000\"").build();
    let answer = complete(&world.client, &upload, vec![wrong]).await;
    assert_eq!(code(answer), (400, "InvalidPart".to_owned()));
    let never_sent = CompletedPart::builder().part_number(7);
    let never_sent = never_sent.e_tag(right.e_tag().unwrap()).build();
    let answer = complete(&world.client, &upload, vec![never_sent]).await;
    assert_eq!(code(answer), (400, "InvalidPart".to_owned()));
    let done = complete(&world.client, &upload, vec![right]).await;
    done.unwrap();
}

#[tokio::test]
async fn a_wrong_checksum_at_complete_is_refused() {
    let world = given::world().await;
    let upload = begin(&world.client, Some(ChecksumAlgorithm::Sha256)).await;
    let right = part(&world.client, &upload, 1, b"part".to_vec()).await;
    let wrong = CompletedPart::builder()
        .part_number(1)
        .e_tag(right.e_tag().unwrap())
        .checksum_sha256("FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=");
    let answer = complete(&world.client, &upload, vec![wrong.build()]).await;
    assert_eq!(code(answer), (400, "InvalidPart".to_owned()));
    complete(&world.client, &upload, vec![right]).await.unwrap();
}

#[tokio::test]
async fn a_part_with_a_wrong_checksum_is_refused() {
    let world = given::world().await;
    let upload = begin(&world.client, Some(ChecksumAlgorithm::Sha256)).await;
    let part = || {
        let part = world.client.upload_part().bucket(BUCKET).key(KEY);
        let part = part.upload_id(&upload).part_number(1);
        part.body(ByteStream::from_static(b"part"))
    };
    let wrong = part().checksum_sha256("FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=");
    let answer = given::refusal(wrong.send().await);
    assert_eq!(answer, (400, "BadDigest".to_owned()));
    let other = part().checksum_crc32("y/Q5Jg==").send().await;
    let answer = given::refusal(other);
    assert_eq!(answer, (400, "InvalidRequest".to_owned()), "not SHA-256");
}

/// SHA-256 over the SHA-256 of the parts, as the manifest of a dataset has it.
#[tokio::test]
async fn the_checksum_of_the_whole_is_that_of_the_checksums() {
    use sha2::{Digest, Sha256};
    let world = given::world().await;
    let upload = begin(&world.client, Some(ChecksumAlgorithm::Sha256)).await;
    let (one, two) = (given::noise(5 * MIB, 3), b"rest".to_vec());
    let of_parts = [Sha256::digest(&one), Sha256::digest(&two)].concat();
    let expected = format!("{}-2", base64(&Sha256::digest(of_parts)));
    let parts = vec![
        part(&world.client, &upload, 1, one).await,
        part(&world.client, &upload, 2, two).await,
    ];
    let done = complete(&world.client, &upload, parts).await.unwrap();
    assert_eq!(done.checksum_sha256(), Some(expected.as_str()));
    assert_eq!(done.checksum_type(), Some(&ChecksumType::Composite));
    let head = world.client.head_object().bucket(BUCKET).key(KEY);
    let head = head.checksum_mode(ChecksumMode::Enabled).send().await;
    let head = head.unwrap();
    assert_eq!(head.checksum_sha256(), Some(expected.as_str()));
}

#[tokio::test]
async fn a_crc64_is_of_the_whole_object_however_it_was_cut() {
    let world = given::world().await;
    let whole = given::noise(5 * MIB + 1000, 4);
    let put = world.client.put_object().bucket(BUCKET).key("at once");
    let put = put.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme);
    let at_once = put.body(ByteStream::from(whole.clone())).send().await;
    let upload = begin(&world.client, Some(ChecksumAlgorithm::Crc64Nvme)).await;
    let (one, two) = whole.split_at(5 * MIB);
    let parts = vec![
        part(&world.client, &upload, 1, one.to_vec()).await,
        part(&world.client, &upload, 2, two.to_vec()).await,
    ];
    let done = complete(&world.client, &upload, parts).await.unwrap();
    assert_eq!(done.checksum_type(), Some(&ChecksumType::FullObject));
    let at_once = at_once.unwrap();
    assert!(done.checksum_crc64_nvme().is_some());
    assert_eq!(done.checksum_crc64_nvme(), at_once.checksum_crc64_nvme());
}

#[tokio::test]
async fn a_part_after_the_abort_finds_no_upload() {
    let world = given::world().await;
    let upload = begin(&world.client, None).await;
    part(&world.client, &upload, 1, b"part".to_vec()).await;
    let abort = || {
        let abort = world.client.abort_multipart_upload().bucket(BUCKET);
        abort.key(KEY).upload_id(&upload).send()
    };
    abort().await.unwrap();
    let late = world.client.upload_part().bucket(BUCKET).key(KEY);
    let late = late.upload_id(&upload).part_number(2);
    let late = late.body(ByteStream::from_static(b"x")).send().await;
    assert_eq!(given::refusal(late), (404, "NoSuchUpload".to_owned()));
    let again = given::refusal(abort().await);
    assert_eq!(again, (404, "NoSuchUpload".to_owned()));
    let blobs = crate::objects::blobs(world.folder.path());
    assert_eq!(blobs, 0, "the parts are gone too");
}

#[tokio::test]
async fn uploads_begun_are_listed_until_they_end() {
    let world = given::world().await;
    let begun = begin(&world.client, None).await;
    let aborted = begin(&world.client, None).await;
    let abort = world.client.abort_multipart_upload().bucket(BUCKET);
    let abort = abort.key(KEY).upload_id(&aborted);
    let list = || world.client.list_multipart_uploads().bucket(BUCKET).send();
    assert_eq!(list().await.unwrap().uploads().len(), 2);
    abort.send().await.unwrap();
    let answer = list().await.unwrap();
    assert_eq!(answer.uploads().len(), 1, "one upload is left");
    let only = &answer.uploads()[0];
    assert_eq!(only.upload_id(), Some(begun.as_str()));
    assert_eq!(only.key(), Some(KEY));
    assert!(only.initiated().is_some(), "a janitor needs its age");
    let last = part(&world.client, &begun, 1, b"x".to_vec()).await;
    complete(&world.client, &begun, vec![last]).await.unwrap();
    assert!(list().await.unwrap().uploads().is_empty());
}

#[tokio::test]
async fn parts_are_listed_page_by_page() {
    let world = given::world().await;
    let upload = begin(&world.client, Some(ChecksumAlgorithm::Sha256)).await;
    for number in [1, 2, 5] {
        part(&world.client, &upload, number, vec![7; 10]).await;
    }
    let list = || {
        let list = world.client.list_parts().bucket(BUCKET).key(KEY);
        list.upload_id(&upload).max_parts(2)
    };
    let first = list().send().await.unwrap();
    let numbers =
        |parts: &[Part]| -> Vec<i32> { parts.iter().filter_map(Part::part_number).collect() };
    assert_eq!(numbers(first.parts()), [1, 2]);
    assert_eq!(first.is_truncated(), Some(true));
    assert!(first.parts()[0].checksum_sha256().is_some());
    assert_eq!(first.parts()[0].size(), Some(10));
    let marker = first.next_part_number_marker().unwrap();
    let second = list().part_number_marker(marker).send().await.unwrap();
    assert_eq!(numbers(second.parts()), [5]);
    assert_eq!(second.is_truncated(), Some(false));
}

#[tokio::test]
async fn only_the_last_part_may_be_small() {
    let world = given::world().await;
    let upload = begin(&world.client, None).await;
    let parts = vec![
        part(&world.client, &upload, 1, vec![1; 5 * MIB - 1]).await,
        part(&world.client, &upload, 2, vec![2; 10]).await,
    ];
    let answer = complete(&world.client, &upload, parts).await;
    assert_eq!(code(answer), (400, "EntityTooSmall".to_owned()));
}

#[tokio::test]
async fn parts_out_of_order_are_refused() {
    let world = given::world().await;
    let upload = begin(&world.client, None).await;
    let one = part(&world.client, &upload, 1, vec![1; 5 * MIB]).await;
    let two = part(&world.client, &upload, 2, vec![2; 5 * MIB]).await;
    let answer = complete(&world.client, &upload, vec![two, one.clone()]).await;
    assert_eq!(code(answer), (400, "InvalidPartOrder".to_owned()));
    let twice = complete(&world.client, &upload, vec![one.clone(), one]).await;
    assert_eq!(code(twice), (400, "InvalidPartOrder".to_owned()));
}

#[tokio::test]
async fn completing_twice_gives_the_same_answer() {
    let world = given::world_with_versions().await;
    let upload = begin(&world.client, None).await;
    let only = part(&world.client, &upload, 1, b"x".to_vec()).await;
    let first = complete(&world.client, &upload, vec![only.clone()]).await;
    let second = complete(&world.client, &upload, vec![only]).await;
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.e_tag(), second.e_tag());
    assert_eq!(first.version_id(), second.version_id());
    let other = CompletedPart::builder().part_number(1).e_tag("\"other\"");
    let other = complete(&world.client, &upload, vec![other.build()]).await;
    assert_eq!(code(other), (404, "NoSuchUpload".to_owned()));
}

#[tokio::test]
async fn a_part_sent_again_replaces_the_first_one() {
    let world = given::world().await;
    let upload = begin(&world.client, None).await;
    part(&world.client, &upload, 1, b"first try".to_vec()).await;
    let second = part(&world.client, &upload, 1, b"second try".to_vec()).await;
    complete(&world.client, &upload, vec![second])
        .await
        .unwrap();
    assert_eq!(given::get(&world.client, KEY).await, b"second try");
    assert_eq!(crate::objects::blobs(world.folder.path()), 1);
}

/// Uploads an object in these parts.
pub(crate) async fn upload(client: &Client, key: &str, pieces: Vec<Vec<u8>>) {
    let create = client.create_multipart_upload().bucket(BUCKET).key(key);
    let upload = create.send().await.unwrap().upload_id.unwrap();
    let mut parts = CompletedMultipartUpload::builder();
    for (number, piece) in (1..).zip(pieces) {
        let part = client.upload_part().bucket(BUCKET).key(key);
        let part = part.upload_id(&upload).part_number(number);
        let sent = part.body(ByteStream::from(piece)).send().await.unwrap();
        let part = CompletedPart::builder().part_number(number);
        parts = parts.parts(part.set_e_tag(sent.e_tag).build());
    }
    let complete = client.complete_multipart_upload().bucket(BUCKET);
    let complete = complete.key(key).upload_id(upload);
    let complete = complete.multipart_upload(parts.build());
    complete.send().await.unwrap();
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    data_encoding::BASE64.encode(bytes)
}
