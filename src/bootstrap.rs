//! First steps, before anybody can sign in: institutions, people, base models. Used by `faculty admin` and by
//! the demonstration.

use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use crate::{
    app::Ports,
    db::{Event, Subject},
    ids::{InstitutionId, ModelId, UserId},
    institutions::{self, NewInstitution},
    models::{self, BaseLicence, NewBase},
    policy::{self, Action, Actor, Role, Scope},
    signing,
};

#[derive(Serialize)]
struct InstitutionKept<'a> {
    institution: InstitutionId,
    slug: &'a str,
    member: Option<UserId>,
    role: Option<&'a str>,
}

impl Event for InstitutionKept<'_> {
    fn kind(&self) -> &'static str {
        if self.member.is_some() {
            "institutions.member_added"
        } else {
            "institutions.kept"
        }
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "institution",
            id: self.institution.0,
            institution: self.institution,
        }
    }
}

/// Registers a base model from a GGUF file or a folder in the model hub's layout, on behalf of the platform.
///
/// # Errors
/// Where there is no platform, or the file, store or database cannot be used.
pub async fn register_base(
    ports: &Ports,
    name: &str,
    family: &str,
    license: impl Into<BaseLicence<'_>>,
    path: &Path,
) -> anyhow::Result<ModelId> {
    let platform = institutions::find_platform(&ports.db)
        .await?
        .context("there is no platform yet: run `faculty admin bootstrap` first")?;
    // It comes in with a receipt, perhaps before any program was started that takes up the key.
    signing::adopt(&ports.db, &ports.signer).await?;
    let path = path.to_owned();
    let files = tokio::task::spawn_blocking(move || models::base_files(&path)).await??;
    let new = NewBase {
        name,
        family,
        license: license.into(),
        files: &files,
        platform: platform.id,
    };
    Ok(models::register_base(
        &ports.db,
        &ports.objects,
        &ports.signer,
        &Actor::system(),
        new,
    )
    .await?)
}

/// Keeps an institution and its members, in one audited change.
///
/// # Errors
/// Where the database refuses.
pub async fn keep(
    ports: &Ports,
    institution: &NewInstitution<'_>,
    members: &[((&str, &str), Role)],
) -> anyhow::Result<InstitutionId> {
    let actor = Actor::system();
    let mut tx = ports.db.write(&actor).await?;
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let id = institutions::ensure(&mut tx, institution).await?;
    tx.record(&InstitutionKept {
        institution: id,
        slug: institution.slug,
        member: None,
        role: None,
    })?;
    for ((subject, name), role) in members {
        let issuer = &ports.config.oidc.issuer;
        let user = institutions::ensure_member(&mut tx, id, (issuer, subject), name, *role).await?;
        tx.record(&InstitutionKept {
            institution: id,
            slug: institution.slug,
            member: Some(user),
            role: Some(role.name()),
        })?;
    }
    tx.commit(permit).await?;
    Ok(id)
}

/// Gives one more person a role.
///
/// # Errors
/// Where the database refuses.
pub async fn add_member(
    ports: &Ports,
    institution: InstitutionId,
    slug: &str,
    (subject, name): (&str, &str),
    role: Role,
) -> anyhow::Result<()> {
    let actor = Actor::system();
    let mut tx = ports.db.write(&actor).await?;
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let issuer = &ports.config.oidc.issuer;
    let user =
        institutions::ensure_member(&mut tx, institution, (issuer, subject), name, role).await?;
    tx.record(&InstitutionKept {
        institution,
        slug,
        member: Some(user),
        role: Some(role.name()),
    })?;
    tx.commit(permit).await?;
    Ok(())
}
