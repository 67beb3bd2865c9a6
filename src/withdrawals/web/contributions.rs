//! For each dataset of one's own: where it is used, by whom, how much of it was read.

use actix_web::{get, web};
use askama::Template;

use super::{
    super::{
        reach::uses,
        store::{self, ListedWithdrawal, UseCounts},
    },
    parts::{JobRow, ModelRow, job_rows, model_rows},
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::DatasetId,
    policy::{Action, Visibility, visible},
    web::{Chrome, Page, PageResult, filters, moment, number},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(all).service(single);
}

struct Contribution {
    title: String,
    href: String,
    withdraw_href: Option<String>,
    give_href: Option<String>,
    withdrawals: Vec<Link>,
    state: String,
    badge: &'static str,
    /// Where one looks, on the page of one dataset.
    jobs: Vec<JobRow>,
    models: Vec<ModelRow>,
    uses: String,
    keys: i64,
    tokens: String,
    is_used: bool,
    uses_href: Option<String>,
}

struct Link {
    href: String,
    label: String,
}

#[derive(Template)]
#[template(path = "withdrawals/contributions.html")]
struct ContributionsPage {
    chrome: Chrome,
    /// Whether it is the page of one dataset.
    is_one: bool,
    contributions: Vec<Contribution>,
}

#[get("/{lang:nl|en}/contributions")]
async fn all(page: Page, db: web::Data<Db>) -> PageResult {
    draw(&page, &db, None).await
}

/// The page that a mail leads to.
#[get("/{lang:nl|en}/contributions/{dataset}")]
async fn single(page: Page, db: web::Data<Db>, path: web::Path<(String, DatasetId)>) -> PageResult {
    draw(&page, &db, Some(path.1)).await
}

async fn draw(page: &Page, db: &Db, one: Option<DatasetId>) -> PageResult {
    let visibility = visible(page.actor(), Action::GivePermission);
    if visibility == Visibility::Nothing {
        return Err(AppError::Forbidden(Say::new("denied-role")).into());
    }
    let mut conn = db.read().await?;
    let own = store::contributions(&mut conn, visibility, one).await?;
    let ids: Vec<DatasetId> = own.iter().map(|dataset| dataset.id).collect();
    let withdrawals = store::list(&mut conn, &ids).await?;
    let counts = store::use_counts(&mut conn, &ids, db.now()).await?;
    drop(conn);
    if one.is_some() && own.is_empty() {
        return Err(AppError::NotFound.into());
    }
    let mut contributions = Vec::new();
    for dataset in own {
        let Some(counted) = counts.iter().find(|one| one.dataset == dataset.id) else {
            continue;
        };
        let mut drawn = contribution(page, db, dataset, counted, &withdrawals);
        if one.is_some() {
            let found = uses(db, counted.dataset).await?;
            drawn.jobs = job_rows(page, db, &found);
            drawn.models = model_rows(page, &found);
            drawn.uses_href = None;
        }
        contributions.push(drawn);
    }
    page.show(&ContributionsPage {
        chrome: page.chrome(),
        is_one: one.is_some(),
        contributions,
    })
}

fn contribution(
    page: &Page,
    db: &Db,
    dataset: store::Contribution,
    counted: &UseCounts,
    withdrawals: &[ListedWithdrawal],
) -> Contribution {
    let lang = page.lang();
    let (state, badge) = match dataset.withdrawn_at {
        Some(at) => (
            lang.t_with(
                "contribution-withdrawn",
                &[("when", moment(lang, db.now(), at))],
            ),
            "refused",
        ),
        None if dataset.has_permission => (lang.t("contribution-permitted"), "granted"),
        None => (
            lang.t_with(
                "contribution-undecided",
                &[("when", moment(lang, db.now(), dataset.created_at))],
            ),
            "neutral",
        ),
    };
    let links = withdrawals
        .iter()
        .filter(|withdrawal| withdrawal.dataset == dataset.id)
        .map(|withdrawal| Link {
            href: page.path(&format!("/withdrawals/{}", withdrawal.id)),
            label: lang.t_with(
                "contribution-see-withdrawal",
                &[("when", moment(lang, db.now(), withdrawal.at))],
            ),
        })
        .collect();
    Contribution {
        href: page.path(&format!("/datasets/{}", dataset.id)),
        withdraw_href: dataset
            .has_permission
            .then(|| page.path(&format!("/datasets/{}/withdraw", dataset.id))),
        give_href: dataset
            .withdrawn_at
            .map(|_| page.path(&format!("/datasets/{}/permission", dataset.id))),
        withdrawals: links,
        title: dataset.title,
        state,
        badge,
        jobs: Vec::new(),
        models: Vec::new(),
        uses: lang.t_with(
            "contribution-uses",
            &[
                ("jobs", counted.jobs.to_string()),
                ("models", counted.models.to_string()),
            ],
        ),
        keys: counted.keys,
        tokens: number(lang, counted.tokens),
        is_used: counted.jobs > 0,
        uses_href: Some(page.path(&format!("/contributions/{}", counted.dataset))),
    }
}
