//! Beginning a permission with a policy that somebody has already: ODRL, or a site's tdmrep.json. Nothing is stored
//! by it; the form comes back filled in, for a manager to look at and give.

use std::collections::BTreeMap;

use actix_web::{post, web};
use permission_policy::{
    odrl::{self, Imported},
    tdmrep,
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    form::Form,
    give::{draw, ground},
};
use crate::{
    config::Config,
    db::Db,
    ids::DatasetId,
    web::{Lang, Page, PageResult, ProtectedForm},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(begin);
}

/// A policy as it was sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Policy {
    /// `odrl` or `tdmrep`.
    pub(super) format: String,
    /// Its text.
    pub(super) document: String,
    /// Of a tdmrep.json: the path on the site that the data came from.
    pub(super) path: String,
    /// Of a tdmrep.json: the policy that its line names.
    pub(super) offer: String,
    /// What was wrong with it, in the language of the page.
    #[serde(skip)]
    pub(super) problem: String,
}

/// A field that the policy left open.
pub(super) struct Open {
    pub(super) field: &'static str,
    pub(super) label: String,
}

/// What was read.
pub(super) struct Read {
    /// Who the policy says that it is by, and about what; empty where it does not say.
    pub(super) about: String,
    /// What was filled in without the policy saying so.
    pub(super) open: Vec<Open>,
    /// What no field can say.
    pub(super) needs_human: Vec<String>,
}

#[post("/{lang:nl|en}/datasets/{dataset}/permission/begin")]
async fn begin(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: web::Path<(String, DatasetId)>,
    ProtectedForm(sent): ProtectedForm<Policy>,
) -> PageResult {
    let ground = ground(&db, &page, path.1).await?;
    let (lang, today) = (page.lang(), db.now().date_naive());
    match read(&sent, today, &config.origin()) {
        Ok(imported) => {
            let form = Form::of(&imported.terms, imported.layer);
            let mut drawn = draw(&page, ground, form, &Ok(Vec::new()));
            drawn.read = Some(told(lang, &imported));
            page.show(&drawn)
        }
        Err(why) => {
            let mut drawn = draw(&page, ground, Form::fresh(today), &Ok(Vec::new()));
            drawn.policy = Policy {
                problem: lang.t(why),
                ..sent
            };
            page.show_invalid(&drawn)
        }
    }
}

/// Reads what was sent; the key of a text where it cannot be read.
fn read(sent: &Policy, today: chrono::NaiveDate, us: &str) -> Result<Imported, &'static str> {
    const UNREADABLE: &str = "permission-import-unreadable";
    let document: Value = serde_json::from_str(&sent.document).map_err(|_| UNREADABLE)?;
    if sent.format != "tdmrep" {
        return odrl::import(&document, today, us).map_err(|_| UNREADABLE);
    }
    let rules = tdmrep::parse(&document).map_err(|_| UNREADABLE)?;
    let path = match sent.path.trim() {
        "" => "/",
        path => path,
    };
    let rule = tdmrep::find(&rules, path).ok_or("permission-begin-no-line")?;
    let mut offers = BTreeMap::new();
    if let Some(address) = rule
        .policy
        .as_ref()
        .filter(|_| !sent.offer.trim().is_empty())
    {
        let offer: Value = serde_json::from_str(&sent.offer).map_err(|_| UNREADABLE)?;
        offers.insert(address.clone(), offer);
    }
    let read = tdmrep::import(&document, &offers, today, us).map_err(|_| UNREADABLE)?;
    read.into_iter()
        .find(|one| one.rule == *rule)
        .and_then(|one| one.offer)
        .ok_or("permission-begin-no-offer")
}

fn told(lang: Lang, imported: &Imported) -> Read {
    let terms = &imported.terms;
    let fields = [
        ("layers", "permission-layers", imported.layer.is_none()),
        ("recipients", "permission-recipients", false),
        ("commercial", "permission-commercial", false),
        (
            "territories",
            "permission-territories",
            terms.territories.is_empty(),
        ),
        (
            "processing_locations",
            "permission-processing",
            terms.processing_locations.is_empty(),
        ),
        (
            "model_families",
            "permission-families",
            terms.model_families.is_empty(),
        ),
        ("valid_from", "permission-from", false),
        ("valid_until", "permission-until", false),
        (
            "evidence",
            "permission-evidence",
            terms.evidence.note.is_empty(),
        ),
        ("delete_within_days", "permission-delete-days", false),
        ("on_withdrawal", "permission-on-withdrawal", false),
    ];
    let is_assumed = |field: &str| {
        imported
            .assumed
            .iter()
            .any(|one| *one == field || (*one == "allows_commercial_use" && field == "commercial"))
    };
    let about = &imported.about;
    let said: Vec<&str> = [&about.assigner, &about.target, &about.uid]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    Read {
        about: said.join(" · "),
        open: fields
            .into_iter()
            .filter(|(field, _, is_open)| *is_open || is_assumed(field))
            .map(|(field, label, _)| Open {
                field,
                label: lang.t(label),
            })
            .collect(),
        needs_human: terms.needs_human.clone(),
    }
}
