//! Reading the log of an attempt: its beginning, and at the end its last lines too.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use super::folder::Folder;
use crate::{LOG_PART_BYTES, LogPart, State};

/// As long as the wrapper keeps of the end.
const TAIL_BYTES: usize = 65536;
const GAP: &[u8] = b"\n[what came in between was not kept]\n";

/// The log from byte `from` on.
///
/// The log is `output.log`, and once the program has ended what `output.tail.log` adds to it. In the beginning of a
/// tail that does not join it there may be half a secret, so that line is left out.
pub(super) fn part(folder: &Folder, from: u64) -> io::Result<LogPart> {
    // Looked at first: what is written before the end is then surely read.
    let has_ended = matches!(folder.state()?, State::Ended { .. }) && !folder.is_held()?;
    let head = folder.path().join("output.log");
    let head_bytes = match std::fs::metadata(&head) {
        Ok(file) => file.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(LogPart::nothing(from, has_ended));
        }
        Err(error) => return Err(error),
    };
    let mut raw = read(&head, from, LOG_PART_BYTES)?;
    if !has_ended {
        return Ok(LogPart::of(&raw, from, false));
    }
    let tail = tail(&folder.path().join("output.tail.log"))?;
    let read_of_tail = usize::try_from(from.saturating_sub(head_bytes)).unwrap_or(usize::MAX);
    let rest = tail.get(read_of_tail..).unwrap_or_default();
    let is_head_read = raw.len() < LOG_PART_BYTES || from + to_u64(raw.len()) >= head_bytes;
    let room = if is_head_read {
        LOG_PART_BYTES.saturating_sub(raw.len())
    } else {
        0
    };
    let taken = room.min(rest.len());
    raw.extend_from_slice(rest.get(..taken).unwrap_or_default());
    let is_end = is_head_read && taken == rest.len();
    Ok(LogPart::of(&raw, from, is_end))
}

fn read(path: &Path, from: u64, most: usize) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut raw = Vec::new();
    file.take(to_u64(most)).read_to_end(&mut raw)?;
    Ok(raw)
}

/// What the end of the log adds to its beginning.
fn tail(path: &Path) -> io::Result<Vec<u8>> {
    let kept = match read(path, 0, TAIL_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    if kept.len() < TAIL_BYTES {
        return Ok(kept);
    }
    let line = kept.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let mut tail = GAP.to_vec();
    tail.extend_from_slice(kept.get(line + 1..).unwrap_or_default());
    Ok(tail)
}

fn to_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
