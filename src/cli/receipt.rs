//! Checking a receipt without the portal.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use attestation::{Evidence, PublicKey, PublishedKeys, Statement, check};
use clap::Args;

/// `faculty verify-receipt`
#[derive(Args)]
pub struct VerifyReceiptOptions {
    /// The receipt, or the statement of an evaluation, as downloaded from the model's page.
    file: PathBuf,
    /// The published keys, as from `/.well-known/faculty-keys.json`.
    #[arg(long)]
    keys: Option<PathBuf>,
    /// One public key that you trust for all time, 64 hexadecimal digits.
    #[arg(long, conflicts_with = "keys")]
    key: Option<String>,
    /// A folder with the model's files.
    #[arg(long, value_name = "DIR", alias = "files")]
    model: Option<PathBuf>,
    /// The manifest of a dataset version, as downloaded; may be repeated.
    #[arg(long = "manifest", value_name = "FILE")]
    manifests: Vec<PathBuf>,
    /// A folder with the files of the datasets.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The terms of a permission, as downloaded; may be repeated.
    #[arg(long = "permission", value_name = "FILE")]
    permissions: Vec<PathBuf>,
    /// A file of the base model; may be repeated.
    #[arg(long = "base", value_name = "FILE")]
    base: Vec<PathBuf>,
    /// The training program.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// The report of an evaluation, as downloaded.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Checks it and says what it states.
///
/// # Errors
/// Where anything does not hold; each place is named.
#[expect(clippy::print_stdout, reason = "its output is its purpose")]
pub fn verify_receipt(options: VerifyReceiptOptions) -> anyhow::Result<()> {
    let read =
        |path: &PathBuf| fs::read_to_string(path).with_context(|| path.display().to_string());
    let receipt = read(&options.file)?;
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
    let report = check(
        &receipt,
        &keys,
        &Evidence {
            model: options.model,
            manifests: options.manifests,
            data: options.data,
            permissions: options.permissions,
            base: options.base,
            program: options.program,
            report: options.report,
        },
    );
    if let Some(statement) = &report.statement {
        tell(statement);
    }
    for sentence in &report.holds {
        println!("holds:     {sentence}");
    }
    for finding in &report.findings {
        println!("NOT:       {finding}");
    }
    let first = report.findings.first().map(ToString::to_string);
    anyhow::ensure!(
        report.findings.is_empty(),
        "the receipt does not hold: {}",
        first.unwrap_or_default()
    );
    Ok(())
}

#[expect(clippy::print_stdout, reason = "its output is its purpose")]
fn tell(statement: &Statement) {
    let field = |pointer: &str| {
        let value = statement.predicate.pointer(pointer);
        value.map_or_else(String::new, |value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        })
    };
    let (verb, model, metadata) = if statement.is_evaluation() {
        ("read", "/model", "/metadata")
    } else {
        (
            "made from",
            "/buildDefinition/externalParameters/model",
            "/runDetails/metadata",
        )
    };
    if statement.is_evaluation() {
        println!("this is what was measured of a model, not where it comes from");
    }
    println!("model:     {}", field(model));
    println!("finished:  {}", field(&format!("{metadata}/finishedOn")));
    println!("audit log: {}", field(&format!("{metadata}/auditLog")));
    let figures = statement.predicate.get("figures");
    for figure in figures
        .and_then(serde_json::Value::as_array)
        .into_iter()
        .flatten()
    {
        let of = |name: &str| {
            figure
                .get(name)
                .map_or_else(String::new, ToString::to_string)
        };
        println!(
            "measured:  {} {} = {} ({} items)",
            of("suite"),
            of("name"),
            of("value"),
            of("items")
        );
    }
    for material in statement.materials() {
        let digest: Vec<_> = material
            .digest
            .iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        println!(
            "{verb}: {} {} {} ({})",
            material.kind,
            material.name,
            material.uri,
            digest.join(", ")
        );
    }
    for subject in &statement.subject {
        println!(
            "file:      {} (sha256 {})",
            subject.name, subject.digest.sha256
        );
    }
}
