//! Published documents, for everybody; and versions that were prepared, for those who may see the model.

use actix_web::{get, web};
use askama::Template;

use super::{
    draw::{self, DifferenceView, SectionView},
    readable,
};
use crate::{
    db::{Db, StoreError},
    disclosures::{
        difference::{Difference, difference},
        kind::Kind,
        store::{self, Version},
    },
    error::AppError,
    ids::DisclosureId,
    web::{Chrome, PageResult, Visit, filters, moment},
};

/// Models on the page, the last published first.
const MOST_LISTED: i64 = 500;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(index).service(show);
}

pub(super) struct LinkView {
    pub(super) label: String,
    pub(super) href: String,
    pub(super) is_current: bool,
}

struct Row {
    model: String,
    version: i32,
    published: String,
    exact: String,
    documents: Vec<LinkView>,
}

#[derive(Template)]
#[template(path = "disclosures/index.html")]
struct IndexPage {
    chrome: Chrome,
    published: Vec<Row>,
}

#[get("/{lang:nl|en}/disclosures")]
async fn index(visit: Visit, db: web::Data<Db>) -> PageResult {
    let (lang, now) = (visit.lang, db.now());
    let mut conn = db.read().await?;
    let published = store::published(&mut conn, None, MOST_LISTED)
        .await?
        .into_iter()
        .filter_map(|version| {
            let at = version.published_at()?;
            Some(Row {
                version: version.number,
                published: moment(lang, now, at),
                exact: at.to_rfc3339(),
                documents: Kind::ALL
                    .into_iter()
                    .filter(|kind| kind.is_public())
                    .map(|kind| LinkView {
                        label: draw::title(lang, kind),
                        href: format!("/{lang}/disclosures/{}/{}", version.id, kind.name()),
                        is_current: false,
                    })
                    .collect(),
                model: version.model_name,
            })
        })
        .collect();
    visit.show(&IndexPage {
        chrome: visit.chrome(),
        published,
    })
}

pub(super) struct VersionView {
    pub(super) label: String,
    pub(super) href: String,
    pub(super) is_current: bool,
}

#[derive(Template)]
#[template(path = "disclosures/document.html")]
pub(super) struct DocumentPage {
    pub(super) chrome: Chrome,
    pub(super) title: String,
    pub(super) based_on: String,
    pub(super) model: String,
    /// The model's page, for those who are signed in.
    pub(super) back: Option<String>,
    /// "Version 2, published today"; of a draft, that it is one.
    pub(super) state: String,
    pub(super) state_badge: &'static str,
    /// What has happened since that readers should know.
    pub(super) warning: Option<String>,
    pub(super) documents: Vec<LinkView>,
    pub(super) versions: Vec<VersionView>,
    pub(super) sections: Vec<SectionView>,
    /// Where the JSON is.
    pub(super) json: String,
    pub(super) sha256: String,
    pub(super) has_before: bool,
    pub(super) differences: Vec<DifferenceView>,
}

/// What a version states that the one published before it did not; none where there is none before it.
pub(super) async fn since_before(
    conn: &mut sqlx::PgConnection,
    version: &Version,
    kind: Kind,
) -> Result<Option<Vec<Difference>>, StoreError> {
    let before = store::of_model(conn, version.model)
        .await?
        .into_iter()
        .find(|one| one.number < version.number && one.published_at().is_some());
    let Some(before) = before else {
        return Ok(None);
    };
    let old = store::stored(conn, before.id, kind).await?;
    let new = store::stored(conn, version.id, kind).await?;
    Ok(old
        .zip(new)
        .map(|(old, new)| difference(&old.document, &new.document)))
}

/// A document as it was frozen, with what changed since the version before it.
#[get("/{lang:nl|en}/disclosures/{id}/{kind}")]
async fn show(
    visit: Visit,
    db: web::Data<Db>,
    path: web::Path<(String, DisclosureId, String)>,
) -> PageResult {
    let (_, id, kind) = path.into_inner();
    let kind: Kind = kind.parse().map_err(|_| AppError::NotFound)?;
    let (lang, now) = (visit.lang, db.now());
    let mut conn = db.read().await?;
    let actor = visit.session.as_ref().map(|session| &session.actor);
    let version = readable(&mut conn, actor, id, Some(kind)).await?;
    let frozen = store::stored(&mut conn, id, kind)
        .await?
        .ok_or(AppError::NotFound)?;
    // Whoever may see the model may see all of its documents.
    let sees_all = readable(&mut conn, actor, id, Some(Kind::AnnexXi))
        .await
        .is_ok();
    let known = store::of_model(&mut conn, version.model).await?;
    let changes = since_before(&mut conn, &version, kind).await?;
    let dues = store::dues(&mut conn, id).await?;
    let newest = known.iter().find(|one| one.published_at().is_some());
    let warning = match (newest, dues.first()) {
        (Some(newest), _) if newest.number > version.number => Some("disclosure-superseded".into()),
        (_, Some((reason, _))) => Some(format!(
            "disclosure-due-{}",
            reason.name().replace('_', "-")
        )),
        _ => None,
    };
    let (key, state_badge, when) = match (&version.decision, version.published_at()) {
        (_, Some(at)) => ("disclosure-state-published", "granted", at),
        (Some(decision), None) => ("disclosure-state-returned", "refused", decision.at),
        (None, None) => ("disclosure-state-prepared", "running", version.prepared_at),
    };
    let path = |id: DisclosureId, kind: Kind| format!("/{lang}/disclosures/{id}/{}", kind.name());
    visit.show(&DocumentPage {
        chrome: visit.chrome(),
        title: frozen.document.title.of_lang(lang).to_owned(),
        based_on: frozen.document.based_on.of_lang(lang).to_owned(),
        model: frozen.document.model_name.clone(),
        back: sees_all.then(|| format!("/{lang}/models/{}/disclosures", version.model)),
        state: lang.t_with(
            key,
            &[
                ("version", version.number.to_string()),
                ("when", moment(lang, now, when)),
            ],
        ),
        state_badge,
        warning: warning.map(|key: String| lang.t(&key)),
        documents: Kind::ALL
            .into_iter()
            .filter(|one| sees_all || one.is_public())
            .map(|one| LinkView {
                label: draw::title(lang, one),
                href: path(id, one),
                is_current: one == kind,
            })
            .collect(),
        versions: known
            .iter()
            .filter(|one| sees_all || one.published_at().is_some())
            .map(|one| VersionView {
                label: one.number.to_string(),
                href: path(one.id, kind),
                is_current: one.id == id,
            })
            .collect(),
        sections: draw::sections(lang, &frozen.document),
        json: format!("/api/v1/disclosures/{id}/{}", kind.name()),
        sha256: frozen.sha256,
        has_before: changes.is_some(),
        differences: draw::differences(lang, &changes.unwrap_or_default()),
    })
}

impl DocumentPage {
    /// With no other versions, as a draft has none.
    pub(super) fn draft(chrome: Chrome) -> Self {
        Self {
            chrome,
            title: String::new(),
            based_on: String::new(),
            model: String::new(),
            back: None,
            state: String::new(),
            state_badge: "neutral",
            warning: None,
            documents: Vec::new(),
            versions: Vec::new(),
            sections: Vec::new(),
            json: String::new(),
            sha256: String::new(),
            has_before: false,
            differences: Vec::new(),
        }
    }
}
