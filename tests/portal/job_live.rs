//! The stream that keeps the page of a running job up to date, with the test in the place of the program.

use std::time::Duration;

use job_contract::{EventBatch, JobEvent, NumberedEvent, Outcome, Phase};
use reqwest::{Method, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;
use virtual_faculty::{
    ids::{InstitutionId, UserId},
    web::{cookie_name, start_session},
};

use crate::{
    job_contract::{Program, portal},
    support::{TestApp, connection, given},
};

/// Longer than the portal looks away, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open stream, read event by event.
struct Stream {
    answer: Response,
    unread: Vec<u8>,
}

impl Stream {
    /// Opens the stream of a job's page for whoever asked for the job.
    async fn open(app: &TestApp, job: Uuid) -> Self {
        let (user, institution) = sqlx::query_as::<_, (Uuid, Uuid)>(
            "SELECT requested_by, institution_id FROM jobs WHERE id = $1",
        )
        .bind(job)
        .fetch_one(&mut connection(app).await)
        .await
        .unwrap();
        let mut tx = app.ports.db.meter().await.unwrap();
        let session = start_session(&mut tx, UserId(user), InstitutionId(institution))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let answer = client
            .get(app.url.join(&format!("/nl/jobs/{job}/events")).unwrap())
            .header(
                header::COOKIE,
                format!("{}={session}", cookie_name(&app.ports.config)),
            )
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self {
            answer,
            unread: Vec::new(),
        }
    }

    /// What the page is told next; none at the end of the stream.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let end = self.unread.windows(2).position(|pair| pair == b"\n\n");
            if let Some(end) = end {
                let event: Vec<u8> = self.unread.drain(..end + 2).collect();
                let event = String::from_utf8(event).unwrap();
                // A line that begins with a colon keeps the connection open and says nothing.
                if event.starts_with(':') {
                    continue;
                }
                let data = event.strip_prefix("event: snapshot\ndata: ").unwrap();
                return Some(serde_json::from_str(data).unwrap());
            }
            let piece = timeout(PATIENCE, self.answer.chunk())
                .await
                .expect("the stream says something in time")
                .unwrap()?;
            self.unread.extend_from_slice(&piece);
        }
    }

    /// What the page is told once the job is at a step.
    async fn at_step(&mut self, step: u32) -> Value {
        loop {
            let told = self.next().await.expect("the stream goes on");
            assert_eq!(told["status"], "running", "{told:#}");
            if told["step"] == step {
                return told;
            }
        }
    }
}

fn step(step: u8) -> JobEvent {
    let figure = f32::from(step);
    JobEvent::Step {
        step: step.into(),
        total_steps: 8,
        loss: 4.0 - figure / 4.0,
        accuracy: None,
        learning_rate: figure / 1024.0,
        gradient_norm: 1.0 + figure / 8.0,
        tokens_per_second: 100.0 * figure,
        tokens_seen: 64 * u64::from(step),
        tokens_by_dataset: Vec::new(),
        seconds_left: Some(u32::from(8 - step)),
    }
}

/// Tells events with the numbers from `first` on.
async fn tell(app: &TestApp, program: &Program, first: u64, events: Vec<JobEvent>) {
    let at = app.ports.db.now();
    let events = (first..)
        .zip(events)
        .map(|(number, event)| NumberedEvent { number, at, event })
        .collect();
    let (status, text) = program
        .call(Method::POST, "events", &EventBatch { events })
        .await;
    assert_eq!(status, StatusCode::OK, "{text}");
}

#[actix_web::test]
async fn the_page_of_a_running_job_is_told_of_each_step_with_all_its_figures() {
    let app = portal().await;
    let data = given::approved_dataset(&app).await;
    let program = Program::dispatched(&app, data.version).await;
    let mut stream = Stream::open(&app, program.job).await;
    let before = stream.at_step(0).await;
    assert_eq!(
        (&before["phase"], &before["is_over"], &before["losses"]),
        (&json!("running"), &json!(false), &json!([]))
    );

    let begun = vec![
        JobEvent::Phase {
            phase: Phase::Training,
        },
        JobEvent::HeldOut {
            step: 0,
            loss: 4.5,
            accuracy: None,
        },
        step(1),
        step(2),
    ];
    tell(&app, &program, 1, begun).await;
    let told = stream.at_step(2).await;
    for (curve, points) in [
        ("losses", json!([[1, 3.75], [2, 3.5]])),
        ("held_out", json!([[0, 4.5]])),
        (
            "learning_rates",
            json!([[1, 0.000_976_562_5], [2, 0.001_953_125]]),
        ),
        ("gradient_norms", json!([[1, 1.125], [2, 1.25]])),
        ("speeds", json!([[1, 100.0], [2, 200.0]])),
        ("learning_rate", json!(0.001_953_125)),
        ("tokens_per_second", json!(200.0)),
        ("total_steps", json!(8)),
        ("seconds_left", json!(6)),
    ] {
        assert_eq!(told[curve], points, "{curve}: {told:#}");
    }
    let lines = told["events"].to_string();
    assert!(lines.contains("Training begonnen"), "{lines}");

    // What comes later arrives on the same stream, without asking again.
    tell(&app, &program, 5, vec![step(3)]).await;
    let told = stream.at_step(3).await;
    for (curve, last) in [
        ("losses", json!([3, 3.25])),
        ("learning_rates", json!([3, 0.002_929_687_5])),
        ("gradient_norms", json!([3, 1.375])),
        ("speeds", json!([3, 300.0])),
    ] {
        let points = told[curve].as_array().unwrap();
        assert_eq!((points.len(), points.last()), (3, Some(&last)), "{curve}");
    }
    the_page_draws_the_same(&app, program.job).await;

    let mut researcher = app.browser("researcher.harderwijk").await;
    let path = format!("/api/v1/jobs/{}/cancel", program.job);
    researcher.api(Method::POST, &path, None).await.unwrap();
    assert!(program.heartbeat().await.cancel);
    let outcome = Outcome::Cancelled {
        reason: "cancelled_by_requester".into(),
    };
    assert_eq!(program.finish(&outcome).await, StatusCode::NO_CONTENT);
    let mut last = told;
    while let Some(told) = stream.next().await {
        last = told;
    }
    assert_eq!(
        (&last["status"], &last["phase"], &last["is_over"]),
        (&json!("cancelled"), &json!("done"), &json!(true)),
        "{last:#}"
    );
}

/// Whoever opens the page meanwhile sees where the job is, and the script where it goes on from there.
async fn the_page_draws_the_same(app: &TestApp, job: Uuid) {
    let mut researcher = app.browser("researcher.harderwijk").await;
    for (lang, said) in [
        (
            "nl",
            [
                "Leersnelheid: 0,00293 bij stap 3.",
                "Tokens per seconde: 300 bij stap 3.",
                "Lengte van de gradiënt: 1,38 bij stap 3.",
            ],
        ),
        (
            "en",
            [
                "Learning rate: 0.00293 at step 3.",
                "Tokens per second: 300 at step 3.",
                "Length of the gradient: 1.38 at step 3.",
            ],
        ),
    ] {
        let page = researcher
            .get(&format!("/{lang}/jobs/{job}"))
            .await
            .unwrap();
        let stream = format!("data-events=\"/{lang}/jobs/{job}/events\" data-status=\"running\"");
        assert!(page.text.contains(&stream), "{}", page.text);
        for part in said {
            let about = format!("aria-label=\"{part}\"");
            assert!(
                page.text.contains(&about),
                "{about} is not in {}",
                page.text
            );
        }
    }
}
