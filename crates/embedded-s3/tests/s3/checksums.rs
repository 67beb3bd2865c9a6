use aws_sdk_s3::{
    Client,
    primitives::ByteStream,
    types::{ChecksumAlgorithm, ChecksumMode, ChecksumType},
};

use sha2::{Digest, Sha256};

use crate::{
    given::{self, BUCKET},
    sign,
};

/// `123456789` in the four algorithms; the CRCs are the check values of their definitions.
const TEXT: &[u8] = b"123456789";
const CRC32: &str = "y/Q5Jg==";
const CRC32C: &str = "4waSgw==";
const CRC64NVME: &str = "rosUhgp5mIg=";
const SHA256: &str = "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=";

#[tokio::test]
async fn each_checksum_is_taken_checked_and_given_back() {
    let world = given::world().await;
    let put = |key| {
        let put = world.client.put_object().bucket(BUCKET).key(key);
        put.body(ByteStream::from_static(TEXT))
    };
    put("1").checksum_crc32(CRC32).send().await.unwrap();
    put("2").checksum_crc32_c(CRC32C).send().await.unwrap();
    put("3")
        .checksum_crc64_nvme(CRC64NVME)
        .send()
        .await
        .unwrap();
    put("4").checksum_sha256(SHA256).send().await.unwrap();
    let head = |key| {
        let head = world.client.head_object().bucket(BUCKET).key(key);
        head.checksum_mode(ChecksumMode::Enabled).send()
    };
    assert_eq!(head("1").await.unwrap().checksum_crc32(), Some(CRC32));
    assert_eq!(head("2").await.unwrap().checksum_crc32_c(), Some(CRC32C));
    let third = head("3").await.unwrap();
    assert_eq!(third.checksum_crc64_nvme(), Some(CRC64NVME));
    assert_eq!(third.checksum_type(), Some(&ChecksumType::FullObject));
    assert_eq!(head("4").await.unwrap().checksum_sha256(), Some(SHA256));
}

#[tokio::test]
async fn a_wrong_checksum_is_refused_and_nothing_is_stored() {
    let world = given::world().await;
    let put = || {
        let put = world.client.put_object().bucket(BUCKET).key("a");
        put.body(ByteStream::from_static(b"other text"))
    };
    let requests = [
        put().checksum_crc32(CRC32),
        put().checksum_crc32_c(CRC32C),
        put().checksum_crc64_nvme(CRC64NVME),
        put().checksum_sha256(SHA256),
        put().content_md5("XUFAKrxLKna5cZ2REBfFkg=="),
    ];
    for request in requests {
        let answer = given::refusal(request.send().await);
        assert_eq!(answer, (400, "BadDigest".to_owned()));
    }
    let bad_md5 = put().content_md5("not base64!").send().await;
    assert_eq!(given::refusal(bad_md5), (400, "InvalidDigest".to_owned()));
    let get = world.client.get_object().bucket(BUCKET).key("a");
    assert_eq!(given::refusal(get.send().await).0, 404);
    let blobs = crate::objects::blobs(world.folder.path());
    assert_eq!(blobs, 0, "bytes that were refused are not kept");
}

#[tokio::test]
async fn the_right_md5_is_accepted() {
    let world = given::world().await;
    let put = world.client.put_object().bucket(BUCKET).key("a");
    let put = put.body(ByteStream::from_static(b"hello"));
    let answer = put.content_md5("XUFAKrxLKna5cZ2REBfFkg==").send().await;
    let etag = answer.unwrap().e_tag.unwrap();
    assert_eq!(etag, "\"5d41402abc4b2a76b9719d911017c592\"");
}

fn all() -> [(ChecksumAlgorithm, &'static str); 4] {
    [
        (ChecksumAlgorithm::Crc32, CRC32),
        (ChecksumAlgorithm::Crc32C, CRC32C),
        (ChecksumAlgorithm::Crc64Nvme, CRC64NVME),
        (ChecksumAlgorithm::Sha256, SHA256),
    ]
}

/// The one checksum of an object, which the client compares while it reads.
async fn kept(client: &Client, key: &str) -> String {
    let get = client.get_object().bucket(BUCKET).key(key);
    let get = get.checksum_mode(ChecksumMode::Enabled);
    let object = get.send().await.unwrap();
    let given = [
        object.checksum_crc32(),
        object.checksum_crc32_c(),
        object.checksum_crc64_nvme(),
        object.checksum_sha256(),
    ];
    let given: Vec<_> = given.into_iter().flatten().collect();
    assert_eq!(given.len(), 1, "one checksum: {given:?}");
    let only = given[0].to_owned();
    assert_eq!(object.body.collect().await.unwrap().to_vec(), TEXT);
    only
}

#[tokio::test]
async fn the_server_computes_what_the_client_only_names() {
    let world = given::world().await;
    for (algorithm, sum) in all() {
        let put = world.client.put_object().bucket(BUCKET).key("a");
        let put = put.body(ByteStream::from_static(TEXT));
        let put = put.checksum_algorithm(algorithm).send().await.unwrap();
        assert!(put.checksum_type().is_some());
        assert_eq!(kept(&world.client, "a").await, sum);
    }
}

/// From a file, the client sends the checksum in a trailer behind the body.
#[tokio::test]
async fn checksums_behind_the_body_are_checked() {
    let world = given::world().await;
    let client = given::careful_client(&world.server.endpoint());
    let file = world.folder.path().join("upload");
    std::fs::write(&file, TEXT).unwrap();
    for (algorithm, sum) in all() {
        let body = ByteStream::from_path(&file).await.unwrap();
        let put = client.put_object().bucket(BUCKET).key("a").body(body);
        put.checksum_algorithm(algorithm).send().await.unwrap();
        assert_eq!(kept(&world.client, "a").await, sum);
    }
}

/// By hand, as the client would not send a wrong one.
#[tokio::test]
async fn a_wrong_checksum_behind_the_body_is_refused() {
    let world = given::world().await;
    for (trailer, status) in [(CRC32, 200), ("AAAAAA==", 400)] {
        let body = format!("9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:{trailer}\r\n\r\n");
        let headers = [
            ("content-encoding", "aws-chunked"),
            ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            ("x-amz-decoded-content-length", "9"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
        ];
        let put = sign::request(&world, "PUT", "/alpha/a", &headers);
        let answer = put.body(body).send().await.unwrap();
        assert_eq!(answer.status(), status);
        let text = answer.text().await.unwrap();
        assert_eq!(text.contains("<Code>BadDigest</Code>"), status == 400);
    }
    assert_eq!(kept(&world.client, "a").await, CRC32);
}

/// The body's own hash, which the signature covers.
#[tokio::test]
async fn a_body_that_is_not_the_signed_one_is_refused() {
    let world = given::world().await;
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(b"signed"));
    for (body, status) in [("forged", 400), ("signed", 200)] {
        let headers = [("x-amz-content-sha256", hash.as_str())];
        let put = sign::request(&world, "PUT", "/alpha/a", &headers);
        let answer = put.body(body).send().await.unwrap();
        assert_eq!(answer.status(), status);
        let text = answer.text().await.unwrap();
        assert_eq!(text.contains("XAmzContentSHA256Mismatch"), status == 400);
    }
    assert_eq!(given::get(&world.client, "a").await, b"signed");
}

/// A checksum of the whole would not fit the part.
#[tokio::test]
async fn a_range_comes_without_a_checksum() {
    let world = given::world().await;
    let put = world.client.put_object().bucket(BUCKET).key("a");
    let put = put
        .body(ByteStream::from_static(TEXT))
        .checksum_sha256(SHA256);
    put.send().await.unwrap();
    let get = world.client.get_object().bucket(BUCKET).key("a");
    let get = get.checksum_mode(ChecksumMode::Enabled).range("bytes=0-3");
    assert_eq!(get.send().await.unwrap().checksum_sha256(), None);
}
