//! The rows of a withdrawal's page: what was stopped, models, copies, notices and duties.

use super::{
    super::store::{Duty, MadeOfModel, Progress, Stops},
    parts::{dashed, known},
};
use crate::{
    db::Db,
    ids::ModelId,
    notices::Shown,
    web::{Lang, Page, day, moment, number, short_hash},
};

pub(super) struct StopRow {
    pub(super) what: String,
    pub(super) count: String,
    pub(super) state: String,
}

pub(super) struct ModelRow {
    pub(super) id: ModelId,
    pub(super) name: String,
    pub(super) href: Option<String>,
    pub(super) institution: String,
    pub(super) badge: &'static str,
    pub(super) state: String,
    pub(super) may_decide: bool,
    pub(super) may_confirm: bool,
}

pub(super) struct DutyRow {
    pub(super) what: String,
    pub(super) by_whom: String,
    pub(super) by_when: String,
    pub(super) badge: &'static str,
    pub(super) state: String,
}

pub(super) struct CopyRow {
    pub(super) name: String,
    pub(super) hash: String,
    pub(super) badge: &'static str,
    pub(super) state: String,
    pub(super) deleted: String,
}

pub(super) struct NoticeRow {
    pub(super) to: String,
    pub(super) title: String,
    pub(super) badge: &'static str,
    pub(super) state: String,
}

pub(super) fn stop_row(lang: Lang, stop: &Stops) -> StopRow {
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
pub(super) fn waits_for_decision(model: &MadeOfModel) -> bool {
    model.consequence == "retrain" && model.decision.is_none()
}

/// Whether somebody proposed to use it again and nobody decided yet.
pub(super) fn waits_for_confirmation(model: &MadeOfModel) -> bool {
    waits_for_decision(model) && model.lift_proposed_by.is_some()
}

pub(super) fn model_row(
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

pub(super) fn duty_row(lang: Lang, db: &Db, duty: &Duty) -> DutyRow {
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

pub(super) fn copy_row(lang: Lang, db: &Db, copy: &Progress) -> CopyRow {
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

pub(super) fn notice_row(lang: Lang, db: &Db, notice: &Shown) -> NoticeRow {
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
