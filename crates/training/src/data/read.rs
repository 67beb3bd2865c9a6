//! Examples out of JSONL, plain text and CSV.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use job_contract::FileFormat;
use language_model::Message;
use serde::Deserialize;

use super::DataError;

/// The longest line or paragraph that is taken.
const MOST_LINE_BYTES: u64 = 16 << 20;
const ROLES: [&str; 3] = ["system", "user", "assistant"];

/// One thing to learn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Example {
    /// A chat; the assistant's answers are learnt.
    Chat(Vec<Message>),
    /// A text that goes on; the completion is learnt.
    Completion { prompt: String, completion: String },
    /// Running text; all of it is learnt.
    Text(String),
}

/// Hands every example of a file with its line number to `each`; `name` is what the file is called in errors.
///
/// # Errors
/// [`DataError`] at the first line that is not what the format says, or where there is no example at all.
pub fn read(
    path: &Path,
    name: &str,
    format: FileFormat,
    mut each: impl FnMut(u64, Example) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let io = |source| DataError::Io {
        file: name.to_owned(),
        source,
    };
    let file = BufReader::new(File::open(path).map_err(io)?);
    let mut count = 0u64;
    let mut counted = |line, example| {
        count += 1;
        each(line, example)
    };
    match format {
        FileFormat::Jsonl => read_jsonl(file, name, &mut counted)?,
        FileFormat::Text => read_text(file, name, &mut counted)?,
        FileFormat::Csv => read_csv(file, name, &mut counted)?,
        FileFormat::Gguf | FileFormat::Safetensors | FileFormat::Json => {
            return Err(DataError::File {
                file: name.to_owned(),
                problem: "this is a model, not data to learn from".to_owned(),
            });
        }
    }
    if count == 0 {
        return Err(DataError::Empty {
            file: name.to_owned(),
        });
    }
    Ok(())
}

type Each<'a> = &'a mut dyn FnMut(u64, Example) -> Result<(), DataError>;

fn wrong(file: &str, line: u64, problem: impl Into<String>) -> DataError {
    DataError::Line {
        file: file.to_owned(),
        line,
        problem: problem.into(),
    }
}

/// Calls `each` with every line, without its end, and its number.
fn lines(
    mut file: impl BufRead,
    name: &str,
    mut each: impl FnMut(u64, &str) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let read = (&mut file)
            .take(MOST_LINE_BYTES + 1)
            .read_until(b'\n', &mut bytes);
        let read = read.map_err(|source| DataError::Io {
            file: name.to_owned(),
            source,
        })?;
        if read == 0 {
            break;
        }
        if bytes.len() as u64 > MOST_LINE_BYTES {
            return Err(wrong(name, number, "the line is longer than 16 MiB"));
        }
        let text =
            str::from_utf8(&bytes).map_err(|_| wrong(name, number, "the line is not UTF-8"))?;
        let text = if number == 1 {
            text.trim_start_matches('\u{feff}')
        } else {
            text
        };
        each(number, text.trim_end_matches(['\n', '\r']))?;
    }
    Ok(())
}

/// A line of JSONL. Other fields are allowed: people keep ids and sources beside their texts.
#[derive(Deserialize)]
struct Line {
    messages: Option<Vec<LineMessage>>,
    prompt: Option<String>,
    completion: Option<String>,
    text: Option<String>,
}

#[derive(Deserialize)]
struct LineMessage {
    role: String,
    content: String,
}

fn read_jsonl(file: impl BufRead, name: &str, each: Each<'_>) -> Result<(), DataError> {
    lines(file, name, |number, text| {
        if text.trim().is_empty() {
            return Ok(());
        }
        let line: Line =
            serde_json::from_str(text).map_err(|error| wrong(name, number, describe(&error)))?;
        let example = line
            .example()
            .map_err(|problem| wrong(name, number, problem))?;
        each(number, example)
    })
}

/// serde's own words, without its line number: that counts inside the line.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    match error.classify() {
        serde_json::error::Category::Data => text.to_owned(),
        serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof
        | serde_json::error::Category::Io => {
            format!("this is not valid JSON ({text}, column {})", error.column())
        }
    }
}

impl Line {
    fn example(self) -> Result<Example, String> {
        match self {
            Self {
                messages: Some(messages),
                prompt: None,
                completion: None,
                text: None,
            } => chat(messages),
            Self {
                messages: None,
                prompt: Some(prompt),
                completion: Some(completion),
                text: None,
            } => completion_of(prompt, completion),
            Self {
                messages: None,
                prompt: None,
                completion: None,
                text: Some(text),
            } => text_of(text),
            _ => Err(
                "expected either \"messages\", or \"prompt\" and \"completion\", or \"text\""
                    .to_owned(),
            ),
        }
    }
}

fn chat(messages: Vec<LineMessage>) -> Result<Example, String> {
    let mut checked = Vec::with_capacity(messages.len());
    for LineMessage { role, content } in messages {
        if !ROLES.contains(&role.as_str()) {
            return Err(format!(
                "the role {role:?} is not known, only system, user and assistant"
            ));
        }
        if role == "assistant" && content.trim().is_empty() {
            return Err("an answer of the assistant is empty".to_owned());
        }
        checked.push(Message { role, content });
    }
    if !checked.iter().any(|message| message.role == "assistant") {
        return Err("no message is the assistant's, so there is nothing to learn".to_owned());
    }
    Ok(Example::Chat(checked))
}

fn completion_of(prompt: String, completion: String) -> Result<Example, String> {
    if completion.trim().is_empty() {
        return Err("the completion is empty".to_owned());
    }
    Ok(Example::Completion { prompt, completion })
}

fn text_of(text: String) -> Result<Example, String> {
    if text.trim().is_empty() {
        return Err("the text is empty".to_owned());
    }
    Ok(Example::Text(text))
}

fn read_text(file: impl BufRead, name: &str, each: Each<'_>) -> Result<(), DataError> {
    let (mut document, mut first_line) = (String::new(), 1);
    lines(file, name, |number, text| {
        if text.contains('\0') {
            return Err(wrong(
                name,
                number,
                "the line holds a zero byte, so this is no plain text",
            ));
        }
        if !text.trim().is_empty() {
            if document.is_empty() {
                first_line = number;
            } else {
                document.push('\n');
            }
            document.push_str(text);
            if document.len() as u64 > MOST_LINE_BYTES {
                return Err(wrong(name, number, "16 MiB without a blank line"));
            }
            return Ok(());
        }
        match std::mem::take(&mut document) {
            document if document.is_empty() => Ok(()),
            document => each(first_line, Example::Text(document)),
        }
    })?;
    if document.is_empty() {
        return Ok(());
    }
    each(first_line, Example::Text(document))
}

fn read_csv(file: impl Read, name: &str, each: Each<'_>) -> Result<(), DataError> {
    let mut reader = csv::Reader::from_reader(file);
    let csv_error = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        wrong(name, line, error.to_string())
    };
    let header = reader.headers().map_err(csv_error)?.clone();
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
    if text.is_none() && (prompt.is_none() || completion.is_none()) {
        let problem = "the header names neither \"text\" nor \"prompt\" and \"completion\"";
        return Err(wrong(name, 1, problem));
    }
    for record in reader.records() {
        let record = record.map_err(csv_error)?;
        let line = record.position().map_or(0, csv::Position::line);
        let field = |column: Option<usize>| {
            column
                .and_then(|column| record.get(column))
                .map(str::to_owned)
        };
        let example = match (field(text), field(prompt), field(completion)) {
            (Some(text), ..) => text_of(text),
            (None, Some(prompt), Some(completion)) => completion_of(prompt, completion),
            _ => Err("a field is missing".to_owned()),
        };
        each(line, example.map_err(|problem| wrong(name, line, problem))?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(format: FileFormat, content: &[u8]) -> Result<Vec<(u64, Example)>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        std::fs::write(&path, content).unwrap();
        let mut all = Vec::new();
        let result = read(&path, "data.jsonl", format, |line, example| {
            all.push((line, example));
            Ok(())
        });
        result.map(|()| all).map_err(|error| error.to_string())
    }

    fn text(text: &str) -> Example {
        Example::Text(text.to_owned())
    }

    #[test]
    fn three_kinds_of_lines_are_read_and_blank_lines_skipped() {
        let content = "\u{feff}{\"text\":\"een\",\"id\":7}\r\n\n{\"prompt\":\"p\",\"completion\":\"c\"}\n{\"messages\":[{\"role\":\"user\",\"content\":\"u\"},{\"role\":\"assistant\",\"content\":\"a\"}]}";
        let examples = read_all(FileFormat::Jsonl, content.as_bytes()).unwrap();
        let lines: Vec<u64> = examples.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 3, 4]);
        assert_eq!(examples[0].1, text("een"));
        assert!(matches!(&examples[2].1, Example::Chat(messages) if messages.len() == 2));
    }

    #[test]
    fn what_is_wrong_is_said_with_file_and_line() {
        let good = "{\"text\":\"een\"}\n";
        for (line, problem) in [
            ("{\"text\":\"twee\"", "not valid JSON"),
            ("[1]", "expected"),
            ("{\"text\":3}", "invalid type"),
            ("{\"tekst\":\"x\"}", "expected either"),
            ("{\"text\":\"x\",\"prompt\":\"y\"}", "expected either"),
            ("{\"text\":\" \"}", "empty"),
            (
                "{\"messages\":[{\"role\":\"robot\",\"content\":\"x\"}]}",
                "role \"robot\"",
            ),
            (
                "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
                "nothing to learn",
            ),
            (
                "{\"messages\":[{\"role\":\"assistant\",\"content\":\"\"}]}",
                "is empty",
            ),
        ] {
            let error =
                read_all(FileFormat::Jsonl, format!("{good}\n{line}\n").as_bytes()).unwrap_err();
            assert!(error.starts_with("data.jsonl, line 3: "), "{error}");
            assert!(error.contains(problem), "{line} gave {error}");
        }
        let error = read_all(FileFormat::Jsonl, b"{\"text\":\"\xff\"}").unwrap_err();
        assert_eq!(error, "data.jsonl, line 1: the line is not UTF-8");
    }

    #[test]
    fn an_empty_file_is_refused() {
        for format in [FileFormat::Jsonl, FileFormat::Text] {
            let error = read_all(format, b"\n \n").unwrap_err();
            assert_eq!(error, "data.jsonl holds no examples");
        }
        let error = read_all(FileFormat::Csv, b"text\n").unwrap_err();
        assert_eq!(error, "data.jsonl holds no examples");
    }

    #[test]
    fn blank_lines_part_the_documents_of_a_text() {
        let documents = read_all(FileFormat::Text, b"\nEen\ntwee\n\n\n drie").unwrap();
        assert_eq!(documents, [(2, text("Een\ntwee")), (6, text(" drie"))]);
    }

    #[test]
    fn csv_is_read_by_its_header() {
        let rows = read_all(FileFormat::Csv, b"id,text\n1,\"een\ntwee\"\n2,drie\n").unwrap();
        assert_eq!(rows, [(2, text("een\ntwee")), (4, text("drie"))]);
        let rows = read_all(FileFormat::Csv, b"prompt,completion\np,c\n").unwrap();
        assert!(matches!(&rows[0].1, Example::Completion { completion, .. } if completion == "c"));
        let error = read_all(FileFormat::Csv, b"tekst\nx\n").unwrap_err();
        assert!(
            error.starts_with("data.jsonl, line 1: the header"),
            "{error}"
        );
        let error = read_all(FileFormat::Csv, b"text,id\nx,1\ny\n").unwrap_err();
        assert!(error.starts_with("data.jsonl, line 3: "), "{error}");
    }
}
