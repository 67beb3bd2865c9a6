//! Servers, clients and bodies to start from.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation,
        ResponseChecksumValidation, retry::RetryConfig,
    },
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
    presigning::PresigningConfig,
    primitives::ByteStream,
    types::{BucketVersioningStatus, VersioningConfiguration},
};
use embedded_s3::{Config, Server};
use tempfile::TempDir;

pub(crate) const ACCESS_KEY: &str = "portal";
pub(crate) const SECRET_KEY: &str = "a long enough secret";
pub(crate) const REGION: &str = "eu-nl-1";
pub(crate) const ORIGIN: &str = "http://portal.example";
pub(crate) const BUCKET: &str = "alpha";
pub(crate) const MIB: usize = 1024 * 1024;

/// A server in a folder of its own, with a client and the bucket `alpha`.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) client: Client,
    pub(crate) folder: TempDir,
}

impl World {
    /// The address of an object.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.server.endpoint())
    }
}

/// A configuration that starts on a free port.
pub(crate) fn config(folder: &Path) -> Config {
    Config {
        data_dir: folder.to_owned(),
        bind: ([127, 0, 0, 1], 0).into(),
        region: REGION.to_owned(),
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
        cors_default_origins: vec![ORIGIN.to_owned()],
    }
}

/// A running server with one bucket.
pub(crate) async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let server = embedded_s3::start(config(folder.path())).await.unwrap();
    let client = client(&server.endpoint(), ACCESS_KEY, SECRET_KEY);
    client.create_bucket().bucket(BUCKET).send().await.unwrap();
    World {
        server,
        client,
        folder,
    }
}

/// The same, with versions kept.
pub(crate) async fn world_with_versions() -> World {
    let world = world().await;
    set_versioning(&world.client, BucketVersioningStatus::Enabled).await;
    world
}

pub(crate) async fn set_versioning(client: &Client, status: BucketVersioningStatus) {
    let configuration = VersioningConfiguration::builder().status(status).build();
    let put = client.put_bucket_versioning().bucket(BUCKET);
    put.versioning_configuration(configuration)
        .send()
        .await
        .unwrap();
}

/// The client as the portal sets it up, without retries.
pub(crate) fn client(endpoint: &str, access_key: &str, secret_key: &str) -> Client {
    Client::from_conf(settings(endpoint, access_key, secret_key).build())
}

/// A client that adds checksums to all that it sends, as clients do by default.
pub(crate) fn careful_client(endpoint: &str) -> Client {
    let settings = settings(endpoint, ACCESS_KEY, SECRET_KEY);
    let when = RequestChecksumCalculation::WhenSupported;
    Client::from_conf(settings.request_checksum_calculation(when).build())
}

fn settings(endpoint: &str, access_key: &str, secret_key: &str) -> Builder {
    Builder::new()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(endpoint)
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new(access_key, secret_key, None, None, "test"))
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .retry_config(RetryConfig::disabled())
        .force_path_style(true)
}

/// A client for bare requests.
pub(crate) fn http() -> reqwest::Client {
    // Another test of this process may have been first.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = reqwest::Client::builder().timeout(Duration::from_secs(60));
    builder.build().unwrap()
}

/// Puts an object and returns its ETag.
pub(crate) async fn put(client: &Client, key: &str, body: impl Into<Vec<u8>>) -> String {
    let body = ByteStream::from(body.into());
    let put = client.put_object().bucket(BUCKET).key(key).body(body);
    put.send().await.unwrap().e_tag.unwrap()
}

/// The bytes of an object.
pub(crate) async fn get(client: &Client, key: &str) -> Vec<u8> {
    let object = client.get_object().bucket(BUCKET).key(key).send().await;
    let body = object.unwrap().body.collect().await.unwrap();
    body.to_vec()
}

/// Bytes that look random and are the same each time.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(length);
    bytes
}

/// Status and code of a refusal.
pub(crate) fn refusal<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    answer: Result<T, SdkError<E>>,
) -> (u16, String) {
    let error = answer.unwrap_err();
    let status = error.raw_response().unwrap().status().as_u16();
    let code = error.code().unwrap_or_default().to_owned();
    (status, code)
}

/// Checks that an answer carries an id that a log line could be found by.
pub(crate) fn has_request_id<T: RequestId>(answer: &T) -> bool {
    answer.request_id().is_some_and(|id| !id.is_empty())
}

pub(crate) fn a_minute() -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()
}

/// The server as a process, which can be killed and limited.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) endpoint: String,
}

impl Process {
    /// Starts the server in `folder`; no file may grow beyond `file_limit_kib`.
    pub(crate) fn start(folder: &Path, file_limit_kib: Option<u64>) -> Self {
        let program = env!("CARGO_BIN_EXE_embedded-s3");
        let mut command = Command::new("sh");
        let limit = file_limit_kib.map_or("unlimited".to_owned(), |kib| (kib * 2).to_string());
        // The signal would end the process; ignored, the write fails as it does on a full disk.
        command.arg("-c");
        command.arg(format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\""));
        let mut child = command
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = format!(
            r#"{{"data_dir": {:?}, "bind": "127.0.0.1:0", "region": "{REGION}",
            "access_key": "{ACCESS_KEY}", "secret_key": "{SECRET_KEY}"}}"#,
            folder.to_str().unwrap()
        );
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        Self {
            child,
            endpoint: line.trim().to_owned(),
        }
    }

    pub(crate) fn client(&self) -> Client {
        client(&self.endpoint, ACCESS_KEY, SECRET_KEY)
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
