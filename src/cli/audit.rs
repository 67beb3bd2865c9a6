//! Looking after the audit log, and checking an export of it without the portal.

use std::{
    fs,
    io::BufReader,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::{
    app::Ports,
    audit::{self, Depth, When},
    institutions,
    policy::Visibility,
    signing::PublishedKeys,
};

/// `faculty admin audit …`
#[derive(Subcommand)]
pub enum AuditCommand {
    /// Walk the whole log, its tiles and its checkpoints; fails at the first that is wrong, missing or added.
    Verify,
    /// Check the log and sign a checkpoint over what no checkpoint covers yet.
    Checkpoint,
}

/// `faculty admin export-bundle`
#[derive(Args)]
pub struct ExportOptions {
    /// The ZIP file to write.
    #[arg(long)]
    out: PathBuf,
    /// Short name of the institution whose part it is; everything where it is left out.
    #[arg(long)]
    institution: Option<String>,
}

/// `faculty verify-bundle`
#[derive(Args)]
pub struct VerifyBundleOptions {
    /// The bundle, as downloaded from the audit page or written by `faculty admin export-bundle`.
    file: PathBuf,
    /// The published keys, as from `/.well-known/faculty-keys.json` of the portal you trust.
    #[arg(long)]
    keys: PathBuf,
}

/// Does it.
///
/// # Errors
/// Where the log is broken, or cannot be read.
#[expect(clippy::print_stdout, reason = "its output is its purpose")]
pub(super) async fn audit(ports: &Ports, command: &AuditCommand) -> anyhow::Result<()> {
    let log = ports.audit_log();
    match command {
        AuditCommand::Verify => {
            let begun = Instant::now();
            let walked = audit::walk(&log, Depth::Everything).await?;
            let seconds = begun.elapsed().as_secs_f64();
            println!(
                "The audit log holds: {} lines, {} tiles and {} checkpoints, none changed ({seconds:.1} s, {:.0} lines a second).",
                walked.events,
                walked.tiles,
                walked.checkpoints,
                walked.events as f64 / seconds.max(0.001),
            );
            println!("root: {}", walked.root.to_base64());
        }
        AuditCommand::Checkpoint => match audit::sign(&log, When::Behind).await? {
            Some(signed) => print!("{}", signed.note),
            None => println!(
                "The newest checkpoint covers every line, or another process signs at this moment."
            ),
        },
    }
    Ok(())
}

/// Writes a bundle.
///
/// # Errors
/// Where there is no such institution, no checkpoint yet, or the file cannot be written.
#[expect(clippy::print_stdout, reason = "its output is its purpose")]
pub(super) async fn export(ports: &Ports, options: &ExportOptions) -> anyhow::Result<()> {
    let whose = match &options.institution {
        None => Visibility::All,
        Some(slug) => {
            let institution = institutions::find_by_slug(&ports.db, slug)
                .await?
                .with_context(|| format!("there is no institution {slug}"))?;
            Visibility::Institution(institution.id)
        }
    };
    let file = fs::File::options()
        .write(true)
        .create_new(true)
        .open(&options.out)
        .with_context(|| options.out.display().to_string())?;
    let made = audit::bundle::make(&ports.audit_log(), whose, file).await?;
    println!(
        "{}: {} lines under a checkpoint of {}, {} receipts and statements.",
        options.out.display(),
        made.events,
        made.size,
        made.documents
    );
    Ok(())
}

/// Checks a bundle without the portal and says what holds.
///
/// # Errors
/// Every place that does not hold, a line each.
#[expect(clippy::print_stdout, reason = "its output is its purpose")]
pub fn verify_bundle(options: &VerifyBundleOptions) -> anyhow::Result<()> {
    let named = |path: &Path| path.display().to_string();
    let keys = fs::read_to_string(&options.keys).with_context(|| named(&options.keys))?;
    let keys = PublishedKeys::parse(&keys).with_context(|| named(&options.keys))?;
    let file = fs::File::open(&options.file).with_context(|| named(&options.file))?;
    let report = audit::bundle::verify(BufReader::new(file), &keys);
    anyhow::ensure!(
        report.problems.is_empty(),
        "{} does not hold:\n{}",
        options.file.display(),
        report.problems.join("\n")
    );
    println!("log:         {}", report.origin);
    println!("lines:       {} in the log, none changed", report.events);
    println!(
        "checkpoints: {}, signed, each continues the one before",
        report.checkpoints
    );
    println!(
        "documents:   {} receipts and statements, signed and in the log",
        report.documents
    );
    println!(
        "verdicts:    {}, made again with the same result",
        report.verdicts
    );
    Ok(())
}
