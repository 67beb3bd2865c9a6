//! What was used, all of it: on the page, in the file, and for programs; by project and institution too.

use std::{collections::HashSet, sync::Arc};

use chrono::{TimeDelta, Utc};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use virtual_faculty::{app::Ports, clock::FixedClock, demo::Browser};

use crate::{
    quota::{ask, serve},
    support::{Keyholder, chat_body, given, new_key},
};

const MODELS: usize = 70;
const DAYS: usize = 366;
const YEAR: &str = "since=2025-12-01&until=2026-12-01";

/// A year in which the key asked many models each day: five tokens a row, in more rows than any one answer holds.
async fn use_much(holder: &Keyholder) -> usize {
    let mut tx = holder.app.owner_tx().await;
    // Past the triggers: these models have no files.
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "SET LOCAL session_replication_role = replica;
         INSERT INTO models (id, name, kind, family, license, institution_id, status, weights_sha256, created_at)
         SELECT gen_random_uuid(), 'veel ' || n, 'base', 'veel', 'x', (SELECT institution_id FROM api_keys LIMIT 1),
             'registered', repeat('0', 64), now()
         FROM generate_series(1, {MODELS}) n;
         INSERT INTO usage_days (api_key_id, day, model_id, institution_id, requests, prompt_tokens, completion_tokens,
             cost_micros)
         SELECT k.id, DATE '2025-12-01' + n, m.id, k.institution_id, 1, 2, 3, 4
         FROM api_keys k CROSS JOIN models m CROSS JOIN generate_series(0, {DAYS} - 1) n WHERE m.family = 'veel'"
    )))
    .execute(tx.conn())
    .await
    .unwrap();
    tx.commit().await.unwrap();
    MODELS * DAYS
}

async fn usage(browser: &mut Browser, query: &str) -> Value {
    let path = format!("/api/v1/usage?{query}");
    browser.api(Method::GET, &path, None).await.unwrap()
}

fn tokens(rows: &[Value]) -> i64 {
    rows.iter()
        .map(|row| row["total_tokens"].as_i64().unwrap())
        .sum()
}

#[actix_web::test]
async fn nothing_is_left_out_of_a_year_of_much_use() {
    let holder = Keyholder::start(10_000, 100).await;
    let count = use_much(&holder).await;
    let all = i64::try_from(count).unwrap();
    assert!(count > 20_000, "{count}");
    let mut developer = holder.app.browser("developer.harderwijk").await;

    let page = developer.get(&format!("/en/usage?{YEAR}")).await.unwrap();
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.text.contains("128,100 tokens in all"),
        "the chart: {}",
        page.text
    );
    assert!(
        page.text.contains(">25,620<") && page.text.contains(">128,100<"),
        "by key: {}",
        page.text
    );

    let file = developer
        .get(&format!("/en/usage.csv?{YEAR}"))
        .await
        .unwrap();
    let mut lines = file.text.lines();
    assert!(lines.next().unwrap().starts_with("day,institution,key,"));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), count);
    assert_eq!(lines.iter().collect::<HashSet<_>>().len(), count, "once");
    assert!(
        lines.is_sorted_by(|a, b| a[..10] >= b[..10]),
        "newest first"
    );

    let (mut rows, mut seen, mut after) = (Vec::new(), HashSet::new(), String::new());
    loop {
        let query = format!("{YEAR}&limit=7000&after={after}");
        let answer = usage(&mut developer, &query).await;
        assert_eq!(
            answer.get("today").is_some(),
            after.is_empty(),
            "what counts today is told once"
        );
        for row in answer["data"].as_array().unwrap() {
            assert!(seen.insert(row.to_string()), "{row} came twice");
            rows.push(row.clone());
        }
        match answer["after"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => {
                assert_eq!(answer["has_more"], false);
                break;
            }
        }
        assert_eq!(answer["has_more"], true);
    }
    assert_eq!((rows.len(), tokens(&rows)), (count, 5 * all));
    let first = usage(&mut developer, YEAR).await;
    assert_eq!(first["data"].as_array().unwrap().len(), 1_000);
    assert_eq!(first["has_more"], true, "it says that there is more");
    let wrong = developer
        .call(Method::GET, "/api/v1/usage?after=x", None)
        .await;
    assert_eq!(wrong.unwrap().status, StatusCode::UNPROCESSABLE_ENTITY);

    let by_key = usage(&mut developer, &format!("{YEAR}&by=key")).await;
    let sum = &by_key["data"][0];
    assert_eq!(
        (&sum["requests"], &sum["cost_micros"], &by_key["count"]),
        (&json!(all), &json!(4 * all), &json!(1))
    );
    let some = usage(&mut developer, &format!("{YEAR}&by=model&limit=10")).await;
    assert_eq!(some["data"].as_array().unwrap().len(), 10);
    assert_eq!(
        (&some["count"], &some["has_more"]),
        (&json!(MODELS), &json!(true))
    );

    let url = format!("/v1/usage?{YEAR}");
    let own = holder.client.get(holder.app.url.join(&url).unwrap());
    let own = own.bearer_auth(&holder.key).send().await.unwrap();
    let own: Value = own.json().await.unwrap();
    let own = own["data"].as_array().unwrap();
    assert_eq!((own.len(), tokens(own)), (count, 5 * all));
}

/// The tokens of each by name; of what has none, by the empty name.
fn by_name(usage: &Value) -> Vec<(String, i64)> {
    let sums = usage["data"].as_array().unwrap();
    let one = |sum: &Value| {
        let name = sum["name"].as_str().unwrap_or_default().to_owned();
        (name, sum["total_tokens"].as_i64().unwrap())
    };
    sums.iter().map(one).collect()
}

#[actix_web::test]
async fn use_counts_for_the_project_that_the_key_stood_under_then() {
    let holder = Keyholder::start(10_000, 100).await;
    let institution = given::institution_of(&holder.app, &holder.id).await;
    let project = given::project(&holder.app, &institution, "vertalen").await;
    let mut wanted = new_key(10_000, 100);
    wanted["name"] = json!("tweede");
    wanted["project"] = json!(project);
    let people = ("developer.harderwijk", "manager.harderwijk");
    let (_, second) = given::key(&holder.app, people, wanted).await;
    // The first key under the institution: 23 tokens. The second under the project: 22.
    let answer = holder.ask("een twee drie", json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let url = holder.app.url.join("/v1/chat/completions").unwrap();
    let request = holder.client.post(url).bearer_auth(&second);
    let request = request.json(&chat_body("een twee", json!({})));
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    // The first is moved there, and asks again in a later minute: 22 more.
    let mut manager = holder.app.browser("manager.harderwijk").await;
    let path = format!("/api/v1/keys/{}/project", holder.id);
    let moved = Some(json!({"project": project}));
    let moved = manager.call(Method::PUT, &path, moved).await.unwrap();
    assert_eq!(moved.status, StatusCode::NO_CONTENT);
    let later = Arc::new(FixedClock::at(Utc::now() + TimeDelta::minutes(2)));
    let config = (**holder.app.ports.config).clone();
    let ports = Arc::new(Ports::with_clock(config, later).unwrap());
    let (later, handle) = serve(&ports).await;
    let answer = ask(&holder, &later, json!({})).await;
    assert_eq!(answer.status(), StatusCode::OK);
    handle.stop(false).await;

    // Two minutes on it may be tomorrow.
    let days = |query: &str| {
        let tomorrow = Utc::now().date_naive() + TimeDelta::days(2);
        format!("until={tomorrow}&{query}")
    };
    let sums = usage(&mut manager, &days("by=project")).await;
    let project_and_rest = [("vertalen".to_owned(), 44), (String::new(), 23)];
    assert_eq!(by_name(&sums), project_and_rest, "{sums}");
    assert_eq!(sums["data"][0]["id"], json!(project));
    let used: i64 = sqlx::query_scalar(
        "SELECT sum(used)::bigint FROM quota_counters WHERE node_id = $1 AND measure = 'tokens' AND period = 'day'",
    )
    .bind(project.parse::<uuid::Uuid>().unwrap())
    .fetch_one(&mut holder.database().await)
    .await
    .unwrap();
    assert_eq!(used, 44, "what is shown is what is enforced");
    let rows = usage(&mut manager, &days(&format!("key={}", holder.id))).await;
    assert_eq!(tokens(rows["data"].as_array().unwrap()), 45, "both places");
    let rows = usage(&mut manager, &days(&format!("project={project}"))).await;
    let rows = rows["data"].as_array().unwrap();
    assert_eq!((rows.len(), tokens(rows)), (2, 44));
    assert!(rows.iter().all(|row| row["project"] == "vertalen"));

    let file = format!("/en/usage.csv?{}", days(&format!("project={project}")));
    let file = manager.get(&file).await.unwrap().text;
    assert_eq!(file.lines().count(), 3, "{file}");
    assert_eq!(file.matches(&format!(",vertalen,{project}")).count(), 2);
    for (lang, title, of_all) in [
        ("en", "By project", "By institution"),
        ("nl", "Per project", "Per instelling"),
    ] {
        let page = manager.get(&format!("/{lang}/usage?{}", days(""))).await;
        let page = page.unwrap().text;
        assert!(page.contains(title) && !page.contains('⟨'), "{page}");
        assert!(page.contains(&format!("project={project}")), "{page}");
        assert!(!page.contains(of_all), "they see one only: {page}");
    }
    let part = format!("/en/usage?{}", days(&format!("project={project}")));
    let part = manager.get(&part).await.unwrap().text;
    assert!(part.contains("44 tokens in all"), "{part}");
    assert!(part.contains("A part of the usage is shown"), "{part}");
    // A form sends what was not chosen as an empty field.
    let empty = manager.get("/en/usage?key=&project=&institution=").await;
    assert_eq!(empty.unwrap().status, StatusCode::OK);

    let mut admin = holder.app.browser("admin").await;
    let sums = usage(&mut admin, &days("by=institution")).await;
    assert_eq!(by_name(&sums), [("Universiteit Harderwijk".to_owned(), 67)]);
    let page = admin.get(&format!("/en/usage?{}", days(""))).await.unwrap();
    assert!(page.text.contains("By institution"), "{}", page.text);
    let of_one = days(&format!("institution={institution}"));
    let rows = usage(&mut admin, &of_one).await;
    assert_eq!(tokens(rows["data"].as_array().unwrap()), 67);
    let mut stranger = holder.app.browser("manager.waterland").await;
    for query in [of_one, days(&format!("project={project}"))] {
        let rows = usage(&mut stranger, &query).await;
        assert_eq!((&rows["data"], &rows["today"]), (&json!([]), &json!([])));
    }
}
