//! Use as people and spreadsheets read it.

use super::store::Row;
use crate::web::{Lang, number};

/// Millionths of a unit as units, to the thousandth upwards: what costs anything is not nothing.
pub(super) fn cost_of(lang: Lang, micros: i64) -> String {
    let thousandths = micros.saturating_add(999) / 1000;
    let sign = if lang == Lang::Nl { ',' } else { '.' };
    let (whole, rest) = (thousandths / 1000, thousandths % 1000);
    format!("{}{sign}{rest:03}", number(lang, whole))
}

/// A piece of the file of what was used; the first one has the names of the columns.
pub(super) fn csv_of(rows: &[Row], is_first: bool) -> anyhow::Result<Vec<u8>> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    if is_first {
        csv.write_record([
            "day",
            "institution",
            "key",
            "key_id",
            "model",
            "requests",
            "prompt_tokens",
            "completion_tokens",
            "cost_micros",
            "project",
            "project_id",
        ])?;
    }
    for row in rows {
        csv.write_record([
            row.day.to_string(),
            harmless(&row.institution),
            harmless(&row.key_name),
            row.key.to_string(),
            harmless(&row.model),
            row.requests.to_string(),
            row.prompt_tokens.to_string(),
            row.completion_tokens.to_string(),
            row.cost_micros.to_string(),
            harmless(row.project.as_deref().unwrap_or_default()),
            row.project_id.map_or_else(String::new, |id| id.to_string()),
        ])?;
    }
    Ok(csv.into_inner()?)
}

/// A cell that spreadsheet programs take for text, also where it begins like a formula (OWASP, CSV injection).
fn harmless(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(day: &str, key_name: &str, tokens: i64) -> Row {
        Row {
            day: day.parse().unwrap(),
            key: uuid::Uuid::nil(),
            key_name: key_name.into(),
            institution_id: uuid::Uuid::nil(),
            institution: "Universiteit Harderwijk".into(),
            project_id: None,
            project: None,
            model_id: uuid::Uuid::nil(),
            model: "m".into(),
            requests: 1,
            prompt_tokens: tokens,
            completion_tokens: 0,
            cost_micros: tokens * 50,
        }
    }

    /// Programs of others read this file: a change of form is seen here.
    #[test]
    fn the_file_of_what_was_used_is_as_written_down() {
        let rows = [
            row("2026-11-22", "proef", 730),
            Row {
                project_id: Some(uuid::Uuid::nil()),
                project: Some("vertalen".into()),
                ..row("2026-11-23", "vragen, \"en\" antwoorden", 20)
            },
            row("2026-11-23", "=1+1", 0),
        ];
        let csv = String::from_utf8(csv_of(&rows, true).unwrap()).unwrap();
        insta::assert_snapshot!(csv, @r#"
        day,institution,key,key_id,model,requests,prompt_tokens,completion_tokens,cost_micros,project,project_id
        2026-11-22,Universiteit Harderwijk,proef,00000000-0000-0000-0000-000000000000,m,1,730,0,36500,,
        2026-11-23,Universiteit Harderwijk,"vragen, ""en"" antwoorden",00000000-0000-0000-0000-000000000000,m,1,20,0,1000,vertalen,00000000-0000-0000-0000-000000000000
        2026-11-23,Universiteit Harderwijk,'=1+1,00000000-0000-0000-0000-000000000000,m,1,0,0,0,,
        "#);
        let rest = String::from_utf8(csv_of(&rows, false).unwrap()).unwrap();
        assert!(csv.ends_with(&rest) && rest.starts_with("2026-11-22,"));
    }

    #[test]
    fn a_cost_is_read_in_units() {
        assert_eq!(cost_of(Lang::En, 0), "0.000");
        assert_eq!(cost_of(Lang::En, 1), "0.001");
        assert_eq!(cost_of(Lang::Nl, 1_234_567_000), "1.234,567");
    }

    #[test]
    fn no_cell_is_a_formula() {
        let csv = csv_of(&[row("2026-11-23", "=HYPERLINK(\"x\")", 1)], true).unwrap();
        let text = String::from_utf8(csv).unwrap();
        assert!(text.contains("\"'=HYPERLINK(\"\"x\"\")\""), "{text}");
        for start in ["+1", "-1", "@x", "\t="] {
            assert!(harmless(start).starts_with('\''), "{start}");
        }
        assert_eq!(harmless("a=b"), "a=b");
    }
}
