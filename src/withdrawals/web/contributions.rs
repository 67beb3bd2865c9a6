//! For each dataset of one's own: where it is used, by whom, how much of it was read.

use actix_web::{get, web};
use askama::Template;

use super::{
    super::{
        reach::uses,
        store::{self, ListedWithdrawal},
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
    jobs: Vec<JobRow>,
    models: Vec<ModelRow>,
    keys: String,
    tokens: String,
    is_used: bool,
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
    let withdrawals = store::list(&mut conn, visibility).await?;
    drop(conn);
    if one.is_some() && own.is_empty() {
        return Err(AppError::NotFound.into());
    }
    let mut contributions = Vec::new();
    for dataset in own {
        contributions.push(contribution(page, db, dataset, &withdrawals).await?);
    }
    page.show(&ContributionsPage {
        chrome: page.chrome(),
        is_one: one.is_some(),
        contributions,
    })
}

async fn contribution(
    page: &Page,
    db: &Db,
    dataset: store::Contribution,
    withdrawals: &[ListedWithdrawal],
) -> Result<Contribution, AppError> {
    let lang = page.lang();
    let found = uses(db, dataset.id).await?;
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
    Ok(Contribution {
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
        jobs: job_rows(page, db, &found),
        models: model_rows(page, &found),
        keys: number(lang, i64::try_from(found.keys.len()).unwrap_or(i64::MAX)),
        tokens: number(lang, found.tokens_read),
        is_used: !found.jobs.is_empty(),
    })
}
