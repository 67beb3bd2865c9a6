//! Projects of an institution: how many there are at most.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Keyholder, given, new_key};

/// As many as there may be.
const MOST: i64 = 200;

#[actix_web::test]
async fn an_institution_has_so_many_projects_and_is_told_when_there_are_no_more() {
    let holder = Keyholder::start(10_000, 100).await;
    let institution = given::institution_of(&holder.app, &holder.id).await;
    sqlx::query(
        "INSERT INTO quota_nodes (id, kind, parent_id, name)
         SELECT gen_random_uuid(), 'project', $1, 'project ' || n FROM generate_series(1, $2) n",
    )
    .bind(institution.parse::<uuid::Uuid>().unwrap())
    .bind(MOST - 1)
    .execute(&mut holder.database().await)
    .await
    .unwrap();
    let mut manager = holder.app.browser("manager.harderwijk").await;
    let wanted = json!({"institution": institution, "name": "de laatste"});
    let mut make = async || {
        let wanted = Some(wanted.clone());
        let made = manager.call(Method::POST, "/api/v1/projects", wanted).await;
        made.unwrap()
    };
    assert_eq!(make().await.status, StatusCode::CREATED);
    let refused = make().await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    assert!(
        refused.text.contains("quota-projects-many") && refused.text.contains("at most 200"),
        "{}",
        refused.text
    );
    let fields = [("institution", institution.as_str()), ("name", "nog een")];
    let page = manager
        .post_form("/nl/limits/projects/new", &fields)
        .await
        .unwrap();
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(
        page.text.contains("hoogstens 200 projecten"),
        "{}",
        page.text
    );
    // Another institution's do not count here.
    let mut other = holder.app.browser("manager.waterland").await;
    let theirs = other
        .api(Method::POST, "/api/v1/keys", Some(new_key(10, 1)))
        .await
        .unwrap();
    let theirs = theirs["institution"]["id"].as_str().unwrap();
    let wanted = json!({"institution": theirs, "name": "archief"});
    let made = other
        .call(Method::POST, "/api/v1/projects", Some(wanted))
        .await
        .unwrap();
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
}
