use embedded_s3::StartError;

use crate::given;

#[tokio::test]
async fn it_listens_on_loopback_only() {
    let folder = tempfile::tempdir().unwrap();
    for address in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"] {
        let mut config = given::config(folder.path());
        config.bind = address.parse().unwrap();
        let answer = embedded_s3::start(config).await;
        let is_refused = matches!(answer, Err(StartError::NotLoopback(_)));
        assert!(is_refused, "{address}");
    }
}

#[tokio::test]
async fn one_server_at_a_time_uses_a_folder() {
    let world = given::world().await;
    let second = embedded_s3::start(given::config(world.folder.path())).await;
    assert!(matches!(second, Err(StartError::Store { .. })));
    given::put(&world.client, "a", "the first one works on").await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_to_be() {
    let world = given::world().await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = given::config(folder.path());
    let address = world.server.endpoint().replace("http://", "");
    config.bind = address.parse().unwrap();
    let second = embedded_s3::start(config).await;
    assert!(matches!(second, Err(StartError::Bind { .. })));
}

#[tokio::test]
async fn keys_and_region_must_be_usable() {
    let folder = tempfile::tempdir().unwrap();
    let mut no_name = given::config(folder.path());
    no_name.access_key.clear();
    let mut short = given::config(folder.path());
    short.secret_key = "short".to_owned();
    let mut nowhere = given::config(folder.path());
    nowhere.region.clear();
    for config in [no_name, short, nowhere] {
        let answer = embedded_s3::start(config).await;
        assert!(matches!(answer, Err(StartError::BadConfig(_))));
    }
}

#[test]
fn the_secret_is_not_printed() {
    let config = given::config(std::path::Path::new("data"));
    let text = format!("{config:?}");
    assert!(!text.contains(given::SECRET_KEY), "{text}");
}

#[tokio::test]
async fn a_bucket_tells_its_region() {
    let world = given::world().await;
    let location = world.client.get_bucket_location().bucket(given::BUCKET);
    let location = location.send().await.unwrap().location_constraint.unwrap();
    assert_eq!(location.as_str(), given::REGION);
    let buckets = world.client.list_buckets().send().await.unwrap();
    assert_eq!(buckets.buckets()[0].name(), Some(given::BUCKET));
}
