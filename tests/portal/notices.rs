//! People are told: by page and by mail, once each, and who does not read it is reported.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
};

use reqwest::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;
use virtual_faculty::{
    db::{Event, Subject},
    ids::{InstitutionId, NoticeId},
    institutions,
    notices::{About, Notice, Recipient, tell},
    policy::{self, Action, Actor, Role, Scope},
};

use crate::support::TestApp;

#[derive(serde::Serialize)]
struct Tested;

impl Event for Tested {
    fn kind(&self) -> &'static str {
        "tests.told"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "test",
            id: Uuid::nil(),
            institution: InstitutionId(Uuid::nil()),
        }
    }
}

async fn told(app: &TestApp, notice: &Notice) -> Option<NoticeId> {
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution)).unwrap();
    let mut tx = app.ports.db.write(&actor).await.unwrap();
    let id = tell(&mut tx, notice).await.unwrap();
    tx.record(&Tested).unwrap();
    tx.commit(permit).await.unwrap();
    id
}

async fn to_manager(app: &TestApp) -> Notice {
    let waterland = institutions::find_by_slug(&app.ports.db, "waterland")
        .await
        .unwrap()
        .unwrap();
    let to = Recipient::Role {
        institution: waterland.id,
        role: Role::Manager,
    };
    Notice::new("escalated", to, about())
        .with("title", "de \"titel\"")
        .with("to", "iemand")
        .with_day("due", app.ports.db.now())
        .link("/contributions")
}

fn about() -> About {
    About {
        kind: "test",
        id: Uuid::nil(),
    }
}

/// The mails in a folder, by file name.
fn mails(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder.join("mail")) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect()
}

#[actix_web::test]
async fn a_notice_is_shown_is_mailed_once_and_is_read_by_who_it_is_for() {
    let app = TestApp::without_worker(&[]).await;
    let mut manager = app.browser("manager.waterland").await;
    let notice = to_manager(&app)
        .await
        .acknowledge_by(app.ports.db.now() + chrono::TimeDelta::days(7))
        .once("the same");
    let id = told(&app, &notice).await.expect("it is new");
    assert_eq!(
        told(&app, &notice).await,
        None,
        "the same again is not told"
    );
    app.run_tasks().await;
    app.run_tasks().await;
    let sent = mails(app.folder.path());
    assert_eq!(sent.len(), 1, "{sent:#?}");
    assert!(
        sent[0].contains(&format!("Message-ID: <{id}.")),
        "{}",
        sent[0]
    );
    assert!(sent[0].contains("/nl/contributions"), "{}", sent[0]);

    let tasks = manager.get("/nl/tasks").await.unwrap();
    assert!(
        tasks.text.contains(&format!("/nl/notices#{id}")),
        "{}",
        tasks.text
    );
    let page = manager.get("/en/notices").await.unwrap();
    assert!(page.text.contains("Not confirmed"), "{}", page.text);

    let path = format!("/api/v1/notices/{id}/read");
    for other in ["manager.harderwijk", "contributor.waterland", "admin"] {
        let answer = app
            .browser(other)
            .await
            .call(Method::POST, &path, Some(json!({})))
            .await
            .unwrap();
        assert_eq!(
            answer.status,
            StatusCode::NOT_FOUND,
            "{other}: {}",
            answer.text
        );
    }
    let read = manager
        .post_form(&format!("/nl/notices/{id}/read"), &[])
        .await
        .unwrap();
    assert_eq!(read.status, StatusCode::SEE_OTHER, "{}", read.text);
    let tasks = manager.get("/nl/tasks").await.unwrap();
    assert!(!tasks.text.contains("/nl/notices#"), "{}", tasks.text);
    let log = app.browser("auditor").await.get("/nl/audit").await.unwrap();
    assert!(log.text.contains("notices.acknowledged"), "{}", log.text);
}

#[actix_web::test]
async fn what_nobody_reads_in_time_is_told_to_the_manager_and_the_platform_once() {
    let app = TestApp::without_worker(&[]).await;
    for login in ["manager.waterland", "admin"] {
        app.browser(login).await;
    }
    let overdue = app.ports.db.now() - chrono::TimeDelta::minutes(1);
    let notice = to_manager(&app).await.acknowledge_by(overdue);
    let id = told(&app, &notice).await.unwrap();
    app.run_tasks().await;
    app.run_tasks().await;
    app.run_tasks().await;
    let mut admin = app.browser("admin").await;
    let seen = admin
        .api(Method::GET, "/api/v1/notices", None)
        .await
        .unwrap();
    let escalated: Vec<_> = seen["notices"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|notice| notice["kind"] == "escalated")
        .collect();
    assert_eq!(escalated.len(), 1, "{seen:#}");
    let own = app
        .browser("manager.waterland")
        .await
        .api(Method::GET, "/api/v1/notices", None)
        .await
        .unwrap();
    let first = own["notices"]
        .as_array()
        .unwrap()
        .iter()
        .find(|notice| notice["id"] == json!(id))
        .unwrap();
    assert!(first["escalated_at"].is_string(), "{first:#}");
    // Both were mailed: what was told first, and that it was not read.
    assert_eq!(mails(app.folder.path()).len(), 3);
}

#[actix_web::test]
async fn an_address_outside_confirms_by_the_link_in_the_mail_and_by_no_other() {
    let app = TestApp::without_worker(&[]).await;
    let notice = Notice::new(
        "escalated",
        Recipient::Address("licentiehouder@buiten.example".into()),
        about(),
    )
    .with("title", "x")
    .with("to", "y")
    .with_day("due", app.ports.db.now())
    .acknowledge_by(app.ports.db.now() + chrono::TimeDelta::days(7));
    told(&app, &notice).await.unwrap();
    app.run_tasks().await;
    let mail = mails(app.folder.path()).pop().unwrap();
    // Quoted-printable breaks long lines with "=".
    let mail = mail.replace("=\r\n", "");
    let link = mail
        .split_whitespace()
        .find(|word| word.contains("/confirm/"))
        .unwrap();
    let path = url::Url::parse(link).unwrap().path().to_owned();
    let http = reqwest::Client::new();
    let (rest, end) = path.split_at(path.len() - 2);
    let wrong = format!("{rest}{}", if end == "00" { "ff" } else { "00" });
    for method in [Method::GET, Method::POST] {
        let url = app.url.join(&wrong).unwrap();
        let answer = http.request(method, url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{wrong}");
    }
    let url = app.url.join(&path).unwrap();
    let page = http.get(url.clone()).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let answer = http.post(url).send().await.unwrap();
    let text = answer.text().await.unwrap();
    assert!(text.contains("U hebt bevestigd"), "{text}");
}

/// A mail server that refuses the first letters for now, and keeps the rest.
fn smtp_server(away: usize) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let kept = Arc::new(Mutex::new(Vec::new()));
    let letters = Arc::clone(&kept);
    std::thread::spawn(move || {
        let mut left = away;
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let _ = converse(stream, &mut left, &letters);
        }
    });
    (url, kept)
}

fn converse(
    stream: TcpStream,
    away: &mut usize,
    letters: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    out.write_all(b"220 test\r\n")?;
    while let Some(line) = lines.next() {
        let line = line?;
        let answer: &[u8] = match line.get(..4).unwrap_or_default() {
            "EHLO" | "HELO" => b"250 test\r\n",
            "MAIL" if *away > 0 => {
                *away -= 1;
                b"451 try again later\r\n"
            }
            "DATA" => {
                out.write_all(b"354 go on\r\n")?;
                let letter: Vec<String> = lines
                    .by_ref()
                    .map_while(Result::ok)
                    .take_while(|line| line != ".")
                    .collect();
                letters.lock().unwrap().push(letter.join("\n"));
                b"250 kept\r\n"
            }
            "QUIT" => {
                out.write_all(b"221 bye\r\n")?;
                return Ok(());
            }
            _ => b"250 ok\r\n",
        };
        out.write_all(answer)?;
    }
    Ok(())
}

#[actix_web::test]
async fn a_mail_server_that_is_away_is_tried_again_later_and_gets_each_mail_once() {
    let (url, letters) = smtp_server(1);
    let app = TestApp::without_worker(&[("FACULTY_MAIL__URL", &url)]).await;
    app.browser("manager.waterland").await;
    told(&app, &to_manager(&app).await).await.unwrap();
    let worker = virtual_faculty::app::worker(&app.ports);
    let error = worker.run_due().await.unwrap_err();
    assert!(error.to_string().contains("mail server is away"), "{error}");
    // The back-off is in the database; the test does not wait for it.
    let mut conn = crate::support::connection(&app).await;
    sqlx::query("UPDATE tasks SET run_at = now() - interval '1 second' WHERE done_at IS NULL")
        .execute(&mut conn)
        .await
        .unwrap();
    worker.run_due().await.unwrap();
    worker.run_due().await.unwrap();
    let letters = letters.lock().unwrap();
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert!(letters[0].contains("Message-ID: <"), "{}", letters[0]);
}

#[actix_web::test]
async fn what_has_to_be_read_is_not_pushed_out_by_news() {
    let app = TestApp::without_worker(&[]).await;
    let mut manager = app.browser("manager.waterland").await;
    let due = app.ports.db.now() + chrono::TimeDelta::days(7);
    let id = told(&app, &to_manager(&app).await.acknowledge_by(due))
        .await
        .unwrap();
    let news = to_manager(&app).await;
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution)).unwrap();
    let mut tx = app.ports.db.write(&actor).await.unwrap();
    virtual_faculty::notices::tell_all(&mut tx, &vec![news; 520])
        .await
        .unwrap();
    tx.record(&Tested).unwrap();
    tx.commit(permit).await.unwrap();
    let tasks = manager.get("/en/tasks").await.unwrap();
    assert!(
        tasks.text.contains("Confirm that you have read this"),
        "{}",
        tasks.text
    );
    let read = manager
        .call(
            Method::POST,
            &format!("/api/v1/notices/{id}/read"),
            Some(json!({})),
        )
        .await
        .unwrap();
    assert_eq!(read.status, StatusCode::NO_CONTENT, "{}", read.text);
    // Read, it stands among the others, and is still theirs.
    let again = manager
        .call(
            Method::POST,
            &format!("/api/v1/notices/{id}/read"),
            Some(json!({})),
        )
        .await
        .unwrap();
    assert_eq!(again.status, StatusCode::NO_CONTENT, "{}", again.text);
    let mut foreign = app.browser("manager.harderwijk").await;
    let theirs = foreign
        .call(
            Method::POST,
            &format!("/api/v1/notices/{id}/read"),
            Some(json!({})),
        )
        .await
        .unwrap();
    assert_eq!(theirs.status, StatusCode::NOT_FOUND, "{}", theirs.text);
}

#[actix_web::test]
async fn an_escalation_names_the_notice_in_the_language_of_the_reader() {
    let app = TestApp::without_worker(&[]).await;
    let waterland = institutions::find_by_slug(&app.ports.db, "waterland")
        .await
        .unwrap()
        .unwrap();
    let to = Recipient::Role {
        institution: waterland.id,
        role: Role::Contributor,
    };
    let notice = Notice::new("withdrawal-revoked", to, about())
        .with("title", "Notulen")
        .with("reason", "omdat")
        .with("consequence", "keep")
        .with_day("day", app.ports.db.now())
        .acknowledge_by(app.ports.db.now() - chrono::TimeDelta::days(1));
    told(&app, &notice).await.unwrap();
    app.run_tasks().await;
    let mut manager = app.browser("manager.waterland").await;
    for (lang, title) in [
        (
            "en",
            "Not confirmed: The platform revoked permission: Notulen",
        ),
        ("nl", "Niet bevestigd: Het platform"),
    ] {
        let page = manager.get(&format!("/{lang}/notices")).await.unwrap();
        assert!(page.text.contains(title), "{lang}: {}", page.text);
    }
}
