use crate::given::{self, BUCKET};

fn odd_keys() -> Vec<String> {
    let mut keys: Vec<String> = [
        "a",
        "a/b",
        "a/b/",
        "trailing/",
        "/leading",
        "two//slashes",
        "..",
        ".",
        "../beta/x",
        "a/../../b",
        "blank and+plus%20percent",
        "<&>'\"",
        "?query#fragment=1&b",
        "Súdwest-Fryslân/ŷ 漢字 🧀",
        "\\backslash",
        "~tilde*star(paren)",
    ]
    .map(str::to_owned)
    .to_vec();
    keys.push("x".repeat(1024));
    keys.push("é".repeat(512));
    keys
}

#[tokio::test]
async fn every_key_is_an_object_of_its_own() {
    let world = given::world().await;
    world
        .client
        .create_bucket()
        .bucket("beta")
        .send()
        .await
        .unwrap();
    let mut keys = odd_keys();
    for key in &keys {
        given::put(&world.client, key, key.as_bytes()).await;
    }
    for key in &keys {
        let body = given::get(&world.client, key).await;
        assert_eq!(body, key.as_bytes(), "{key:?}");
    }
    let list = world.client.list_objects_v2().bucket(BUCKET).send().await;
    let list = list.unwrap();
    let listed: Vec<_> = list.contents().iter().filter_map(|one| one.key()).collect();
    keys.sort_unstable();
    assert_eq!(listed, keys);
    let beta = world.client.list_objects_v2().bucket("beta").send().await;
    assert_eq!(
        beta.unwrap().key_count(),
        Some(0),
        "no key leaves its bucket"
    );
}

#[tokio::test]
async fn no_key_becomes_a_path() {
    let world = given::world().await;
    for key in odd_keys() {
        given::put(&world.client, &key, "x").await;
    }
    let entries = std::fs::read_dir(world.folder.path()).unwrap();
    let mut names: Vec<_> = entries.map(|one| one.unwrap().file_name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["blobs", "metadata.redb", "tmp"]);
    for shard in std::fs::read_dir(world.folder.path().join("blobs")).unwrap() {
        for blob in std::fs::read_dir(shard.unwrap().path()).unwrap() {
            let name = blob.unwrap().file_name().into_string().unwrap();
            let is_random = name.len() == 32 && name.bytes().all(|it| it.is_ascii_hexdigit());
            assert!(is_random, "{name}");
        }
    }
}

#[tokio::test]
async fn a_key_may_have_1024_bytes_and_not_one_more() {
    let world = given::world().await;
    let put = world.client.put_object().bucket(BUCKET);
    let too_long = put.key("x".repeat(1025)).send().await;
    let refusal = given::refusal(too_long);
    assert_eq!(refusal, (400, "KeyTooLongError".to_owned()));
}

#[tokio::test]
async fn a_bucket_needs_a_proper_name() {
    let world = given::world().await;
    for name in ["ab", "Upper", "under_score", "192.168.1.1", "..", "a..b"] {
        let url = world.url(name);
        let create = world.client.create_bucket().bucket(name).send().await;
        assert!(create.is_err(), "{url}");
    }
}
