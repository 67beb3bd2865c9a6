//! A line that cannot be used, as people and programs read of it.

use serde_json::{Value, json};
use training_examples::Fault;

use crate::{
    datasets::{BadLine as NoDocument, LineProblem},
    uploads::BadExample,
    web::Lang,
};

/// A line that cannot be used, in words; English.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadLine {
    /// In which of several files.
    pub(super) file: Option<String>,
    /// From 1.
    pub(super) line: u64,
    /// For example `messages[2].role`, where one field is to blame.
    pub(super) field: Option<String>,
    /// What is wrong, and what would do.
    pub(super) problem: String,
    /// Why it is no document, where the first reading found that it is none.
    pub(super) no_document: Option<LineProblem>,
}

impl BadLine {
    /// A line of a file that passed its first reading. No word of it is quoted, except to those who may read the data.
    pub(super) fn of_fault(
        (file, line): (Option<&str>, u64),
        fault: Fault,
        may_quote: bool,
    ) -> Self {
        let problem = if may_quote {
            fault.problem
        } else {
            fault.unquoted().to_owned()
        };
        Self {
            file: file.map(str::to_owned),
            line,
            field: fault.field,
            problem,
            no_document: None,
        }
    }

    /// A line of a file that did not pass it, to the institution whose file it is.
    pub(super) fn of_rejected(bad: &BadExample) -> Self {
        let problem = match (&bad.problem, &bad.no_document) {
            (Some(problem), _) => problem.clone(),
            // Its field stands before it.
            (None, Some(LineProblem::NoText { .. })) => {
                "this is missing, empty or no text; write it or leave the line out".to_owned()
            }
            (None, Some(problem)) => Lang::En.say(&problem.say()),
            (None, None) => String::new(),
        };
        Self {
            file: None,
            line: bad.line,
            field: bad.field.clone(),
            problem,
            no_document: bad.no_document.clone(),
        }
    }

    /// As [`BadLine::of_rejected`], where no more is known than that it is no document.
    pub(super) fn of_no_document(bad: &NoDocument) -> Self {
        Self::of_rejected(&BadExample::no_document(bad.line, bad.problem.clone()))
    }

    /// For programs.
    pub(super) fn as_json(&self) -> Value {
        json!({
            "file": self.file, "line": self.line, "field": self.field, "problem": self.problem,
            "detail": self.no_document,
        })
    }

    /// For people, on a line of its own.
    fn as_text(&self) -> String {
        let place = match &self.file {
            Some(file) => format!("{file}, line {}", self.line),
            None => format!("Line {}", self.line),
        };
        match &self.field {
            Some(field) => format!("\n{place}: {field}: {}", self.problem),
            None => format!("\n{place}: {}", self.problem),
        }
    }
}

/// What is wrong as a whole, and each line of it.
pub(super) fn said(whole: &str, lines: &[BadLine]) -> String {
    let lines: String = lines.iter().map(BadLine::as_text).collect();
    format!("{whole}{lines}")
}

#[cfg(test)]
mod tests {
    use training_examples::{control_text_in, example};

    use super::*;

    #[test]
    fn people_of_another_institution_hear_line_field_and_kind_of_fault_alone() {
        let line =
            r#"{"messages":[{"role":"assistant","content":"a<|geheim|>"}],"source":"geheim"}"#;
        let fault = example(line)
            .and_then(|example| {
                example.refuse_control(|text| control_text_in(text).map(str::to_owned))
            })
            .unwrap_err();
        let own = BadLine::of_fault((None, 7), fault.clone(), true);
        assert!(own.as_text().contains("<|geheim|>"), "{own:?}");
        let others = BadLine::of_fault((Some("file 2"), 7), fault, false);
        let said = said("One line cannot be used.", std::slice::from_ref(&others));
        assert!(
            said.contains("\nfile 2, line 7: messages[0].content: the text holds a control token"),
            "{said}"
        );
        assert!(!format!("{said}{}", others.as_json()).contains("geheim"));
    }

    #[test]
    fn a_line_that_is_no_document_has_its_field() {
        let bad = NoDocument {
            line: 4,
            problem: LineProblem::NoText {
                field: "messages[0].content".into(),
            },
        };
        let told = BadLine::of_no_document(&bad);
        assert_eq!(
            told.as_text(),
            "\nLine 4: messages[0].content: this is missing, empty or no text; write it or leave the line out"
        );
        assert_eq!(told.as_json()["detail"]["code"], "no_text");
    }
}
