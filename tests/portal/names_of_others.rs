//! Who decided on a dataset, and why, is for its institution and the platform; others hear what holds.

use reqwest::StatusCode;

use crate::support::{TestApp, given};

const WHY: &str = "Bijlage drie is bekeken met de archivaris";

#[actix_web::test]
async fn a_partner_reads_that_an_institution_and_a_role_decided_and_no_name_or_reason() {
    let app = TestApp::start().await;
    let data = given::submitted_dataset(&app, &given::small_corpus(), &[]).await;
    for (login, kind) in [("steward", "data"), ("legal", "legal")] {
        let fields = [("kind", kind), ("decision", "approved"), ("reason", WHY)];
        let path = format!("/nl/datasets/{}/review", data.dataset);
        let mut reviewer = app.browser(login).await;
        let answer = reviewer.post_form(&path, &fields).await.unwrap();
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    }
    let path = format!("/nl/datasets/{}", data.dataset);
    let names = ["Marijke Dijkstra", "Stefan Steward", "Lieke Jurist"];
    for login in ["contributor.waterland", "operator"] {
        let page = app.browser(login).await.get(&path).await.unwrap().text;
        for word in names.iter().chain([&WHY]) {
            assert!(page.contains(word), "{login} reads {word}: {page}");
        }
    }
    let mut partner = app.browser("researcher.harderwijk").await;
    let reads = async |partner: &mut virtual_faculty::demo::Browser, said: &[&str]| {
        for path in [path.clone(), path.replace("/nl/", "/en/")] {
            let page = partner.get(&path).await.unwrap();
            assert_eq!(page.status, StatusCode::OK);
            for word in names.iter().chain([&WHY]) {
                assert!(!page.text.contains(word), "{word}: {}", page.text);
            }
            assert!(
                said.iter().any(|words| page.text.contains(words)),
                "{said:?}: {}",
                page.text
            );
        }
    };
    reads(
        &mut partner,
        &[
            "Besloten door Archief Waterland",
            "Decided by Archief Waterland",
        ],
    )
    .await;
    reads(&mut partner, &["juridisch beoordelaar", "legal reviewer"]).await;
}
