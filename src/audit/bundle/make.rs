//! Writing a bundle.

use std::{
    fmt::Write as _,
    io::{Seek, Write},
};

use data_encoding::HEXLOWER;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use transparency_log::{Hash, Plan};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{
    ABOUT, About, CHECKPOINTS, CheckpointLine, EVENTS, KEYS, MANIFEST, PERMISSIONS, POLICIES,
    PROOFS, ProofLine, README, README_TEXT, RECEIPTS, STATEMENTS, TITLE, VERDICTS, facts,
};
use crate::{
    audit::{
        checkpoint::{Signed, time_line},
        log::{Log, LogError},
        prove::index,
        store,
    },
    db::StoreError,
    policy::Visibility,
};

/// Lines that are written at a time.
const PAGE: i64 = 2048;

/// What was written.
#[derive(Debug, Clone, Copy)]
pub struct Made {
    /// Lines of the log.
    pub events: u64,
    /// Lines of the checkpoint that they are proven under.
    pub size: u64,
    /// Receipts and statements.
    pub documents: usize,
}

/// Why no bundle was written.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// Nothing can be proven before the first checkpoint.
    #[error("no checkpoint was signed yet; the worker signs the first one within a minute")]
    NoCheckpoint,
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The archive could not be written.
    #[error(transparent)]
    Zip(#[from] zip::result::ZipError),
    /// The file could not be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Something cannot be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl From<StoreError> for MakeError {
    fn from(error: StoreError) -> Self {
        Self::Log(error.into())
    }
}

impl From<sqlx::Error> for MakeError {
    fn from(error: sqlx::Error) -> Self {
        Self::Log(error.into())
    }
}

/// An archive that notes the hash of each file that is put in.
struct Archive<W: Write + Seek> {
    zip: ZipWriter<W>,
    hash: Sha256,
    name: Option<String>,
    hashes: Vec<(String, String)>,
}

impl<W: Write + Seek> Archive<W> {
    fn begin(&mut self, name: &str) -> Result<(), MakeError> {
        self.end();
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .large_file(true);
        self.zip.start_file(name, options)?;
        self.name = Some(name.to_owned());
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), MakeError> {
        self.hash.update(bytes);
        self.zip.write_all(bytes)?;
        Ok(())
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), MakeError> {
        let mut text = serde_json::to_string(value)?;
        text.push('\n');
        self.write(text.as_bytes())
    }

    fn lines(&mut self, name: &str, values: &[impl Serialize]) -> Result<(), MakeError> {
        self.begin(name)?;
        values.iter().try_for_each(|value| self.line(value))
    }

    fn end(&mut self) {
        let hash = std::mem::take(&mut self.hash).finalize();
        if let Some(name) = self.name.take() {
            self.hashes.push((name, HEXLOWER.encode(&hash)));
        }
    }

    fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), MakeError> {
        self.begin(name)?;
        self.write(bytes)
    }
}

/// Writes what the asker may see, under the newest checkpoint, to `file`.
///
/// # Errors
/// [`MakeError`].
pub async fn make(
    log: &Log,
    whose: Visibility,
    file: impl Write + Seek,
) -> Result<Made, MakeError> {
    let checkpoints = store::checkpoints(&mut *log.db.read().await?).await?;
    let newest = checkpoints.last().ok_or(MakeError::NoCheckpoint)?;
    let mut archive = Archive {
        zip: ZipWriter::new(file),
        hash: Sha256::new(),
        name: None,
        hashes: Vec::new(),
    };
    archive.file(README, README_TEXT.as_bytes())?;
    archive.file(KEYS, &serde_json::to_vec_pretty(&log.keys().await?)?)?;
    let events = write_events(log, whose, newest.size, &mut archive).await?;
    write_checkpoints(log, &checkpoints, &mut archive).await?;
    let documents = write_facts(log, whose, &mut archive).await?;
    let about = About {
        format: 1,
        origin: log.origin(),
        institution: whose.filter(),
        made_at: log.db.now(),
        size: newest.size,
        events,
    };
    archive.file(ABOUT, &serde_json::to_vec_pretty(&about)?)?;
    archive.end();
    let mut manifest = format!("{TITLE}\n{}\n", time_line(about.made_at));
    for (name, hash) in &archive.hashes {
        // Writing to a string does not fail.
        let _ = writeln!(manifest, "{hash}  {name}");
    }
    if !log.key_holds().await? {
        return Err(LogError::NotActive.into());
    }
    let note = log.sign(manifest)?;
    archive.file(MANIFEST, note.as_bytes())?;
    archive.zip.finish()?.flush()?;
    Ok(Made {
        events,
        size: newest.size,
        documents,
    })
}

/// What was signed and decided on; answers how many documents there are.
///
/// Everything else that asks the database has given its connection back: an export never holds one while it waits
/// for another.
async fn write_facts<W: Write + Seek>(
    log: &Log,
    whose: Visibility,
    archive: &mut Archive<W>,
) -> Result<usize, MakeError> {
    let mut conn = log.db.read().await?;
    let mut documents = 0;
    for (folder, some) in [
        (RECEIPTS, facts::receipts(&mut conn, whose).await?),
        (STATEMENTS, facts::statements(&mut conn, whose).await?),
    ] {
        documents += some.len();
        for document in some {
            let name = format!("{folder}{}", document.name);
            archive.file(&name, document.envelope.as_bytes())?;
        }
    }
    archive.lines(PERMISSIONS, &facts::permissions(&mut conn, whose).await?)?;
    archive.lines(VERDICTS, &facts::verdicts(&mut conn, whose).await?)?;
    archive.lines(POLICIES, &facts::policies(&mut conn, whose).await?)?;
    Ok(documents)
}

/// The lines, and where they are not all of them, the proof of each.
async fn write_events<W: Write + Seek>(
    log: &Log,
    whose: Visibility,
    size: u64,
    archive: &mut Archive<W>,
) -> Result<u64, MakeError> {
    archive.begin(EVENTS)?;
    let (mut after, mut numbers) = (0, Vec::new());
    loop {
        let mut conn = log.db.read().await?;
        let range = (after, size.cast_signed());
        let lines = store::lines(&mut conn, whose, range, PAGE).await?;
        let Some(last) = lines.last() else {
            break;
        };
        after = last.seq;
        let mut text = String::new();
        for line in &lines {
            line.leaf().write(&mut text);
            text.push('\n');
            numbers.push(line.seq);
        }
        archive.write(text.as_bytes())?;
    }
    let events = numbers.len() as u64;
    if whose != Visibility::All {
        archive.begin(PROOFS)?;
        for some in numbers.chunks(512) {
            let plans: Vec<Plan> = some
                .iter()
                .filter_map(|seq| Plan::inclusion(index(*seq), size))
                .collect();
            for (seq, proof) in some.iter().zip(log.proofs(&plans, size).await?) {
                archive.line(&ProofLine {
                    seq: *seq,
                    proof: base64(&proof),
                })?;
            }
        }
    }
    Ok(events)
}

async fn write_checkpoints<W: Write + Seek>(
    log: &Log,
    checkpoints: &[Signed],
    archive: &mut Archive<W>,
) -> Result<(), MakeError> {
    archive.begin(CHECKPOINTS)?;
    let available = checkpoints.last().map_or(0, |newest| newest.size);
    let mut before = 0;
    for some in checkpoints.chunks(128) {
        let mut plans = Vec::new();
        for signed in some {
            plans.extend(Plan::consistency(before, signed.size));
            before = signed.size;
        }
        for (signed, proof) in some.iter().zip(log.proofs(&plans, available).await?) {
            archive.line(&CheckpointLine {
                note: signed.note.clone(),
                consistency: base64(&proof),
            })?;
        }
    }
    Ok(())
}

fn base64(proof: &[Hash]) -> Vec<String> {
    proof.iter().map(|hash| hash.to_base64()).collect()
}
