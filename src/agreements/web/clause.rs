//! Clauses outside the terms, on the page of an agreement and for programs.

use actix_web::{HttpResponse, post, web};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    super::{
        agreement::Agreement,
        clause::{Clause, RawClause, State, Word},
        confirm,
        event::AgreementError,
        judge,
        line::{Line, Party},
        store,
    },
    Badge, visible,
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::{AgreementClauseId, AgreementId},
    policy::{Actor, Role},
    web::{ApiResult, Lang, Page, PageResult, ProtectedForm, ProtectedJson, back_with},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(note)
        .service(judge_one)
        .service(note_json)
        .service(judge_json);
}

/// A clause as it is shown.
pub(super) struct ClauseRow {
    pub(super) id: String,
    pub(super) page: String,
    pub(super) passage: String,
    pub(super) reason: String,
    pub(super) noted_by: String,
    pub(super) state: Badge,
    /// What each party said.
    pub(super) said: Vec<String>,
    pub(super) may_judge: bool,
}

/// The form in which one is noted, with what was wrong with it.
#[derive(Default)]
pub(super) struct ClauseForm {
    pub(super) raw: RawClause,
    pub(super) page_error: String,
    pub(super) passage_error: String,
    pub(super) reason_error: String,
}

impl ClauseForm {
    pub(super) fn is_wrong(&self) -> bool {
        [&self.page_error, &self.passage_error, &self.reason_error]
            .iter()
            .any(|error| !error.is_empty())
    }
}

pub(super) fn rows(lang: Lang, clauses: &[Clause], party: Option<Party>) -> Vec<ClauseRow> {
    clauses
        .iter()
        .map(|clause| {
            let kind = match clause.state() {
                State::Open => "waiting-for-you",
                State::NoConsequence => "granted",
                State::Condition => "refused",
            };
            let key = clause.state().name().replace('_', "-");
            ClauseRow {
                id: clause.id.to_string(),
                page: clause.page.to_string(),
                passage: clause.passage.clone(),
                reason: clause.reason.clone(),
                noted_by: clause.noted_by.clone(),
                state: Badge {
                    kind,
                    label: lang.t(&format!("agreement-clause-{key}")),
                },
                said: clause
                    .judged
                    .iter()
                    .map(|one| {
                        let word = one.word.name().replace('_', "-");
                        lang.t_with(
                            &format!("agreement-clause-said-{}", one.party.name()),
                            &[
                                ("name", one.name.clone()),
                                ("word", lang.t(&format!("agreement-clause-word-{word}"))),
                            ],
                        )
                    })
                    .collect(),
                may_judge: party
                    .is_some_and(|party| clause.judged.iter().all(|one| one.party != party)),
            }
        })
        .collect()
}

/// For whom `actor` may speak of clauses now.
pub(super) fn party_of(actor: &Actor, agreement: &Agreement, lines: &[Line]) -> Option<Party> {
    confirm::party_of(actor, agreement, lines)
}

pub(super) fn json(clause: &Clause) -> Json {
    json!({
        "id": clause.id, "page": clause.page, "passage": clause.passage, "reason": clause.reason,
        "noted_by": clause.noted_by, "noted_at": clause.noted_at, "state": clause.state(),
        "said": clause.judged.iter().map(|one| json!({
            "party": one.party, "word": one.word, "by": one.name, "at": one.at,
        })).collect::<Vec<_>>(),
    })
}

/// The form's names, which differ from those of the lines beside it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Typed {
    clause_page: String,
    clause_passage: String,
    clause_reason: String,
}

#[post("/{lang:nl|en}/agreements/{id}/clauses")]
async fn note(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, AgreementId)>,
    ProtectedForm(typed): ProtectedForm<Typed>,
) -> PageResult {
    let raw = RawClause {
        page: typed.clause_page,
        passage: typed.clause_passage,
        reason: typed.clause_reason,
    };
    match judge::note_clause(&db, page.actor(), path.1, &raw).await {
        Ok(_) => Ok(back_with(
            &page.path(&format!("/agreements/{}", path.1)),
            "good",
            "flash-agreement-clause-noted",
        )),
        Err(AgreementError::Field(field, say)) => {
            let lang = page.lang();
            let of = |name: &str| {
                if name == field {
                    lang.say(&say)
                } else {
                    String::new()
                }
            };
            let form = ClauseForm {
                page_error: of("clause_page"),
                passage_error: of("clause_passage"),
                reason_error: of("clause_reason"),
                raw,
            };
            super::show::show_with_clause(&db, &page, path.1, form).await
        }
        Err(error) => Err(AppError::from(error).into()),
    }
}

#[derive(Deserialize)]
struct Spoken {
    word: String,
    /// For programs; left out: what the caller's role says.
    party: Option<Party>,
}

fn word(text: &str) -> Result<Word, AppError> {
    text.parse()
        .map_err(|_| AppError::Invalid(Say::new("form-unreadable")))
}

#[post("/{lang:nl|en}/agreements/{id}/clauses/{clause}")]
async fn judge_one(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, AgreementId, AgreementClauseId)>,
    ProtectedForm(form): ProtectedForm<Spoken>,
) -> PageResult {
    let agreement = visible(&db, page.actor(), path.1).await?;
    let mut conn = db.read().await?;
    let lines = store::standing(&mut conn, agreement.id).await?;
    drop(conn);
    let party = party_of(page.actor(), &agreement, &lines)
        .ok_or_else(|| AppError::Forbidden(Say::new("agreement-not-yours-to-confirm")))?;
    let what = (party, word(&form.word)?);
    judge::judge_clause(&db, page.actor(), (path.1, path.2), what)
        .await
        .map_err(AppError::from)?;
    Ok(back_with(
        &page.path(&format!("/agreements/{}", path.1)),
        "good",
        "flash-agreement-clause-judged",
    ))
}

/// Notes a clause that no term says.
#[post("/api/v1/agreements/{id}/clauses")]
async fn note_json(
    db: web::Data<Db>,
    path: web::Path<AgreementId>,
    request: ProtectedJson<RawClause>,
) -> ApiResult {
    let _seen = visible(&db, &request.actor, *path).await?;
    let id = judge::note_clause(&db, &request.actor, *path, &request.body)
        .await
        .map_err(super::api::named)?;
    Ok(HttpResponse::Created().json(json!({ "clause": id })))
}

/// Says what follows from a clause, for the institution or for the platform.
#[post("/api/v1/agreements/{id}/clauses/{clause}")]
async fn judge_json(
    db: web::Data<Db>,
    path: web::Path<(AgreementId, AgreementClauseId)>,
    request: ProtectedJson<Spoken>,
) -> ApiResult {
    let _seen = visible(&db, &request.actor, path.0).await?;
    let by_role = if request.actor.is(Role::LegalReviewer) {
        Party::Platform
    } else {
        Party::Institution
    };
    let party = request.body.party.unwrap_or(by_role);
    let what = (party, word(&request.body.word)?);
    judge::judge_clause(&db, &request.actor, path.into_inner(), what)
        .await
        .map_err(super::api::named)?;
    Ok(HttpResponse::Ok().json(json!({ "party": party })))
}
