//! Partners and the platform: who they are, and who does what there.

mod store;

use crate::{
    db::{Db, StoreError},
    ids::{InstitutionId, UserId},
    policy::Role,
};

/// An institution as others may know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Institution {
    /// Its id.
    pub id: InstitutionId,
    /// Short name in model names and addresses.
    pub slug: String,
    /// Name for people.
    pub name: String,
    /// Whether it is the platform itself.
    pub is_platform: bool,
}

/// A person and what they are in an institution.
#[derive(Debug, Clone)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// Their name.
    pub name: String,
    /// What they are, now.
    pub roles: Vec<Role>,
}

/// What is needed to make or keep an institution.
#[derive(Debug, Clone)]
pub struct NewInstitution<'a> {
    /// Short name; what finds it again.
    pub slug: &'a str,
    /// Name for people.
    pub name: &'a str,
    /// Whether it is the platform itself.
    pub is_platform: bool,
    /// SURFconext's `schac_home_organization` values that belong to it.
    pub home_organizations: &'a [&'a str],
    /// Which identity providers may say so.
    pub authenticating_authorities: &'a [&'a str],
}

pub use self::store::{ensure, ensure_member};

/// The institution that a person signs in from: by home organisation, vouched for by an allowed provider.
///
/// # Errors
/// Where the database is away.
pub async fn find_by_home_organization(
    db: &Db,
    home_organization: &str,
    authority: &str,
) -> Result<Option<Institution>, StoreError> {
    let mut conn = db.read().await?;
    store::find_by_home_organization(&mut conn, home_organization, authority).await
}

/// One institution.
///
/// # Errors
/// Where the database is away.
pub async fn find(db: &Db, id: InstitutionId) -> Result<Option<Institution>, StoreError> {
    let mut conn = db.read().await?;
    store::find(&mut conn, id).await
}

/// One institution by its short name.
///
/// # Errors
/// Where the database is away.
pub async fn find_by_slug(db: &Db, slug: &str) -> Result<Option<Institution>, StoreError> {
    let mut conn = db.read().await?;
    store::find_by_slug(&mut conn, slug).await
}

/// The platform itself, once it has been set up.
///
/// # Errors
/// Where the database is away.
pub async fn find_platform(db: &Db) -> Result<Option<Institution>, StoreError> {
    let mut conn = db.read().await?;
    store::find_platform(&mut conn).await
}

/// Who does what in an institution, by name.
///
/// # Errors
/// Where the database is away.
pub async fn members(db: &Db, id: InstitutionId) -> Result<Vec<Member>, StoreError> {
    let mut conn = db.read().await?;
    store::members(&mut conn, id, db.now()).await
}

/// The short names of all institutions.
///
/// # Errors
/// Where the database is away.
pub async fn slugs(db: &Db) -> Result<Vec<(InstitutionId, String)>, StoreError> {
    let mut conn = db.read().await?;
    store::slugs(&mut conn).await
}
