//! Checking a receipt without the portal.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::Args;

use crate::{
    models::{verify_envelope, verify_files},
    signing::{PublicKey, PublishedKeys},
};

/// `faculty verify-receipt`
#[derive(Args)]
pub struct VerifyReceiptOptions {
    /// The receipt, as downloaded from the model's page.
    file: PathBuf,
    /// The published keys, as from `/.well-known/faculty-keys.json`.
    #[arg(long)]
    keys: Option<PathBuf>,
    /// One public key, 64 hexadecimal digits.
    #[arg(long, conflicts_with = "keys")]
    key: Option<String>,
    /// A folder with the model's files, to be checked against the receipt.
    #[arg(long)]
    files: Option<PathBuf>,
}

/// Checks it and says what it states.
///
/// # Errors
/// Where the signature or a file does not hold; the message names which.
#[expect(clippy::print_stdout, reason = "its output is its purpose")]
pub fn verify_receipt(options: &VerifyReceiptOptions) -> anyhow::Result<()> {
    let read =
        |path: &PathBuf| fs::read_to_string(path).with_context(|| path.display().to_string());
    let envelope = read(&options.file)?;
    let keys = match (&options.keys, &options.key) {
        (Some(path), _) => {
            PublishedKeys::parse(&read(path)?).with_context(|| path.display().to_string())?
        }
        (None, Some(key)) => {
            PublishedKeys::trusting(&PublicKey::from_hex(&key.to_ascii_lowercase())?)
        }
        (None, None) => anyhow::bail!(
            "whose signature should it be? Give --keys FILE (from /.well-known/faculty-keys.json of the portal you trust) or --key HEX"
        ),
    };
    let statement = verify_envelope(&envelope, &keys)?;
    println!("signature: holds");
    let field = |pointer: &str| {
        statement
            .predicate
            .pointer(pointer)
            .map(|value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            })
            .unwrap_or_default()
    };
    println!(
        "model:     {}",
        field("/buildDefinition/externalParameters/model")
    );
    println!(
        "made by:   {}",
        field("/runDetails/builder/version/program")
    );
    println!("finished:  {}", field("/runDetails/metadata/finishedOn"));
    let inputs = statement
        .predicate
        .pointer("/buildDefinition/resolvedDependencies")
        .and_then(|value| value.as_array())
        .cloned()
        .unwrap_or_default();
    for input in inputs {
        let text = |pointer: &str| {
            input
                .pointer(pointer)
                .and_then(|value| value.as_str())
                .unwrap_or_default()
                .to_owned()
        };
        println!(
            "made from: {} {} (sha256 {})",
            text("/annotations/kind"),
            text("/uri"),
            text("/digest/sha256")
        );
    }
    for subject in &statement.subject {
        println!(
            "file:      {} (sha256 {})",
            subject.name, subject.digest.sha256
        );
    }
    match &options.files {
        Some(folder) => {
            verify_files(&statement, folder)?;
            println!("files:     all as in the receipt");
        }
        None => println!("files:     not looked at (give --files DIR to check them)"),
    }
    Ok(())
}
