//! Reading the text of a PDF, a page at a time. Runs in a process of its own that has nothing to lose: it gives up
//! memory, time and files before it looks at the first byte, because a PDF comes from outside and the libraries that
//! read such files have crashed on crafted ones before.

use std::{
    io::{Read as _, Write as _},
    panic::{self, AssertUnwindSafe},
    time::Duration,
};

use nix::sys::resource::{Resource, setrlimit};
use pdf_extract::{Document, output_doc_page};
use serde::{Deserialize, Serialize};

use super::{agreement::words, letters::Letters, passage::tidy};

/// An agreement has at most so many pages.
pub(super) const MOST_PAGES: usize = 300;
/// Characters of text in all; a page of print holds about 3,000.
pub(super) const MOST_CHARACTERS: usize = 1_500_000;
/// What the reading process may address.
const MEMORY_BYTES: u64 = 1 << 30;
/// Processor time of the reading process, seconds.
const CPU_SECONDS: u64 = 15;
/// After this the reading process is ended, whatever it does.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Deeply nested objects need some; what needs more is not an agreement.
const STACK_BYTES: usize = 64 << 20;
/// The header may come late in the file (ISO 32000-1, annex H.3, note 13).
const HEADER_WITHIN: usize = 1024;

words! {
    /// Why a document was refused.
    Problem {
        /// It cannot be read as a PDF.
        Broken = "broken",
        /// It asks for a password, or says who may do what with it.
        Encrypted = "encrypted",
        TooManyPages = "too_many_pages",
        TooMuchText = "too_much_text",
        /// Reading it took more memory or time than an agreement needs.
        TooHeavy = "too_heavy",
        /// The store gave other bytes than were sent to it.
        Altered = "altered",
    }
}

/// What came of reading a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reading {
    /// The text of each page in order, tidy; empty where a page has none.
    Pages(Vec<String>),
    /// Why not.
    Refused(Problem),
}

/// Whether the bytes begin as a PDF does. The name of a file proves nothing.
#[must_use]
pub(super) fn looks_like_pdf(bytes: &[u8]) -> bool {
    bytes
        .get(..bytes.len().min(HEADER_WITHIN))
        .is_some_and(|head| head.windows(5).any(|five| five == b"%PDF-"))
}

/// Reads a PDF from standard input and writes the [`Reading`] as JSON to standard output, within limits that this
/// process sets for itself first. For `faculty read-pdf`, which the worker starts.
///
/// # Errors
/// Where the limits cannot be set, or the pipes break.
pub fn read_from_stdin() -> anyhow::Result<()> {
    for (resource, most) in [
        (Resource::RLIMIT_AS, MEMORY_BYTES),
        (Resource::RLIMIT_CPU, CPU_SECONDS),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, 0),
    ] {
        setrlimit(resource, most, most)?;
    }
    // What a library says while it gives up is of no use to anybody.
    panic::set_hook(Box::new(|_| {}));
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    let reading = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || read(&bytes))?
        .join()
        .unwrap_or(Reading::Refused(Problem::Broken));
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &reading)?;
    out.flush()?;
    Ok(())
}

fn read(bytes: &[u8]) -> Reading {
    let mentions_encryption = || bytes.windows(8).any(|eight| eight == b"/Encrypt");
    let loaded = panic::catch_unwind(AssertUnwindSafe(|| Document::load_mem(bytes)));
    let document = match loaded {
        Ok(Ok(document)) => document,
        Ok(Err(_)) | Err(_) if mentions_encryption() => {
            return Reading::Refused(Problem::Encrypted);
        }
        Ok(Err(_)) | Err(_) => return Reading::Refused(Problem::Broken),
    };
    // Also where the password is empty: what its maker forbids is not ours to undo.
    if document.was_encrypted() || document.is_encrypted() {
        return Reading::Refused(Problem::Encrypted);
    }
    let numbers = panic::catch_unwind(AssertUnwindSafe(|| document.get_pages()));
    let Ok(numbers) = numbers else {
        return Reading::Refused(Problem::Broken);
    };
    if numbers.is_empty() {
        return Reading::Refused(Problem::Broken);
    }
    if numbers.len() > MOST_PAGES {
        return Reading::Refused(Problem::TooManyPages);
    }
    let (mut pages, mut characters) = (Vec::new(), 0);
    for number in numbers.keys() {
        let text = text_of_page(&document, *number);
        characters += text.chars().count();
        if characters > MOST_CHARACTERS {
            return Reading::Refused(Problem::TooMuchText);
        }
        pages.push(text);
    }
    Reading::Pages(pages)
}

/// The tidy text of one page. A page whose text cannot be made out is like a scan: it can be looked at, and coded
/// by its number only.
fn text_of_page(document: &Document, number: u32) -> String {
    let text = panic::catch_unwind(AssertUnwindSafe(|| {
        let mut letters = Letters::default();
        output_doc_page(document, &mut letters, number).map(|()| letters.into_text())
    }));
    match text {
        Ok(Ok(text)) => tidy(&text),
        Ok(Err(_)) | Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pdf_is_known_by_its_header() {
        assert!(looks_like_pdf(b"%PDF-1.7\n"));
        assert!(looks_like_pdf(b"\0junk before%PDF-1.4"));
        assert!(!looks_like_pdf(b"PK\x03\x04 a document of Word"));
        assert!(!looks_like_pdf(&[&[b' '; 2000][..], b"%PDF-1.4"].concat()));
        assert!(!looks_like_pdf(b""));
    }

    #[test]
    fn what_only_begins_as_a_pdf_is_broken() {
        let reading = read(b"%PDF-1.7\nand then nothing of the sort");
        assert_eq!(reading, Reading::Refused(Problem::Broken));
    }
}
