//! The log of an attempt: read, searched, downloaded.

use actix_web::{HttpResponse, get, http::header, web};
use askama::Template;
use serde::Deserialize;

use super::super::{find_visible, job::Attempt, logs, store};
use crate::{
    db::Db,
    error::AppError,
    ids::JobId,
    web::{Chrome, Lang, Page, PageResult, filters},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(show).service(download);
}

/// Lines of one page; a download has them all.
const MOST_LINES: usize = 1000;
const LONGEST_SEARCH: usize = 200;

#[derive(Deserialize)]
struct Query {
    /// Its number; none: the last one.
    attempt: Option<i32>,
    #[serde(default)]
    q: String,
}

struct Line {
    number: usize,
    at: String,
    level: String,
    text: String,
}

struct Other {
    label: String,
    href: String,
    is_here: bool,
}

#[derive(Template)]
#[template(path = "jobs/log.html")]
struct LogPage {
    chrome: Chrome,
    title: String,
    job: String,
    attempt: i32,
    q: String,
    others: Vec<Other>,
    lines: Vec<Line>,
    /// How many lines there are, and how many are shown.
    said: String,
    is_cut: bool,
    is_empty: bool,
    download: String,
}

#[get("/{lang:nl|en}/jobs/{job}/log")]
async fn show(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, JobId)>,
    query: web::Query<Query>,
) -> PageResult {
    let (lang, id) = (page.lang(), path.1);
    let job = find_visible(&db, page.actor(), id)
        .await?
        .ok_or(AppError::NotFound)?;
    let (attempts, attempt) = chosen(&db, id, query.attempt).await?;
    let log = logs::log(&db, &attempt).await?.ok_or(AppError::NotFound)?;
    let q: String = query.q.trim().chars().take(LONGEST_SEARCH).collect();
    let found = search(&log.text, &q);
    let all = found.len();
    // The end is what people look for.
    let lines: Vec<Line> = found
        .into_iter()
        .skip(all.saturating_sub(MOST_LINES))
        .map(|(number, line)| read(number, line))
        .collect();
    let here = page.path(&format!("/jobs/{id}"));
    let shown = LogPage {
        said: lang.t_with(
            "jobs-log-lines",
            &[("shown", lines.len().to_string()), ("all", all.to_string())],
        ),
        title: job.title,
        attempt: attempt.number,
        others: others(lang, &here, &attempts, attempt.number),
        is_empty: log.text.is_empty(),
        is_cut: log.is_cut,
        lines,
        q,
        download: format!("{here}/log.txt?attempt={}", attempt.number),
        job: here,
        chrome: page.chrome(),
    };
    page.show(&shown)
}

#[get("/{lang:nl|en}/jobs/{job}/log.txt")]
async fn download(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, JobId)>,
    query: web::Query<Query>,
) -> PageResult {
    let job = find_visible(&db, page.actor(), path.1)
        .await?
        .ok_or(AppError::NotFound)?;
    let (_, attempt) = chosen(&db, job.id, query.attempt).await?;
    let log = logs::log(&db, &attempt).await?.ok_or(AppError::NotFound)?;
    let name = format!("attachment; filename=\"{}-{}.log\"", job.id, attempt.number);
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, name))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(log.text))
}

/// All attempts, and the one that is meant.
async fn chosen(
    db: &Db,
    job: JobId,
    number: Option<i32>,
) -> Result<(Vec<Attempt>, Attempt), AppError> {
    let mut conn = db.read().await?;
    let attempts = store::attempts(&mut conn, job).await?;
    let found = match number {
        Some(number) => attempts.iter().find(|one| one.number == number),
        None => attempts.last(),
    };
    let attempt = found.cloned().ok_or(AppError::NotFound)?;
    Ok((attempts, attempt))
}

fn others(lang: Lang, here: &str, attempts: &[Attempt], number: i32) -> Vec<Other> {
    if attempts.len() < 2 {
        return Vec::new();
    }
    attempts
        .iter()
        .map(|attempt| Other {
            label: lang.t_with(
                "jobs-log-attempt",
                &[("number", attempt.number.to_string())],
            ),
            href: format!("{here}/log?attempt={}", attempt.number),
            is_here: attempt.number == number,
        })
        .collect()
}

/// The lines with their numbers, from 1, that hold `q`, whatever the case.
fn search<'a>(text: &'a str, q: &str) -> Vec<(usize, &'a str)> {
    let wanted = q.to_lowercase();
    text.lines()
        .enumerate()
        .filter(|(_, line)| wanted.is_empty() || line.to_lowercase().contains(&wanted))
        .map(|(index, line)| (index + 1, line))
        .collect()
}

/// A line of the programs' own form (`tracing` as JSON) in its parts; any other as it is.
fn read(number: usize, line: &str) -> Line {
    let whole = || Line {
        number,
        at: String::new(),
        level: String::new(),
        text: line.to_owned(),
    };
    let Ok(serde_json::Value::Object(mut fields)) = serde_json::from_str(line) else {
        return whole();
    };
    let mut word = |name: &str| match fields.remove(name) {
        Some(serde_json::Value::String(text)) => Some(text),
        _ => None,
    };
    let (Some(at), Some(level)) = (word("timestamp"), word("level")) else {
        return whole();
    };
    let target = word("target").unwrap_or_default();
    let inner = match fields.remove("fields") {
        Some(serde_json::Value::Object(inner)) => inner,
        _ => fields,
    };
    let mut text = match inner.get("message") {
        Some(serde_json::Value::String(message)) => message.clone(),
        _ => target,
    };
    for (name, value) in inner.iter().filter(|(name, _)| *name != "message") {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        text.push_str(&format!(" {name}={value}"));
    }
    Line {
        number,
        at: at.chars().take(19).collect::<String>().replace('T', " "),
        level,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_whatever_the_case_and_keep_their_numbers() {
        let text = "Een\ntwee\nEENTJE\n";
        assert_eq!(search(text, "een"), [(1, "Een"), (3, "EENTJE")]);
        assert_eq!(search(text, "").len(), 3);
        assert!(search("", "").is_empty());
    }

    #[test]
    fn a_line_of_a_program_is_read_and_any_other_stays() {
        let json = r#"{"timestamp":"2026-11-26T10:00:00.123Z","level":"WARN","fields":{"message":"trying again","tries":2},"target":"x"}"#;
        let line = read(3, json);
        assert_eq!(
            (line.at.as_str(), line.level.as_str(), line.text.as_str()),
            ("2026-11-26 10:00:00", "WARN", "trying again tries=2")
        );
        assert_eq!(read(1, "slurmstepd: error").text, "slurmstepd: error");
        assert_eq!(read(1, "[1]").text, "[1]");
    }
}
