use training_examples::MOST_MESSAGE_BYTES;

use super::*;

type Read = (Vec<(u64, Example)>, Vec<String>);

/// Reads a file of one's own; problems call it `data.jsonl`.
fn read_all(format: FileFormat, content: &[u8]) -> Read {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.jsonl");
    std::fs::write(&path, content).unwrap();
    let mut all = Vec::new();
    let mut problems = Problems::default();
    read(
        &path,
        &path.display().to_string(),
        format,
        &mut problems,
        |line, example| {
            all.push((line, example));
            Ok(())
        },
    )
    .unwrap();
    let of_folder = format!("{}/", folder.path().display());
    let told = problems.told().iter().map(ToString::to_string);
    (all, told.map(|one| one.replace(&of_folder, "")).collect())
}

fn text(text: &str) -> Example {
    Example::Text(text.to_owned())
}

#[test]
fn lines_of_one_kind_are_read_and_blank_lines_skipped() {
    let content = "\u{feff}{\"text\":\"een\",\"id\":7}\r\n\n{\"text\":\"twee\"}";
    let (examples, problems) = read_all(FileFormat::Jsonl, content.as_bytes());
    assert_eq!(examples, [(1, text("een")), (3, text("twee"))]);
    assert!(problems.is_empty(), "{problems:?}");
    let chat = r#"{"messages":[{"role":"user","content":"u"},{"role":"assistant","content":"a","weight":0},{"role":"assistant","content":"b","weight":1.0}]}"#;
    let (examples, _) = read_all(FileFormat::Jsonl, chat.as_bytes());
    assert!(
        matches!(&examples[0].1, Example::Chat { counts, .. } if *counts == [true, false, true])
    );
    let preference = r#"{"input":{"messages":[{"role":"user","content":"u"}]},"preferred_output":[{"role":"assistant","content":"goed"}],"non_preferred_output":"slecht"}"#;
    let (examples, _) = read_all(FileFormat::Jsonl, preference.as_bytes());
    assert!(
        matches!(&examples[0].1, Example::Preference { preferred, rejected, .. } if preferred == "goed" && rejected == "slecht")
    );
}

/// Line, field and advice of each kind of mistake.
#[test]
fn what_is_wrong_is_said_with_file_line_and_field() {
    let long = "x".repeat(MOST_MESSAGE_BYTES + 1);
    let long = format!(r#"{{"messages":[{{"role":"user","content":"{long}"}}]}}"#);
    let chat =
        |message: &str| format!(r#"{{"messages":[{{"role":"user","content":"u"}},{message}]}}"#);
    for (line, problem) in [
        (r#"{"text":"twee""#.to_owned(), "not valid JSON"),
        (r#"{"text":"twee""#.to_owned(), "may have been cut"),
        (
            "[1]".to_owned(),
            "expected an object in braces, found a list",
        ),
        (
            r#"{"text":3}"#.to_owned(),
            "text: expected text in quotes, found a number",
        ),
        (r#"{"tekst":"x"}"#.to_owned(), "expected either"),
        (r#"{"text":"x","prompt":"y"}"#.to_owned(), "expected either"),
        (
            r#"{"prompt":"y"}"#.to_owned(),
            "completion: this field is missing",
        ),
        (r#"{"text":" "}"#.to_owned(), "text: the text is empty"),
        (
            r#"{"text":"x","tools":[1]}"#.to_owned(),
            "tools: tools cannot be learnt",
        ),
        (
            chat(r#"{"role":"robot","content":"x"}"#),
            "messages[1].role: the role \"robot\"",
        ),
        (
            chat(r#"{"role":"user","content":"x"}"#),
            "messages: no message is the assistant's",
        ),
        (
            chat(r#"{"role":"assistant","content":""}"#),
            "messages[1].content: an answer",
        ),
        (
            chat(r#"{"role":"assistant"}"#),
            "messages[1].content: this field is missing",
        ),
        (
            chat(r#"{"role":"assistant","content":"a","weight":0.5}"#),
            "messages[1].weight: the weight is 0.5",
        ),
        (
            chat(r#"{"role":"assistant","content":"a","weight":"1"}"#),
            "must be 0 (not learnt) or 1",
        ),
        (
            chat(r#"{"role":"assistant","content":"a","weight":0}"#),
            "every answer has the weight 0",
        ),
        (
            chat(r#"{"role":"user","content":"a","weight":1}"#),
            "messages[1].weight: only answers",
        ),
        (long, "messages[0].content: 1000001 bytes are more"),
        (
            r#"{"prompt":"y","completion":"z"}"#.to_owned(),
            "line 1 is running text",
        ),
        (
            r#"{"input":"v","preferred_output":"a","non_preferred_output":"a"}"#.to_owned(),
            "both answers are the same",
        ),
        (
            r#"{"input":{"messages":[]},"preferred_output":"a","non_preferred_output":"b"}"#
                .to_owned(),
            "input: the last message",
        ),
        (
            r#"{"input":"v","preferred_output":[],"non_preferred_output":"b"}"#.to_owned(),
            "preferred_output: expected exactly one",
        ),
    ] {
        let content = format!("{{\"text\":\"een\"}}\n\n{line}\n{{\"text\":\"vier\"}}\n");
        let (examples, problems) = read_all(FileFormat::Jsonl, content.as_bytes());
        let [found] = problems.as_slice() else {
            unreachable!("{problem}: {problems:?}");
        };
        assert!(found.starts_with("data.jsonl, line 3: "), "{found}");
        assert!(found.contains(problem), "expected {problem:?} in {found}");
        assert_eq!(examples.len(), 2, "the lines around it are read");
    }
    let (_, problems) = read_all(FileFormat::Jsonl, b"{\"text\":\"\xff\"}");
    assert!(problems[0].starts_with("data.jsonl, line 1: the line is not UTF-8"));
}

#[test]
fn of_a_file_that_is_not_ones_own_nothing_is_quoted_and_it_goes_by_the_name_given() {
    let answered = |rest: &str| {
        format!(
            r#"{{"messages":[{{"role":"user","content":"geheim"}},{{"role":"assistant","content":"geheim"{rest}}}]}}"#
        )
    };
    let lines = [
        r#"{"messages":[{"role":"geheim","content":"geheim"}]}"#.to_owned(),
        answered(r#","weight":4711"#),
        answered(r#","weight":"geheim""#),
        r#"{"geheim":"geheim"}"#.to_owned(),
        "geheim".to_owned(),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    std::fs::write(&path, lines.join("\n")).unwrap();
    let mut problems = Problems::default();
    let name = "file 2";
    read(&path, name, FileFormat::Jsonl, &mut problems, |_, _| Ok(())).unwrap();
    let told: Vec<&str> = problems
        .told()
        .iter()
        .map(|one| one.problem.as_str())
        .collect();
    assert_eq!(told.len(), lines.len());
    let whole = problems.to_string();
    for one in told.into_iter().chain([whole.as_str()]) {
        assert!(!one.contains("geheim") && !one.contains("4711"), "{one}");
    }
    assert!(
        whole.starts_with("file 2, line 1: messages[0].role: the role is not known"),
        "{whole}"
    );
}

#[test]
fn all_bad_lines_are_told_up_to_a_hundred_and_the_rest_counted() {
    let lines: String = (0..150)
        .map(|_| "{\"text\":3}\n{\"text\":\"goed\"}\n")
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    std::fs::write(&path, lines).unwrap();
    let mut problems = Problems::default();
    let format = FileFormat::Jsonl;
    let count = read(&path, "data.jsonl", format, &mut problems, |_, _| Ok(())).unwrap();
    assert_eq!(
        (count, problems.count(), problems.told().len()),
        (150, 150, 100)
    );
    assert_eq!(problems.told()[99].line, 199);
    let words = problems.to_string();
    assert!(
        words.ends_with("(and 149 more lines that cannot be used)"),
        "{words}"
    );
}

#[test]
fn an_empty_file_is_refused() {
    for (format, content) in [
        (FileFormat::Jsonl, b"\n \n".as_slice()),
        (FileFormat::Text, b"\n \n"),
        (FileFormat::Csv, b"text\n"),
        (FileFormat::Csv, b""),
    ] {
        let (_, problems) = read_all(format, content);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("data.jsonl: the file holds no examples"));
    }
}

#[test]
fn blank_lines_part_the_documents_of_a_text() {
    let (documents, _) = read_all(FileFormat::Text, b"\nEen\ntwee\n\n\n drie");
    assert_eq!(documents, [(2, text("Een\ntwee")), (6, text(" drie"))]);
    let (documents, problems) = read_all(FileFormat::Text, b"Een\n\ntw\0ee\nx\n\ndrie\n");
    assert_eq!(documents, [(1, text("Een")), (6, text("drie"))]);
    assert!(problems[0].starts_with("data.jsonl, line 3: the line holds a zero byte"));
}

#[test]
fn csv_is_read_by_its_header() {
    let (rows, _) = read_all(FileFormat::Csv, b"id,text\n1,\"een\ntwee\"\n2,drie\n");
    assert_eq!(rows, [(2, text("een\ntwee")), (4, text("drie"))]);
    let (rows, _) = read_all(FileFormat::Csv, b"prompt,completion\np,c\n");
    assert!(matches!(&rows[0].1, Example::Completion { completion, .. } if completion == "c"));
    let (_, problems) = read_all(FileFormat::Csv, b"tekst\nx\n");
    assert!(
        problems[0].starts_with("data.jsonl, line 1: the header"),
        "{problems:?}"
    );
    let (rows, problems) = read_all(FileFormat::Csv, b"text,id\nx,1\ny\nz,2\n");
    assert!(
        problems[0].starts_with("data.jsonl, line 3: "),
        "{problems:?}"
    );
    assert_eq!(rows.len(), 2);
}

#[test]
fn a_quotation_mark_that_is_never_closed_takes_no_memory() {
    let mut content = b"text\neen\n\"twee\n".to_vec();
    content.resize(content.len() + 3 * MOST_LINE_BYTES as usize, b'x');
    let (rows, problems) = read_all(FileFormat::Csv, &content);
    assert_eq!(rows, [(2, text("een"))]);
    assert_eq!(
        problems,
        [
            "data.jsonl, line 2: a record of more than 16 MiB begins after this line; close its quotation marks"
        ]
    );
    // Long files of short records are read to their end.
    let many = "text\n".to_owned() + &"een twee drie\n".repeat(2_000_000);
    let (rows, problems) = read_all(FileFormat::Csv, many.as_bytes());
    assert_eq!((rows.len(), problems.len()), (2_000_000, 0));
}
