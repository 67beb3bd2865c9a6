//! What a withdrawal brought about, for who withdrew: jobs, models, copies, notices, what still has to be done.

use actix_web::{get, web};
use askama::Template;

use super::{
    super::duty::Kind,
    parts::dashed,
    rows::{
        CopyRow, DutyRow, ModelRow, NoticeRow, StopRow, copy_row, duty_row, model_row, notice_row,
        stop_row, waits_for_confirmation, waits_for_decision,
    },
    whole::{Whole, whole},
};
use crate::{
    db::Db,
    ids::WithdrawalId,
    policy::{self, Action, Scope},
    web::{Chrome, Lang, Page, PageResult, day, filters, moment, number},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(show);
}

struct Fact {
    name: String,
    value: String,
    href: Option<String>,
}

#[derive(Template)]
#[template(path = "withdrawals/show.html")]
struct ShowPage {
    chrome: Chrome,
    id: WithdrawalId,
    title: String,
    dataset_title: String,
    dataset_href: String,
    reason: String,
    lead: String,
    facts: Vec<Fact>,
    stops: Vec<StopRow>,
    models: Vec<ModelRow>,
    models_text: String,
    /// That the list is not whole; empty where it is.
    models_first: String,
    copies: Vec<CopyRow>,
    copies_gone: i64,
    copies_all: i64,
    copies_text: String,
    copies_first: String,
    notices: Vec<NoticeRow>,
    notices_text: String,
    notices_first: String,
    duties: Vec<DutyRow>,
    may_decide: bool,
    may_confirm: bool,
    /// Machines whose work folders are waited for, for who may say that one is gone.
    places: Vec<String>,
    may_end_documents: bool,
    give_href: Option<String>,
    is_given_anew: bool,
    /// Whether who looks curated data from what was withdrawn.
    is_curated: bool,
}

#[get("/{lang:nl|en}/withdrawals/{withdrawal}")]
async fn show(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, WithdrawalId)>,
) -> PageResult {
    let found = whole(&db, page.actor(), path.1).await?;
    page.show(&draw(&page, &db, found))
}

fn draw(page: &Page, db: &Db, found: Whole) -> ShowPage {
    let (lang, now, actor) = (page.lang(), db.now(), page.actor());
    let withdrawal = &found.withdrawal;
    let (own, own_title) = match &found.curated {
        Some((dataset, title)) => (*dataset, title.as_str()),
        None => (withdrawal.dataset, withdrawal.title.as_str()),
    };
    let decides = policy::check(
        actor,
        Action::ReleaseModel,
        &Scope::of(withdrawal.institution),
    );
    let may_decide = decides.is_ok() && found.models.iter().any(waits_for_decision);
    let confirms = policy::check(
        actor,
        Action::ConfirmLift,
        &Scope::of(withdrawal.institution),
    );
    let may_confirm = confirms.is_ok() && found.models.iter().any(waits_for_confirmation);
    let ends = policy::check(actor, Action::EndDuty, &Scope::of(withdrawal.institution));
    let is_open = |kind: Kind| {
        found
            .duties
            .iter()
            .any(|duty| duty.kind == kind && duty.ended_at.is_none())
    };
    let may_give = policy::check(
        actor,
        Action::GivePermission,
        &Scope::of(withdrawal.institution),
    )
    .is_ok();
    let (copies, told) = (found.copies_all, found.notices_all);
    ShowPage {
        chrome: page.chrome(),
        id: withdrawal.id,
        dataset_href: page.path(&format!("/datasets/{own}")),
        dataset_title: own_title.to_owned(),
        is_curated: found.curated.is_some(),
        reason: withdrawal.reason.clone(),
        lead: lead(lang, &found, moment(lang, now, withdrawal.at)),
        facts: facts(lang, db, &found),
        stops: found
            .stops
            .iter()
            .map(|stop| stop_row(lang, stop))
            .collect(),
        models_text: lang.t(&format!("withdrawal-models-{}", withdrawal.consequence)),
        models: found
            .models
            .iter()
            .map(|model| model_row(page, db, model, (may_decide, may_confirm)))
            .collect(),
        models_first: first_of(lang, "models", found.models.len(), found.models_all),
        copies_gone: copies.gone,
        copies_all: copies.all,
        copies_text: lang.t_with(
            "withdrawal-copies-gone",
            &[
                ("gone", number(lang, copies.gone)),
                ("all", number(lang, copies.all)),
            ],
        ),
        copies_first: first_of(lang, "copies", found.copies.len(), copies.all),
        copies: found
            .copies
            .iter()
            .map(|copy| copy_row(lang, db, copy))
            .collect(),
        notices_text: lang.t_with(
            "withdrawal-notices-read",
            &[
                ("all", number(lang, told.all)),
                ("read", number(lang, told.acknowledged)),
            ],
        ),
        notices_first: first_of(lang, "notices", found.notices.len(), told.all),
        notices: found
            .notices
            .iter()
            .map(|notice| notice_row(lang, db, notice))
            .collect(),
        duties: found
            .duties
            .iter()
            .map(|duty| duty_row(lang, db, duty))
            .collect(),
        may_decide,
        may_confirm,
        places: if ends.is_ok() {
            found.places.clone()
        } else {
            Vec::new()
        },
        may_end_documents: ends.is_ok() && is_open(Kind::UpdateDocuments),
        give_href: may_give
            .then(|| page.path(&format!("/datasets/{}/permission", withdrawal.dataset))),
        is_given_anew: withdrawal.is_given_anew,
        title: found.withdrawal.title,
    }
}

fn lead(lang: Lang, found: &Whole, when: String) -> String {
    let withdrawal = &found.withdrawal;
    let extent = match withdrawal.scope.as_str() {
        "version" => lang.t_with(
            "extent-version",
            &[(
                "number",
                withdrawal.version_number.unwrap_or_default().to_string(),
            )],
        ),
        "layer" => {
            let layer = withdrawal.layer.as_deref().unwrap_or_default();
            let layer = lang.t(&format!("layer-{}", dashed(layer)));
            lang.t_with("extent-layer", &[("layer", layer)])
        }
        "permission" => lang.t("extent-permission"),
        _ => lang.t("extent-dataset"),
    };
    let key = if withdrawal.is_revoked {
        "withdrawal-lead-revoked"
    } else {
        "withdrawal-lead"
    };
    lang.t_with(
        key,
        &[
            // Who it was there is that institution's to know.
            (
                "name",
                if found.curated.is_some() {
                    withdrawal.institution_name.clone()
                } else {
                    withdrawal.by.clone()
                },
            ),
            ("when", when),
            ("extent", extent),
        ],
    )
}

fn facts(lang: Lang, db: &Db, found: &Whole) -> Vec<Fact> {
    let withdrawal = &found.withdrawal;
    let fact = |key: &str, value: String| Fact {
        name: lang.t(key),
        value,
        href: None,
    };
    let mut facts = vec![
        fact("withdrawal-of", withdrawal.institution_name.clone()),
        fact(
            "withdrawal-agreement",
            lang.t(&format!("consequence-{}", withdrawal.consequence)),
        ),
    ];
    if found.curated.is_none() {
        facts.push(fact("withdrawal-keys", number(lang, withdrawal.keys)));
    }
    if let (Some(end), None) = (withdrawal.addresses_end_at, &found.curated) {
        let values = [
            ("addresses", withdrawal.addresses.to_string()),
            ("when", moment(lang, db.now(), end)),
        ];
        let key = if end <= db.now() {
            "withdrawal-addresses-ended"
        } else {
            "withdrawal-addresses-end"
        };
        facts.push(fact("withdrawal-addresses", lang.t_with(key, &values)));
    }
    if let Some(at) = withdrawal.delete_by {
        facts.push(fact("withdrawal-delete-by", day(lang, at)));
    }
    facts
}

/// That a list shows the first `shown` of `all`, and which those are; nothing where it shows them all.
fn first_of(lang: Lang, what: &str, shown: usize, all: i64) -> String {
    let shown = i64::try_from(shown).unwrap_or(i64::MAX);
    if shown >= all {
        return String::new();
    }
    lang.t_with(
        &format!("withdrawal-first-{what}"),
        &[("shown", number(lang, shown)), ("all", number(lang, all))],
    )
}
