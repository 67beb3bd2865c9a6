//! Examples out of JSONL, plain text and CSV.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use job_contract::FileFormat;
use training_examples::{Example, Fault, OneKind, completion_of, example, text_of};

use self::bounded::Allowance;
use super::{
    DataError,
    problems::{Problem, Problems},
};

/// The longest line or paragraph that is taken.
const MOST_LINE_BYTES: u64 = 16 << 20;

/// Hands every example of a file with its line number to `each`; `name` is what the file is called in problems. They quote
/// a few words of a line only where the file goes by its own path.
///
/// Reads on after a line that cannot be used, so that all of them are told at once. Answers how many examples came.
///
/// # Errors
/// [`DataError::Io`] where the file cannot be read; what is wrong inside it goes to `problems`.
pub fn read(
    path: &Path,
    name: &str,
    format: FileFormat,
    problems: &mut Problems,
    mut each: impl FnMut(u64, Example) -> Result<(), Fault>,
) -> Result<u64, DataError> {
    let io = |source| DataError::Io {
        file: path.display().to_string(),
        source,
    };
    let file = BufReader::new(File::open(path).map_err(io)?);
    let mut reading = Reading {
        name,
        may_quote: may_quote(path, name),
        problems,
        each: &mut each,
        count: 0,
        kind: OneKind::default(),
    };
    let before = reading.problems.count();
    let read = match format {
        FileFormat::Jsonl => reading.jsonl(file),
        FileFormat::Text => reading.text(file),
        FileFormat::Csv => {
            reading.csv(file);
            Ok(())
        }
        FileFormat::Gguf | FileFormat::Safetensors | FileFormat::Json => {
            let problem = "this is a part of a model, not data to learn from";
            reading.fault(0, Fault::of_line(problem));
            Ok(())
        }
    };
    read.map_err(io)?;
    let count = reading.count;
    if count == 0 && reading.problems.count() == before {
        let problem = "the file holds no examples; write one a line (JSONL, CSV), or text";
        reading.fault(0, Fault::of_line(problem));
    }
    Ok(count)
}

/// Whether problems may say what stands in a file. One that goes by its own path belongs to whoever runs the program. One
/// with another name was fetched for the portal, and whoever asked for that job may be kept from reading its data.
pub(super) fn may_quote(path: &Path, name: &str) -> bool {
    path == Path::new(name)
}

struct Reading<'a> {
    name: &'a str,
    may_quote: bool,
    problems: &'a mut Problems,
    each: &'a mut dyn FnMut(u64, Example) -> Result<(), Fault>,
    count: u64,
    kind: OneKind,
}

impl Reading<'_> {
    fn fault(&mut self, line: u64, fault: Fault) {
        let problem = if self.may_quote {
            fault.problem
        } else {
            fault.unquoted().to_owned()
        };
        self.problems.add(Problem {
            file: self.name.to_owned(),
            line,
            field: fault.field,
            problem,
        });
    }

    fn take(&mut self, line: u64, example: Result<Example, Fault>) {
        let taken = example.and_then(|example| {
            self.kind.check(line, &example)?;
            (self.each)(line, example)
        });
        match taken {
            Ok(()) => self.count += 1,
            Err(fault) => self.fault(line, fault),
        }
    }

    fn jsonl(&mut self, file: impl BufRead) -> std::io::Result<()> {
        lines(file, |number, line| match line {
            Ok(text) if text.trim().is_empty() => {}
            Ok(text) => self.take(number, example(text)),
            Err(fault) => self.fault(number, fault),
        })
    }

    fn text(&mut self, file: impl BufRead) -> std::io::Result<()> {
        let (mut document, mut first_line, mut is_broken) = (String::new(), 1, false);
        let end = |reading: &mut Self, line, document: &mut String, is_broken: &mut bool| {
            let document = std::mem::take(document);
            if !std::mem::take(is_broken) && !document.is_empty() {
                reading.take(line, Ok(Example::Text(document)));
            }
        };
        lines(file, |number, line| {
            let text = match line {
                Ok(text) if text.contains('\0') => {
                    let problem = "the line holds a zero byte, so this is no plain text";
                    self.fault(number, Fault::of_line(problem));
                    is_broken = true;
                    return;
                }
                Ok(text) => text,
                Err(fault) => {
                    self.fault(number, fault);
                    is_broken = true;
                    return;
                }
            };
            if text.trim().is_empty() {
                end(self, first_line, &mut document, &mut is_broken);
                return;
            }
            if is_broken {
                return;
            }
            if document.is_empty() {
                first_line = number;
            } else {
                document.push('\n');
            }
            document.push_str(text);
            if document.len() as u64 > MOST_LINE_BYTES {
                let problem = "16 MiB without a blank line; put one between documents";
                self.fault(number, Fault::of_line(problem));
                document.clear();
                is_broken = true;
            }
        })?;
        end(self, first_line, &mut document, &mut is_broken);
        Ok(())
    }

    fn csv(&mut self, file: impl Read) {
        // A quotation mark that is never closed would take in all the rest.
        let allowance = Allowance::of(MOST_LINE_BYTES);
        let mut reader = csv::Reader::from_reader(allowance.over(file));
        let mut last_line = 1;
        let fault = |error: &csv::Error, last_line: u64| {
            if allowance.is_spent() {
                let problem = "a record of more than 16 MiB begins after this line; close its quotation marks";
                return (last_line, Fault::of_line(problem));
            }
            let line = error.position().map_or(last_line, csv::Position::line);
            (line, Fault::of_line(error.to_string()))
        };
        let header = match reader.headers() {
            Ok(header) => header.clone(),
            Err(error) => {
                let (line, fault) = fault(&error, last_line);
                return self.fault(line, fault);
            }
        };
        allowance.renew();
        let column = |wanted: &str| {
            let is_wanted = |field: &str| {
                field
                    .trim()
                    .trim_start_matches('\u{feff}')
                    .eq_ignore_ascii_case(wanted)
            };
            header.iter().position(is_wanted)
        };
        let (text, prompt, completion) = (column("text"), column("prompt"), column("completion"));
        if header.is_empty() {
            return;
        }
        if text.is_none() && (prompt.is_none() || completion.is_none()) {
            let problem = "the header names neither \"text\" nor \"prompt\" and \"completion\"";
            return self.fault(1, Fault::of_line(problem));
        }
        for record in reader.records() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    let (line, fault) = fault(&error, last_line);
                    self.fault(line, fault);
                    continue;
                }
            };
            allowance.renew();
            let line = record.position().map_or(0, csv::Position::line);
            last_line = line;
            let field = |column: Option<usize>| {
                column
                    .and_then(|column| record.get(column))
                    .map(str::to_owned)
            };
            let example = match (field(text), field(prompt), field(completion)) {
                (Some(text), ..) => text_of(text),
                (None, Some(prompt), Some(completion)) => completion_of(prompt, completion),
                _ => Err(Fault::of_line("a field is missing")),
            };
            self.take(line, example);
        }
    }
}

/// Calls `each` with every line, without its end, and its number.
fn lines(
    mut file: impl BufRead,
    mut each: impl FnMut(u64, Result<&str, Fault>),
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let read = (&mut file)
            .take(MOST_LINE_BYTES + 1)
            .read_until(b'\n', &mut bytes)?;
        if read == 0 {
            break;
        }
        if bytes.len() as u64 > MOST_LINE_BYTES {
            each(
                number,
                Err(Fault::of_line("the line is longer than 16 MiB")),
            );
            if bytes.last() != Some(&b'\n') {
                file.skip_until(b'\n')?;
            }
            continue;
        }
        let Ok(text) = str::from_utf8(&bytes) else {
            each(
                number,
                Err(Fault::of_line(
                    "the line is not UTF-8; save the file as UTF-8",
                )),
            );
            continue;
        };
        let text = if number == 1 {
            text.trim_start_matches('\u{feff}')
        } else {
            text
        };
        each(number, Ok(text.trim_end_matches(['\n', '\r'])));
    }
    Ok(())
}

mod bounded;
#[cfg(test)]
mod tests;
