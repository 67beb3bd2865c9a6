//! Uploading a folder to a draft dataset, by the same protocol as the pages.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::Args;
use url::Url;
use uuid::Uuid;

use crate::demo::Browser;

/// `faculty upload`
#[derive(Args)]
pub struct UploadOptions {
    /// The folder; its files with a known ending (.jsonl, .txt, .csv) are uploaded.
    folder: PathBuf,
    /// The portal's address.
    #[arg(long, env = "FACULTY_PORTAL_URL")]
    portal: Url,
    /// The draft dataset, from its page's address.
    #[arg(long)]
    dataset: Uuid,
    /// A file with the session cookie's value, as the browser keeps it after signing in.
    #[arg(long)]
    session_file: PathBuf,
}

/// Uploads each file and waits until it is verified.
///
/// # Errors
/// The first file that was not accepted, with the reason.
#[expect(clippy::print_stdout, reason = "its output is its purpose")]
pub async fn upload(options: UploadOptions) -> anyhow::Result<()> {
    let cookie = fs::read_to_string(&options.session_file)
        .with_context(|| options.session_file.display().to_string())?;
    let mut browser = Browser::with_session(&options.portal, cookie.trim())?;
    let mut files: Vec<PathBuf> = fs::read_dir(&options.folder)
        .with_context(|| options.folder.display().to_string())?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|ending| ["jsonl", "txt", "csv"].iter().any(|known| ending == *known))
        })
        .collect();
    files.sort();
    anyhow::ensure!(
        !files.is_empty(),
        "{} holds no .jsonl, .txt or .csv file",
        options.folder.display()
    );
    for path in files {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .context("a file name that is no text")?
            .to_owned();
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        let outcome = browser.upload(options.dataset, &name, &bytes).await?;
        println!("{name}: verified, {outcome}");
    }
    Ok(())
}
