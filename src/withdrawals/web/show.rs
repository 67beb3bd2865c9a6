//! What a withdrawal brought about, for who withdrew: jobs, models, copies, notices, what still has to be done.

use actix_web::{get, web};
use askama::Template;

use super::{
    super::{
        duty::Kind,
        store::{Duty, MadeOfModel, Progress, Stops},
    },
    parts::{dashed, known},
    whole::{Whole, whole},
};
use crate::{
    db::Db,
    ids::{ModelId, WithdrawalId},
    notices::Shown,
    policy::{self, Action, Scope},
    web::{Chrome, Lang, Page, PageResult, day, filters, moment, number, short_hash},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(show);
}

struct Fact {
    name: String,
    value: String,
    href: Option<String>,
}

struct StopRow {
    what: String,
    count: String,
    state: String,
}

struct ModelRow {
    id: ModelId,
    name: String,
    href: Option<String>,
    institution: String,
    badge: &'static str,
    state: String,
    may_decide: bool,
    may_confirm: bool,
}

struct DutyRow {
    what: String,
    by_whom: String,
    by_when: String,
    badge: &'static str,
    state: String,
}

struct CopyRow {
    name: String,
    hash: String,
    badge: &'static str,
    state: String,
    deleted: String,
}

struct NoticeRow {
    to: String,
    title: String,
    badge: &'static str,
    state: String,
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

fn stop_row(lang: Lang, stop: &Stops) -> StopRow {
    let key = format!("withdrawal-jobs-{}", dashed(&stop.consequence));
    StopRow {
        what: lang.t(&key),
        count: number(lang, stop.jobs),
        state: if stop.still_running > 0 {
            lang.t_with(
                "withdrawal-still-running",
                &[("jobs", stop.still_running.to_string())],
            )
        } else {
            lang.t("withdrawal-stopped")
        },
    }
}

/// Whether nobody has decided on a model that the agreement wants decided on.
fn waits_for_decision(model: &MadeOfModel) -> bool {
    model.consequence == "retrain" && model.decision.is_none()
}

/// Whether somebody proposed to use it again and nobody decided yet.
fn waits_for_confirmation(model: &MadeOfModel) -> bool {
    waits_for_decision(model) && model.lift_proposed_by.is_some()
}

fn model_row(
    page: &Page,
    db: &Db,
    model: &MadeOfModel,
    (may_decide, may_confirm): (bool, bool),
) -> ModelRow {
    let lang = page.lang();
    let decided = |key: &str| {
        let at = model.decided_at.unwrap_or_else(|| db.now());
        lang.t_with(
            key,
            &[
                ("name", model.decided_by.clone().unwrap_or_default()),
                ("when", moment(lang, db.now(), at)),
                ("reason", model.reason.clone().unwrap_or_default()),
            ],
        )
    };
    let (badge, state) = match (model.consequence.as_str(), model.decision.as_deref()) {
        (_, Some("retrained")) => (
            "refused",
            format!(
                "{} {}",
                decided("withdrawal-model-retired-by"),
                lang.t_with(
                    "withdrawal-model-replaced",
                    &[("model", model.replacement.clone().unwrap_or_default())],
                )
            ),
        ),
        (_, Some("lift")) => ("granted", decided("withdrawal-model-lifted")),
        (_, Some(_)) => ("refused", decided("withdrawal-model-retired-by")),
        ("keep", None) => ("neutral", lang.t("withdrawal-model-kept")),
        ("retire", None) => ("refused", lang.t("withdrawal-model-retired")),
        _ => match &model.lift_proposed_by {
            Some(name) => (
                "waiting-for-you",
                lang.t_with(
                    "withdrawal-lift-proposed",
                    &[
                        ("name", name.clone()),
                        ("reason", model.lift_reason.clone().unwrap_or_default()),
                    ],
                ),
            ),
            None => ("waiting-for-you", lang.t("withdrawal-model-undecided")),
        },
    };
    ModelRow {
        id: model.model,
        name: known(page, model.name.as_deref()),
        href: model
            .name
            .is_some()
            .then(|| page.path(&format!("/models/{}", model.model))),
        institution: model.institution.clone(),
        badge,
        state,
        may_decide: may_decide && waits_for_decision(model),
        may_confirm: may_confirm && waits_for_confirmation(model),
    }
}

fn duty_row(lang: Lang, db: &Db, duty: &Duty) -> DutyRow {
    let now = db.now();
    let (badge, state) = match duty.ended_at {
        Some(at) => (
            "granted",
            lang.t_with("withdrawal-duty-done", &[("when", moment(lang, now, at))]),
        ),
        None if duty.due_at <= now => ("refused", lang.t("withdrawal-duty-late")),
        None => ("waiting-for-you", lang.t("withdrawal-duty-open")),
    };
    DutyRow {
        what: lang.t(&format!("duty-{}", dashed(duty.kind.name()))),
        by_whom: lang.t(&format!("role-{}", duty.owner.name())),
        by_when: day(lang, duty.due_at),
        badge,
        state,
    }
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

fn copy_row(lang: Lang, db: &Db, copy: &Progress) -> CopyRow {
    let now = db.now();
    let (badge, state) = match (copy.verified_absent_at, &copy.problem) {
        (None, _) if copy.lost_reason.is_some() => (
            "neutral",
            lang.t_with(
                "withdrawal-copy-lost",
                &[("reason", copy.lost_reason.clone().unwrap_or_default())],
            ),
        ),
        (Some(at), _) => (
            "granted",
            lang.t_with("withdrawal-copy-gone", &[("when", moment(lang, now, at))]),
        ),
        (None, Some(problem)) => (
            "refused",
            lang.t_with("withdrawal-copy-problem", &[("problem", problem.clone())]),
        ),
        (None, None) => ("running", lang.t("withdrawal-copy-waits")),
    };
    let name = match (&copy.path, copy.kind.as_str()) {
        (Some(path), "index") => lang.t_with("withdrawal-index", &[("path", path.clone())]),
        (Some(path), _) => path.clone(),
        (None, "artifact") => lang.t_with(
            "withdrawal-artifact",
            &[(
                "name",
                copy.name.rsplit('/').next().unwrap_or_default().to_owned(),
            )],
        ),
        (None, _) => lang.t_with(
            "withdrawal-work-folder",
            &[("attempt", short_hash(&copy.name))],
        ),
    };
    CopyRow {
        name,
        hash: copy.sha256.as_deref().map(short_hash).unwrap_or_default(),
        badge,
        state,
        deleted: copy.deleted.join(", "),
    }
}

fn notice_row(lang: Lang, db: &Db, notice: &Shown) -> NoticeRow {
    let now = db.now();
    let role = notice
        .to_role
        .map(|role| format!(" ({})", lang.t(&format!("role-{}", role.name()))));
    let (badge, state) = match (
        notice.acknowledged_at,
        notice.escalated_at,
        notice.acknowledge_by,
    ) {
        (Some(at), ..) => (
            "granted",
            lang.t_with("withdrawal-notice-read", &[("when", moment(lang, now, at))]),
        ),
        (None, Some(at), _) => (
            "refused",
            lang.t_with(
                "withdrawal-notice-escalated",
                &[("when", moment(lang, now, at))],
            ),
        ),
        (None, None, Some(due)) => (
            "waiting-for-you",
            lang.t_with(
                "withdrawal-notice-waits",
                &[("due", day(lang, due)), ("mails", notice.mails.to_string())],
            ),
        ),
        (None, None, None) => ("neutral", lang.t("withdrawal-notice-told")),
    };
    NoticeRow {
        to: if notice.to.is_empty() {
            lang.t("withdrawal-notice-outside")
        } else {
            format!("{}{}", notice.to, role.unwrap_or_default())
        },
        title: notice.title(lang),
        badge,
        state,
    }
}
