use std::collections::BTreeSet;

use aws_sdk_s3::{Client, operation::list_objects_v2::ListObjectsV2Output, types::EncodingType};

use crate::given::{self, BUCKET};

const KEYS: [&str; 8] = [
    "2024/a",
    "2024/b",
    "2025/a",
    "2025/sub/x",
    "2025/sub/y",
    "2025-plus",
    "readme",
    "z/",
];

async fn fill(client: &Client) {
    for key in KEYS {
        given::put(client, key, "x").await;
    }
}

fn keys(page: &ListObjectsV2Output) -> Vec<&str> {
    page.contents().iter().filter_map(|one| one.key()).collect()
}

fn prefixes(page: &ListObjectsV2Output) -> Vec<&str> {
    let prefixes = page.common_prefixes().iter();
    prefixes.filter_map(|one| one.prefix()).collect()
}

#[tokio::test]
async fn a_delimiter_folds_keys_into_folders() {
    let world = given::world().await;
    fill(&world.client).await;
    let list = || world.client.list_objects_v2().bucket(BUCKET).delimiter("/");
    let top = list().send().await.unwrap();
    assert_eq!(keys(&top), ["2025-plus", "readme"]);
    assert_eq!(prefixes(&top), ["2024/", "2025/", "z/"]);
    assert_eq!(top.key_count(), Some(5));
    let year = list().prefix("2025/").send().await.unwrap();
    assert_eq!(keys(&year), ["2025/a"]);
    assert_eq!(prefixes(&year), ["2025/sub/"]);
    let part = list().prefix("20").send().await.unwrap();
    assert_eq!(prefixes(&part), ["2024/", "2025/"]);
    let none = list().prefix("nothing").send().await.unwrap();
    assert_eq!(none.key_count(), Some(0));
}

#[tokio::test]
async fn pages_of_any_size_give_every_entry_once() {
    let world = given::world().await;
    fill(&world.client).await;
    for size in 1..=9 {
        for delimiter in [None, Some("/".to_owned())] {
            let mut seen = Vec::new();
            let mut token = None;
            loop {
                let list = world.client.list_objects_v2().bucket(BUCKET);
                let list = list.set_delimiter(delimiter.clone()).max_keys(size);
                let page = list.set_continuation_token(token).send().await.unwrap();
                seen.extend(keys(&page).into_iter().map(str::to_owned));
                seen.extend(prefixes(&page).into_iter().map(str::to_owned));
                assert!(page.key_count().unwrap() <= size);
                token = page.next_continuation_token().map(str::to_owned);
                assert_eq!(page.is_truncated(), Some(token.is_some()));
                if token.is_none() {
                    break;
                }
            }
            let expected = if delimiter.is_some() { 5 } else { KEYS.len() };
            assert_eq!(seen.len(), expected, "{size} {delimiter:?}: {seen:?}");
            let once: BTreeSet<_> = seen.iter().collect();
            assert_eq!(once.len(), expected, "{size} {delimiter:?}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn a_listing_may_start_behind_a_key() {
    let world = given::world().await;
    fill(&world.client).await;
    let list = world.client.list_objects_v2().bucket(BUCKET);
    let page = list.start_after("2025/sub/x").send().await.unwrap();
    assert_eq!(keys(&page), ["2025/sub/y", "readme", "z/"]);
    let bad = world.client.list_objects_v2().bucket(BUCKET);
    let bad = bad.continuation_token("made up!").send().await;
    assert_eq!(given::refusal(bad), (400, "InvalidArgument".to_owned()));
}

#[tokio::test]
async fn the_older_form_of_listing_has_markers() {
    let world = given::world().await;
    fill(&world.client).await;
    let list = || {
        let list = world.client.list_objects().bucket(BUCKET);
        list.delimiter("/").max_keys(2)
    };
    let first = list().send().await.unwrap();
    assert_eq!(first.next_marker(), Some("2025-plus"), "2024/ and this");
    let second = list().marker("2025-plus").send().await.unwrap();
    assert_eq!(second.next_marker(), Some("readme"));
    let folded = list().marker("2024/").send().await.unwrap();
    assert_eq!(folded.common_prefixes().len(), 1);
    assert_eq!(folded.common_prefixes()[0].prefix(), Some("2025/"));
}

#[tokio::test]
async fn keys_that_xml_cannot_hold_are_listed_when_encoded() {
    let world = given::world().await;
    given::put(&world.client, "a\u{1}b c", "x").await;
    let list = world.client.list_objects_v2().bucket(BUCKET);
    let page = list.encoding_type(EncodingType::Url).send().await.unwrap();
    assert_eq!(keys(&page), ["a%01b%20c"]);
}

#[tokio::test]
async fn versions_are_listed_page_by_page_newest_first() {
    let world = given::world_with_versions().await;
    for body in ["1", "2", "3"] {
        given::put(&world.client, "a", body).await;
        given::put(&world.client, "b/c", body).await;
    }
    let mut seen = Vec::new();
    let (mut key, mut version) = (None, None);
    loop {
        let list = world.client.list_object_versions().bucket(BUCKET);
        let list = list.set_key_marker(key).set_version_id_marker(version);
        let page = list.max_keys(2).send().await.unwrap();
        for one in page.versions() {
            let name = one.key().unwrap().to_owned();
            seen.push((name, one.is_latest().unwrap()));
        }
        if page.is_truncated() != Some(true) {
            break;
        }
        key = page.next_key_marker;
        version = page.next_version_id_marker;
    }
    let expected = [
        ("a", true),
        ("a", false),
        ("a", false),
        ("b/c", true),
        ("b/c", false),
        ("b/c", false),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(key, is_latest)| (key.to_owned(), is_latest))
        .collect();
    assert_eq!(seen, expected);
}
