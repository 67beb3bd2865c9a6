//! What is done on the page of a withdrawal: decisions on models, duties that ended, machines that are gone.

use actix_web::{post, web};
use serde::Deserialize;

use super::{
    super::{
        decide::{confirm_lift, decide_model, documents_updated, propose_lift},
        lost_place::declare_lost,
        store,
    },
    parts::reason,
    whole::whole,
};
use crate::{
    db::Db,
    error::AppError,
    ids::{ModelId, WithdrawalId},
    policy::Actor,
    web::{FieldErrors, Page, PageResult, ProtectedForm, back_with},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(decide)
        .service(lift)
        .service(machine_gone)
        .service(documents);
}

#[derive(Deserialize)]
struct DecisionForm {
    #[serde(default)]
    model: String,
    #[serde(default)]
    decision: String,
    /// The name or id of the model that was made anew.
    #[serde(default)]
    replaced_by: String,
    #[serde(default)]
    reason: String,
}

#[post("/{lang:nl|en}/withdrawals/{withdrawal}/decide")]
async fn decide(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, WithdrawalId)>,
    ProtectedForm(form): ProtectedForm<DecisionForm>,
) -> PageResult {
    let id = path.1;
    whole(&db, page.actor(), id).await?;
    let model: ModelId = form
        .model
        .parse()
        .map_err(|_| AppError::invalid("withdrawal-decision-incomplete"))?;
    let words = DecisionWords {
        decision: &form.decision,
        replaced_by: &form.replaced_by,
        reason: &form.reason,
    };
    words.carry_out(&db, page.actor(), (id, model)).await?;
    let flash = if form.decision == "lift" {
        "flash-lift-proposed"
    } else {
        "flash-model-decided"
    };
    Ok(back_with(
        &page.path(&format!("/withdrawals/{id}")),
        "good",
        flash,
    ))
}

/// What an operator decides, as they wrote it.
pub(super) struct DecisionWords<'a> {
    pub(super) decision: &'a str,
    pub(super) replaced_by: &'a str,
    pub(super) reason: &'a str,
}

impl DecisionWords<'_> {
    /// Does it; a lift is proposed only.
    pub(super) async fn carry_out(
        &self,
        db: &Db,
        actor: &Actor,
        on: (WithdrawalId, ModelId),
    ) -> Result<(), AppError> {
        let mut errors = FieldErrors::default();
        let why = reason(&mut errors, self.reason);
        if !errors.is_empty() {
            return Err(AppError::invalid("withdrawal-decision-incomplete"));
        }
        match self.decision {
            "retire" => decide_model(db, actor, on, None, &why).await?,
            "lift" => propose_lift(db, actor, on, &why).await?,
            "retrained" => {
                let mut conn = db.read().await?;
                let new = store::model_named(&mut conn, self.replaced_by.trim())
                    .await?
                    .ok_or_else(|| AppError::invalid("withdrawal-replacement-unknown"))?;
                drop(conn);
                decide_model(db, actor, on, Some(new), &why).await?;
            }
            _ => return Err(AppError::invalid("withdrawal-decision-incomplete")),
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct LiftForm {
    #[serde(default)]
    model: String,
    #[serde(default)]
    reason: String,
}

#[post("/{lang:nl|en}/withdrawals/{withdrawal}/lift")]
async fn lift(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, WithdrawalId)>,
    ProtectedForm(form): ProtectedForm<LiftForm>,
) -> PageResult {
    let id = path.1;
    whole(&db, page.actor(), id).await?;
    let mut errors = FieldErrors::default();
    let why = reason(&mut errors, &form.reason);
    let (Ok(model), true) = (form.model.parse(), errors.is_empty()) else {
        return Err(AppError::invalid("withdrawal-decision-incomplete").into());
    };
    confirm_lift(&db, page.actor(), (id, model), &why)
        .await
        .map_err(AppError::from)?;
    Ok(back_with(
        &page.path(&format!("/withdrawals/{id}")),
        "good",
        "flash-model-decided",
    ))
}

#[derive(Deserialize)]
struct PlaceForm {
    #[serde(default)]
    place: String,
    #[serde(default)]
    reason: String,
}

#[post("/{lang:nl|en}/withdrawals/{withdrawal}/machine-gone")]
async fn machine_gone(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, WithdrawalId)>,
    ProtectedForm(form): ProtectedForm<PlaceForm>,
) -> PageResult {
    let id = path.1;
    whole(&db, page.actor(), id).await?;
    let mut errors = FieldErrors::default();
    let why = reason(&mut errors, &form.reason);
    if !errors.is_empty() {
        return Err(AppError::invalid("withdrawal-needs-reason").into());
    }
    declare_lost(&db, page.actor(), id, &form.place, &why)
        .await
        .map_err(AppError::from)?;
    Ok(back_with(
        &page.path(&format!("/withdrawals/{id}")),
        "good",
        "flash-machine-gone",
    ))
}

#[derive(Deserialize)]
struct DocumentsForm {
    #[serde(default)]
    reason: String,
}

#[post("/{lang:nl|en}/withdrawals/{withdrawal}/documents")]
async fn documents(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, WithdrawalId)>,
    ProtectedForm(form): ProtectedForm<DocumentsForm>,
) -> PageResult {
    let id = path.1;
    whole(&db, page.actor(), id).await?;
    let mut errors = FieldErrors::default();
    let note = reason(&mut errors, &form.reason);
    if !errors.is_empty() {
        return Err(AppError::invalid("withdrawal-needs-reason").into());
    }
    documents_updated(&db, page.actor(), id, &note)
        .await
        .map_err(AppError::from)?;
    Ok(back_with(
        &page.path(&format!("/withdrawals/{id}")),
        "good",
        "flash-documents-updated",
    ))
}
