//! What the pages of jobs tell: two jobs compared, what a request would need, what a job used.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;
use virtual_faculty::demo::Browser;

use crate::support::{TestApp, given};

const WHO: &str = "researcher.harderwijk";

/// A number as a page in that language writes it.
fn decimal(lang: &str, value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if lang == "nl" {
        text.replace('.', ",")
    } else {
        text
    }
}

async fn page(browser: &mut Browser, path: &str) -> String {
    let page = browser.get(path).await.unwrap();
    assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
    assert!(!page.text.contains('⟨'), "a text is missing: {}", page.text);
    page.text
}

#[track_caller]
fn shows(page: &str, part: &str) {
    assert!(page.contains(part), "{part} is not in {page}");
}

/// A job that came to its end, with some fields of its request replaced; how it stands then.
async fn done(app: &TestApp, mut wanted: Value, changes: &[(&str, Value)]) -> (Uuid, Value) {
    for (name, value) in changes {
        wanted[*name] = value.clone();
    }
    let job = given::approved_request(app, wanted).await;
    let state = given::job_until(app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    (job, state)
}

/// A portal with one place, of which price and power are known and high enough to be seen in seconds of work.
async fn priced(folder: &TempDir) -> TestApp {
    let settings = folder.path().join("faculty.toml");
    let text = format!(
        "[[compute.places]]\nname = \"here\"\nkind = \"local\"\nslots = 1\nstate_dir = {:?}\nprogram = {:?}\n\
         milli_sbu_per_core_hour = 1000000\nwatts_per_core = 4000\n",
        folder.path().join("here"),
        TestApp::programs().join("faculty-training"),
    );
    std::fs::write(&settings, text).unwrap();
    TestApp::start_with(&[("FACULTY_CONFIG", settings.to_str().unwrap())]).await
}

/// Amounts of SBU and of energy, as a page in that language writes them.
fn amounts(lang: &str, cost: &Value) -> (String, String) {
    let of = |name: &str| cost[name].as_u64().unwrap_or_else(|| panic!("{cost:#}")) as f64;
    assert!(of("milli_sbu") > 0.0 && of("joules") > 0.0, "{cost:#}");
    let energy = decimal(lang, of("joules") / 3600.0, 1);
    (
        decimal(lang, of("milli_sbu") / 1000.0, 3),
        format!("{energy} Wh"),
    )
}

#[actix_web::test]
async fn two_jobs_are_compared_by_settings_curves_and_results() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let wanted = given::job(base, data.version, 3);
    let changes = [
        ("title", json!("Met hogere rang")),
        ("rank", json!(8)),
        ("epochs", json!(2)),
    ];
    let (a, first) = done(&app, wanted.clone(), &[]).await;
    let (b, second) = done(&app, wanted, &changes).await;
    let mut researcher = app.browser(WHO).await;
    for (lang, base_model, rank, epochs, held_out, training, ends) in [
        (
            "nl",
            "Basismodel",
            "Rang van de adapters",
            "Aantal keren door de data",
            "Fout op achtergehouden data",
            "Fout bij het leren",
            ("A eindigt op", "B op"),
        ),
        (
            "en",
            "Base model",
            "Rank of the adapters",
            "Passes over the data",
            "Held-out loss",
            "Training loss",
            ("A ends at", "B at"),
        ),
    ] {
        let alone = page(&mut researcher, &format!("/{lang}/jobs/compare?a={a}")).await;
        assert!(!alone.contains("data-line"), "one is not two: {alone}");
        let both = page(
            &mut researcher,
            &format!("/{lang}/jobs/compare?a={a}&b={b}"),
        )
        .await;
        for (job, title) in [(a, "Proef"), (b, "Met hogere rang")] {
            shows(
                &both,
                &format!("<a href=\"/{lang}/jobs/{job}\">{title}</a>"),
            );
        }
        // Held-out and training loss, with a line of each job.
        for side in ["a", "b"] {
            let drawn = format!("data-line=\"{side}\" d=\"M");
            assert_eq!(both.matches(&drawn).count(), 2, "{drawn}: {both}");
        }
        for (name, field) in [(held_out, "held_out_loss"), (training, "loss")] {
            let last = |state: &Value| decimal(lang, state["progress"][field].as_f64().unwrap(), 2);
            let (a, b) = (last(&first), last(&second));
            let said = format!("aria-label=\"{name}: {} {a}, {} {b}.\"", ends.0, ends.1);
            shows(&both, &said);
        }
        let row = |name: &str, a: &str, b: &str| {
            format!("{name}</th><td data-label=\"A\">{a}</td><td data-label=\"B\">{b}</td></tr>")
        };
        shows(
            &both,
            &format!("<tr><th scope=\"row\">{}", row(base_model, "tiny", "tiny")),
        );
        for (name, a, b) in [(rank, "4", "8"), (epochs, "3", "2")] {
            let row = row(name, a, b);
            shows(&both, &row);
            let before = both.split(&row).next().unwrap();
            let this = before.rsplit("<tr").next().unwrap();
            assert!(this.starts_with(" class=\"differs\""), "{name}: {this}");
        }
    }
}

#[actix_web::test]
async fn a_request_shows_what_it_would_need_and_what_an_approver_looks_at() {
    let folder = tempfile::tempdir().unwrap();
    let app = priced(&folder).await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let mut researcher = app.browser(WHO).await;
    let wanted = given::job(base, data.version, 3);
    let told = researcher
        .api(Method::POST, "/api/v1/jobs/estimate", Some(wanted))
        .await
        .unwrap();
    let form = format!(
        "jobs/new?method=lora&base_model={base}&dataset_versions={}&epochs=3&rank=4&batch_size=4&sequence_length=64",
        data.version
    );
    for (lang, sees, looks, asks, needs, rough, expected, used, energy) in [
        (
            "nl",
            "Wat de beoordelaar ziet",
            "De beoordelaar kijkt of het doel past bij wat partners mogen doen",
            "Universiteit Harderwijk wil tiny finetunen met adapters op 1 dataset.",
            "Wat de opdracht nodig heeft",
            "Een ruwe schatting voor here",
            "Verwacht",
            "Gebruikt",
            "Energie",
        ),
        (
            "en",
            "What the approver sees",
            "The approver looks at whether the purpose fits what partners may do",
            "Universiteit Harderwijk wants to fine-tune tiny with adapters on 1 dataset.",
            "What it needs",
            "A rough estimate for here",
            "Expected",
            "Used",
            "Energy",
        ),
    ] {
        let page = page(&mut researcher, &format!("/{lang}/{form}")).await;
        let statement = format!("<h2>{sees}</h2><p class=\"statement\">{asks}");
        for part in [statement.as_str(), looks, rough] {
            shows(&page, part);
        }
        shows(&page, &format!("<h2 id=\"estimate-title\">{needs}</h2>"));
        let (sbu, power) = amounts(lang, &told);
        for (name, amount) in [("SBU", sbu), (energy, power)] {
            // Nothing was used yet.
            let row = format!(
                "<tr><th scope=\"row\">{name}</th><td data-label=\"{expected}\">{amount}</td><td data-label=\"{used}\">–</td></tr>"
            );
            shows(&page, &row);
        }
    }
}

#[actix_web::test]
async fn a_job_that_is_over_shows_what_it_used_beside_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let app = priced(&folder).await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let (job, state) = done(&app, given::job(base, data.version, 3), &[]).await;
    let mut researcher = app.browser(WHO).await;
    for (lang, time, energy, expected, used, curves) in [
        (
            "nl",
            "Tijd",
            "Energie",
            "Verwacht",
            "Gebruikt",
            [
                "Leersnelheid",
                "Tokens per seconde",
                "Lengte van de gradiënt",
            ],
        ),
        (
            "en",
            "Time",
            "Energy",
            "Expected",
            "Used",
            [
                "Learning rate",
                "Tokens per second",
                "Length of the gradient",
            ],
        ),
    ] {
        let page = page(&mut researcher, &format!("/{lang}/jobs/{job}")).await;
        let before = amounts(lang, &state["estimate"]);
        let after = amounts(lang, &state["used"]);
        for (name, before, after) in [("SBU", before.0, after.0), (energy, before.1, after.1)] {
            let row = format!(
                "<tr><th scope=\"row\">{name}</th><td data-label=\"{expected}\">{before}</td><td data-label=\"{used}\">{after}</td></tr>"
            );
            shows(&page, &row);
        }
        shows(
            &page,
            &format!("<tr><th scope=\"row\">{time}</th><td data-label=\"{expected}\">"),
        );
        // The losses in one drawing, and what else a step tells in three small ones.
        for key in [
            "losses",
            "held_out",
            "learning_rates",
            "speeds",
            "gradient_norms",
        ] {
            shows(&page, &format!("data-line=\"{key}\" d=\"M"));
        }
        for title in curves {
            shows(&page, &format!("<figcaption>{title}</figcaption>"));
        }
    }
}
