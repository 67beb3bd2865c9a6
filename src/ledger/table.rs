//! A statement as a table, for spreadsheets. Pure.

use super::statement::Statement;

/// A line for each job and model, as CSV. Ids and counts alone: nothing in it can be a formula of a spreadsheet.
///
/// # Errors
/// Never in practice: it is written to memory.
pub(super) fn table(statement: &Statement) -> Result<Vec<u8>, csv::Error> {
    let mut file = csv::Writer::from_writer(Vec::new());
    file.write_record([
        "month",
        "dataset",
        "version",
        "kind",
        "job_or_model",
        "attempt",
        "tokens_read",
        "tokens_served",
        "tokens_withheld",
    ])?;
    for line in &statement.versions {
        let (month, dataset, version) = (
            statement.month.to_string(),
            line.dataset.to_string(),
            line.version.to_string(),
        );
        let mut write = |kind: &str, id: String, attempt: String, counts: [i64; 3]| {
            let [read, served, withheld] = counts.map(|count| count.to_string());
            file.write_record([
                &month, &dataset, &version, kind, &id, &attempt, &read, &served, &withheld,
            ])
        };
        for one in &line.read {
            write(
                "read",
                one.job.to_string(),
                one.attempt.to_string(),
                [one.tokens, 0, 0],
            )?;
        }
        for one in &line.served {
            write(
                "served",
                one.model.to_string(),
                String::new(),
                [0, one.tokens, one.withheld],
            )?;
        }
    }
    Ok(file.into_inner().map_err(csv::IntoInnerError::into_error)?)
}
