//! Who is told of a withdrawal: once each, however much of theirs it touches.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde_json::json;

use super::{
    cascade::served,
    error::WithdrawError,
    reach::{Derived, ReachedKey, ReachedModel},
    scope::Consequence,
};
use crate::{
    db::{Db, WriteTx},
    ids::{DatasetId, InstitutionId, UserId, WithdrawalId},
    institutions,
    jobs::Stopped,
    licensees::Licensee,
    notices::{About, Notice, Recipient, tell_all},
    policy::Role,
    webhooks,
};

/// Days in which people in the portal say that they read it.
const ACKNOWLEDGE_DAYS: i64 = 7;
/// Days in which licensees do, who may have to ask their own people first.
const LICENSEE_DAYS: i64 = 14;
/// Names of models in one notice; the page has them all.
const MOST_NAMES: usize = 5;

/// What there is to tell.
pub(super) struct Told<'a> {
    pub(super) withdrawal: WithdrawalId,
    pub(super) dataset: DatasetId,
    pub(super) title: &'a str,
    /// Whose dataset it is.
    pub(super) owner: InstitutionId,
    pub(super) reason: &'a str,
    pub(super) is_revoked: bool,
    pub(super) consequence: Consequence,
    pub(super) stopped: &'a [Stopped],
    pub(super) models: &'a [ReachedModel],
    pub(super) keys: &'a [ReachedKey],
    pub(super) licensees: &'a [Licensee],
    /// What others curated from the data and falls with it.
    pub(super) curated: &'a [&'a Derived],
}

/// Tells the managers of institutions whose jobs or models it touches, who asked for a job that was stopped, the
/// managers and contributors of institutions that curated data of their own from it, everybody who holds a key for one of the
/// models, every licensee, the platform's operators and legal reviewers, and, where the platform revoked, the right
/// holder's managers.
pub(super) async fn everybody(
    db: &Db,
    tx: &mut WriteTx<'_>,
    told: &Told<'_>,
) -> Result<(), WithdrawError> {
    let platform = institutions::find_platform(db).await?;
    let now = tx.now();
    let mut notices = managers(told);
    notices.extend(requesters(told));
    notices.extend(curators(told));
    notices.extend(holders(told));
    let soon = now + TimeDelta::days(ACKNOWLEDGE_DAYS);
    for notice in &mut notices {
        *notice = notice.clone().acknowledge_by(soon);
    }
    let later = now + TimeDelta::days(LICENSEE_DAYS);
    notices.extend(
        licensees(told)
            .into_iter()
            .map(|notice| notice.acknowledge_by(later)),
    );
    let link = format!("/withdrawals/{}", told.withdrawal);
    if let Some(platform) = platform {
        for role in [Role::Operator, Role::LegalReviewer] {
            let to = Recipient::Role {
                institution: platform.id,
                role,
            };
            let notice = told
                .notice("withdrawal-platform", to)
                .with("jobs", told.stopped.len())
                .with("models", told.models.len())
                .with("served", served(told.models))
                .link(link.clone());
            notices.push(notice);
        }
    }
    if told.is_revoked {
        let to = Recipient::Role {
            institution: told.owner,
            role: Role::Manager,
        };
        let notice = told
            .notice("withdrawal-revoked", to)
            .link(link)
            .acknowledge_by(soon);
        notices.push(notice);
    }
    let notices: Vec<Notice> = notices
        .into_iter()
        .map(|notice| notice.with_day("day", now))
        .collect();
    tell_all(tx, &notices).await?;
    programs(tx, told).await
}

/// Programs of the right holder's institution, and of those with jobs, models, keys or curated data that it touches.
async fn programs(tx: &mut WriteTx<'_>, told: &Told<'_>) -> Result<(), WithdrawError> {
    let mut institutions = BTreeSet::from([told.owner]);
    institutions.extend(told.stopped.iter().map(|one| one.institution));
    institutions.extend(told.models.iter().map(|model| model.owner));
    institutions.extend(told.keys.iter().map(|key| key.owner));
    institutions.extend(told.curated.iter().map(|one| one.owner));
    let data = json!({
        "id": told.dataset, "withdrawal": told.withdrawal, "consequence": told.consequence.name(),
    });
    for institution in institutions {
        webhooks::tell(tx, institution, webhooks::Kind::DatasetWithdrawn, &data).await?;
    }
    Ok(())
}

impl Told<'_> {
    fn notice(&self, kind: &'static str, to: Recipient) -> Notice {
        let about = About {
            kind: "withdrawal",
            id: self.withdrawal.0,
        };
        Notice::new(kind, to, about)
            .with("title", self.title)
            .with("reason", self.reason)
            .with("consequence", self.consequence.name())
    }
}

/// One notice an institution with jobs or models.
fn managers(told: &Told<'_>) -> Vec<Notice> {
    let mut by_institution: BTreeMap<InstitutionId, (usize, Vec<&str>)> = BTreeMap::new();
    for one in told.stopped {
        by_institution.entry(one.institution).or_default().0 += 1;
    }
    for model in told.models {
        let entry = by_institution.entry(model.owner).or_default();
        entry.1.push(&model.name);
    }
    by_institution
        .into_iter()
        .map(|(institution, (jobs, models))| {
            let to = Recipient::Role {
                institution,
                role: Role::Manager,
            };
            told.notice("withdrawal-institution", to)
                .with("jobs", jobs)
                .with("models", models.len())
                .with("names", names(&models))
                .link("/models")
        })
        .collect()
}

/// One notice a person whose jobs were stopped.
fn requesters(told: &Told<'_>) -> Vec<Notice> {
    let mut by_person: BTreeMap<(UserId, InstitutionId), Vec<&Stopped>> = BTreeMap::new();
    for one in told.stopped {
        by_person
            .entry((one.requested_by, one.institution))
            .or_default()
            .push(one);
    }
    by_person
        .into_iter()
        .map(|((user, institution), jobs)| {
            let titles: Vec<&str> = jobs.iter().map(|one| one.title.as_str()).collect();
            let link = match jobs.as_slice() {
                [one] => format!("/jobs/{}", one.job),
                _ => "/jobs".to_owned(),
            };
            told.notice(
                "withdrawal-requester",
                Recipient::User { institution, user },
            )
            .with("jobs", jobs.len())
            .with("names", names(&titles))
            .link(link)
        })
        .collect()
}

/// One notice an institution and role with datasets that were curated from the data.
fn curators(told: &Told<'_>) -> Vec<Notice> {
    let mut by_owner: BTreeMap<InstitutionId, Vec<&str>> = BTreeMap::new();
    for one in told.curated {
        by_owner.entry(one.owner).or_default().push(&one.title);
    }
    by_owner
        .into_iter()
        .flat_map(|(institution, mut titles)| {
            titles.sort_unstable();
            titles.dedup();
            [Role::Manager, Role::Contributor].map(|role| {
                told.notice("withdrawal-derived", Recipient::Role { institution, role })
                    .with("names", names(&titles))
                    .link(format!("/withdrawals/{}", told.withdrawal))
            })
        })
        .collect()
}

/// One notice a person with keys.
fn holders(told: &Told<'_>) -> Vec<Notice> {
    let mut by_holder: BTreeMap<(UserId, InstitutionId), Vec<&str>> = BTreeMap::new();
    for key in told.keys {
        by_holder
            .entry((key.holder, key.owner))
            .or_default()
            .push(&key.name);
    }
    by_holder
        .into_iter()
        .map(|((user, institution), keys)| {
            told.notice("withdrawal-holder", Recipient::User { institution, user })
                .with("keys", keys.len())
                .with("names", names(&keys))
                .link("/keys")
        })
        .collect()
}

/// One notice an address.
fn licensees(told: &Told<'_>) -> Vec<Notice> {
    let mut by_address: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for licensee in told.licensees {
        by_address
            .entry(licensee.contact.to_lowercase())
            .or_default()
            .push(&licensee.model_name);
    }
    by_address
        .into_iter()
        .map(|(address, mut models)| {
            models.dedup();
            told.notice("withdrawal-licensee", Recipient::Address(address))
                .with("models", models.len())
                .with("names", names(&models))
                .link("/models")
        })
        .collect()
}

fn names(all: &[&str]) -> String {
    let mut text = all
        .iter()
        .take(MOST_NAMES)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if all.len() > MOST_NAMES {
        text.push_str(", …");
    }
    text
}
