//! The page of one dataset: what may be done with it, what is in it, who looked at it.

use actix_web::{get, post, web};
use askama::Template;
use serde::Deserialize;

use super::{
    super::{
        Dataset, FileState, Status, agreement_store, begin_next_version, files, find_visible,
        history as versions_of, review::Verdict, review_store,
    },
    Badge, Fact, PermissionLink, Rights, badge,
    parts::{
        AgreementRow, FileRow, Panel, ReviewRow, Station, VersionLine, across, agreement_row,
        chain, file_row, panels, proof, review_row, side, version_line,
    },
    past,
};
use crate::{
    config::Config,
    db::Db,
    error::{AppError, Say},
    ids::DatasetId,
    permissions::{self, Permission},
    policy::{self, Action, Scope},
    privacy, rights_checks,
    web::{Chrome, FieldErrors, Page, PageResult, ProtectedForm, Text, back_with, filters},
};

#[derive(Template)]
#[template(path = "datasets/show.html")]
struct ShowPage {
    chrome: Chrome,
    id: DatasetId,
    title: String,
    description: String,
    badge: Badge,
    /// What happens now, as a sentence.
    now: String,
    across: Vec<Fact>,
    side: Vec<Fact>,
    chain: Vec<Station>,
    rights: Rights,
    /// What is known of its source.
    source: rights_checks::web::Summary,
    /// How it stands as to personal data, where there are any.
    privacy: Option<privacy::web::Summary>,
    files: Vec<FileRow>,
    /// Bytes that still fit; none where nothing may be added.
    room: Option<u64>,
    may_submit: bool,
    /// Whether the reader may state what public summaries say of it.
    may_state: bool,
    /// Every version; empty while there is only one.
    versions: Vec<VersionLine>,
    may_begin_version: bool,
    reviews: Vec<ReviewRow>,
    panels: Vec<Panel>,
    /// None: the reader may not see them.
    agreements: Option<Vec<AgreementRow>>,
    add_agreement: Option<String>,
    review_error: String,
    reason: String,
}

async fn load(db: &Db, page: &Page, id: DatasetId) -> Result<Dataset, AppError> {
    find_visible(db, page.actor(), id)
        .await?
        .ok_or(AppError::NotFound)
}

async fn draw(
    db: &Db,
    config: &Config,
    page: &Page,
    dataset: Dataset,
) -> Result<ShowPage, AppError> {
    let (lang, actor, now) = (page.lang(), page.actor(), db.now());
    let is_close = actor.is_close_to(dataset.institution);
    let instead = (!is_close).then_some(dataset.institution_name.as_str());
    let files = files(db, dataset.version.id).await?;
    let mut conn = db.read().await?;
    let reviews = review_store::of_version(&mut conn, dataset.version.id).await?;
    let (words, has_permission) =
        match super::super::read_policy(&mut conn, dataset.version.id, now).await? {
            Some((facts, permissions)) => (
                permissions::rights_box(lang, &facts, &permissions, (now, instead)),
                permissions.iter().any(|p: &Permission| p.state.counts()),
            ),
            None => (permissions::RightsBox::default(), false),
        };
    let history = rights_checks::history(&mut conn, dataset.id, now).await?;
    let open = rights_checks::open_for(db, actor, dataset.id).await?;
    let own = Scope::of(dataset.institution);
    let covering = if policy::check(actor, Action::ViewAgreement, &own).is_ok() {
        Some(agreement_store::covering(&mut conn, dataset.id).await?)
    } else {
        None
    };
    drop(conn);
    let (proof_label, proof_href) = covering
        .as_deref()
        .and_then(|covering| proof(lang, covering))
        .map_or_else(Default::default, |(label, href)| (label, page.path(&href)));
    let status = dataset.version.status;
    let may_edit = status.is_editable() && policy::check(actor, Action::EditDataset, &own).is_ok();
    let path = |rest: &str| page.path(&format!("/datasets/{}{rest}", dataset.id));
    let rights = Rights {
        permissions: words
            .permissions
            .iter()
            .map(|(id, label)| PermissionLink {
                label: label.clone(),
                href: page.path(&format!("/permissions/{id}")),
            })
            .collect(),
        words,
        who_decides: lang.t_with(
            "rights-who-decides",
            &[("institution", dataset.institution_name.clone())],
        ),
        give: (status != Status::Withdrawn
            && policy::check(actor, Action::GivePermission, &own).is_ok())
        .then(|| path("/permission")),
        withdraw: (has_permission
            && policy::check(actor, Action::WithdrawPermission, &own).is_ok())
        .then(|| path("/withdraw")),
        proof_label,
        proof_href,
    };
    let versions = versions_of(db, dataset.id).await?;
    let is_open = versions
        .first()
        .is_some_and(|newest| newest.status.is_editable() || newest.status == Status::Submitted);
    let may_begin_version =
        !is_open && dataset.is_published && policy::check(actor, Action::EditDataset, &own).is_ok();
    // Others see the versions that were approved.
    let sees_all = policy::check(actor, Action::ViewDataset, &own).is_ok();
    let versions: Vec<VersionLine> = versions
        .into_iter()
        .filter(|one| sees_all || one.status == Status::Approved)
        .map(|one| version_line(lang, now, &one))
        .collect();
    let panels = panels(lang, actor, &dataset, &reviews);
    let privacy = dataset.facts.personal_data_basis.as_ref().map(|_| {
        let moments = (dataset.version.id, now, now);
        privacy::web::summary(lang, dataset.id, &history.assessments, moments)
    });
    let is_for_you = !panels.is_empty() || (may_edit && status == Status::ChangesRequested);
    let taken: i64 = files
        .iter()
        .filter(|file| file.state != FileState::Rejected)
        .map(|file| file.size_bytes)
        .sum();
    let room = config
        .limits
        .dataset_bytes
        .saturating_sub(u64::try_from(taken).unwrap_or(0));
    let is_complete = files.iter().any(|file| file.state == FileState::Ready)
        && files
            .iter()
            .all(|file| matches!(file.state, FileState::Ready | FileState::Rejected));
    Ok(ShowPage {
        chrome: page.chrome(),
        id: dataset.id,
        badge: badge(lang, status, is_for_you),
        now: lang.t(&format!("datasets-now-{}", status.name().replace('_', "-"))),
        across: across(lang, &dataset),
        side: side(lang, now, &dataset),
        chain: chain(
            lang,
            &dataset,
            has_permission,
            path("/permission"),
            rights.give.is_some(),
        ),
        rights,
        source: rights_checks::web::summary(lang, dataset.id, &history, (now, open)),
        privacy,
        // What is told of a file that was rejected may quote it; none of the approved data is in it.
        files: files
            .into_iter()
            .filter(|file| sees_all || file.state == FileState::Ready)
            .map(|file| file_row(lang, file))
            .collect(),
        room: may_edit.then(|| room.min(config.limits.file_bytes)),
        may_submit: may_edit && is_complete,
        may_state: policy::check(actor, Action::EditDataset, &own).is_ok(),
        versions: if versions.len() > 1 {
            versions
        } else {
            Vec::new()
        },
        may_begin_version,
        reviews: reviews
            .iter()
            .rev()
            .map(|one| review_row((lang, is_close), now, &dataset, (one, &history)))
            .collect(),
        panels,
        add_agreement: (status != Status::Withdrawn
            && policy::check(actor, Action::EditAgreement, &own).is_ok())
        .then(|| page.path(&format!("/agreements/new?dataset={}", dataset.id))),
        agreements: covering.map(|covering| {
            covering
                .into_iter()
                .map(|one| agreement_row(lang, one))
                .collect()
        }),
        review_error: String::new(),
        reason: String::new(),
        title: dataset.facts.title,
        description: dataset.facts.description,
    })
}

#[derive(Deserialize)]
pub(super) struct Query {
    /// A moment to show the dataset as at.
    at: Option<String>,
}

#[get("/{lang:nl|en}/datasets/{id}")]
pub(super) async fn show(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: web::Path<(String, DatasetId)>,
    query: web::Query<Query>,
) -> PageResult {
    let dataset = load(&db, &page, path.1).await?;
    if let Some(at) = &query.at {
        return past::show(&db, &page, dataset, at).await;
    }
    let drawn = draw(&db, &config, &page, dataset).await?;
    page.show(&drawn)
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

#[post("/{lang:nl|en}/datasets/{id}/submit")]
pub(super) async fn submit(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    super::super::submit(&db, page.actor(), path.1).await?;
    Ok(back_with(
        &page.path(&format!("/datasets/{}", path.1)),
        "good",
        "flash-datasets-submitted",
    ))
}

#[post("/{lang:nl|en}/datasets/{id}/versions")]
pub(super) async fn next_version(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    begin_next_version(&db, page.actor(), path.1).await?;
    Ok(back_with(
        &page.path(&format!("/datasets/{}", path.1)),
        "good",
        "flash-datasets-version-begun",
    ))
}

#[derive(Deserialize)]
pub(super) struct ReviewForm {
    kind: String,
    decision: String,
    #[serde(default)]
    reason: String,
}

#[post("/{lang:nl|en}/datasets/{id}/review")]
pub(super) async fn review(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: web::Path<(String, DatasetId)>,
    ProtectedForm(form): ProtectedForm<ReviewForm>,
) -> PageResult {
    let dataset = load(&db, &page, path.1).await?;
    let (Ok(kind), Ok(decision)) = (form.kind.parse(), form.decision.parse()) else {
        return Err(AppError::Invalid(Say::new("form-unreadable")).into());
    };
    let mut errors = FieldErrors::default();
    let least = usize::from(decision != super::super::ReviewDecision::Approved);
    let reason = errors.text("reason", &form.reason, Text { least, most: 2000 });
    if let Some(say) = errors.of("reason") {
        let say = if reason.is_empty() {
            Say::new("datasets-review-reason-needed")
        } else {
            say.clone()
        };
        let mut drawn = draw(&db, &config, &page, dataset).await?;
        drawn.review_error = page.lang().say(&say);
        drawn.reason = form.reason;
        return page.show_invalid(&drawn);
    }
    let verdict = Verdict {
        kind,
        decision,
        reason: &reason,
    };
    let after = super::super::review(&db, page.actor(), dataset.id, verdict).await?;
    let key = match after {
        Status::Approved => "flash-datasets-approved",
        Status::ChangesRequested => "flash-datasets-returned",
        Status::Rejected => "flash-datasets-rejected",
        Status::Submitted | Status::Draft | Status::Withdrawn => "flash-datasets-reviewed",
    };
    Ok(back_with(
        &page.path(&format!("/datasets/{}", dataset.id)),
        "good",
        key,
    ))
}
