//! What a withdrawal would touch: the blast radius, found by the same steps that the cascade takes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Europe::Amsterdam;
use serde::Serialize;
use sqlx::PgConnection;

use super::{
    scope::{Consequence, Extent, Target, is_fallen},
    store,
};
use crate::{
    db::{Db, StoreError},
    ids::{
        ApiKeyId, DatasetId, DatasetVersionId, InstitutionId, JobId, ModelId, PermissionId, UserId,
    },
    jobs, licensees,
    permissions::{self, Standing},
    policy::Actor,
};

/// Everything that a withdrawal touches.
#[derive(Debug, Clone)]
pub struct Reach {
    /// The permissions that end.
    pub permissions: Vec<PermissionId>,
    /// Whether there is anything to withdraw: a permission, or a version that counts.
    pub is_empty: bool,
    /// What the agreement says about models.
    pub consequence: Consequence,
    /// Versions of which no use is left: their copies go.
    pub fallen: Vec<DatasetVersionId>,
    /// Days within which they go.
    pub delete_within_days: i32,
    /// Those of them that were curated from it, in other datasets.
    pub derived: Vec<Derived>,
    /// Versions of the same dataset that hold the same files, or a part of them, and stay.
    pub siblings: Vec<Sibling>,
    /// Jobs on its data, or on a model made from it; over or not.
    pub jobs: Vec<JobId>,
    /// Models made from it, and from those, at any depth.
    pub models: Vec<ModelId>,
}

impl Reach {
    /// What it comes to in short: the same text for the same numbers, so that who confirms confirms what they saw.
    #[must_use]
    pub fn in_short(&self) -> String {
        let siblings: Vec<String> = self
            .siblings
            .iter()
            .map(|sibling| sibling.number.to_string())
            .collect();
        format!(
            "{}-{}-{}-{}-{}-{}",
            self.permissions.len(),
            self.fallen.len(),
            self.jobs.len(),
            self.models.len(),
            self.consequence.name(),
            siblings.join("."),
        )
    }
}

/// A version of the same dataset that holds the same files, or a part of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sibling {
    pub version: DatasetVersionId,
    pub number: i32,
}

/// A version of another dataset, of whatever institution, that was curated from what is withdrawn.
#[derive(Debug, Clone)]
pub struct Derived {
    pub version: DatasetVersionId,
    pub number: i32,
    /// Whether it was withdrawn or rejected before.
    pub is_over: bool,
    pub dataset: DatasetId,
    pub title: String,
    pub owner: InstitutionId,
}

/// A model that a withdrawal touches.
#[derive(Debug, Clone)]
pub struct ReachedModel {
    pub id: ModelId,
    pub name: String,
    pub institution: String,
    pub owner: InstitutionId,
    /// Whether it was ever released: of others nobody outside its institution and the platform knows the name.
    pub was_released: bool,
    pub is_served: bool,
}

impl ReachedModel {
    /// The name, where `actor` may know it.
    #[must_use]
    pub fn name_for(&self, actor: &Actor) -> Option<&str> {
        let may_know = self.was_released || actor.is_platform() || actor.institution == self.owner;
        may_know.then_some(self.name.as_str())
    }
}

/// A key that can use such a model.
#[derive(Debug, Clone)]
pub struct ReachedKey {
    pub id: ApiKeyId,
    pub name: String,
    pub institution: String,
    pub owner: InstitutionId,
    pub holder: UserId,
}

/// What lies in the object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Copies {
    pub files: i64,
    pub size_bytes: i64,
}

/// Finds what withdrawing `target` touches, at this moment of `conn`'s transaction.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub(super) async fn reach(
    conn: &mut PgConnection,
    target: &Target,
    at: DateTime<Utc>,
) -> Result<Reach, StoreError> {
    let (dataset, extent) = (target.dataset, target.extent);
    let standing = permissions::standing(conn, dataset).await?;
    let ended: Vec<&Standing> = standing
        .iter()
        .filter(|permission| extent.ends(permission))
        .collect();
    let ended_ids: Vec<PermissionId> = ended.iter().map(|permission| permission.id).collect();
    let versions = store::versions(conn, dataset).await?;
    // A version is withdrawn whatever permission covers it, so all that speak about it say what follows.
    let deciding: Vec<&Standing> = match extent {
        Extent::Version(version) => standing
            .iter()
            .filter(|permission| permission.version.is_none_or(|one| one == version))
            .collect(),
        Extent::Dataset | Extent::Layer(_) | Extent::Permission(_) => ended.clone(),
    };
    let counts = |status: &str| !matches!(status, "withdrawn" | "rejected");
    let names_version = versions
        .iter()
        .any(|version| extent == Extent::Version(version.id) && counts(&version.status));
    let is_empty = ended.is_empty() && !names_version;
    let today = at.with_timezone(&Amsterdam).date_naive();
    let (mut fallen, mut partly) = (Vec::new(), Vec::new());
    for version in versions.iter().filter(|_| !is_empty) {
        if is_fallen(version.id, extent, &standing, today) {
            fallen.push(version.id);
        } else {
            partly.push(version.id);
        }
    }
    // Where a version that counts is left, the same files may be in it.
    let is_left = versions
        .iter()
        .any(|version| counts(&version.status) && !fallen.contains(&version.id));
    let siblings = if is_left {
        store::siblings(conn, dataset, &fallen).await?
    } else {
        Vec::new()
    };
    // What others curated from it is a copy too.
    let derived = store::derived(conn, dataset, &fallen).await?;
    let curated = derived.iter().map(|one| one.version);
    // All jobs on what is withdrawn whole. Where only some permissions end, a job that stood on another one when it
    // ran is left alone, also where no copy stays.
    let (whole, judged): (Vec<_>, Vec<_>) = match extent {
        Extent::Dataset | Extent::Version(_) => (
            fallen.iter().copied().chain(curated.clone()).collect(),
            partly,
        ),
        Extent::Layer(_) | Extent::Permission(_) => (
            curated.clone().collect(),
            fallen.iter().copied().chain(partly).collect(),
        ),
    };
    let mut roots = store::jobs_on(conn, &whole).await?;
    roots.extend(jobs::not_covered(conn, &judged, &ended_ids, (at, &target.locations)).await?);
    fallen.extend(curated);
    let (jobs, models) = store::descendants(conn, &roots).await?;
    Ok(Reach {
        permissions: ended_ids,
        is_empty,
        consequence: Consequence::strictest(deciding.iter().copied()),
        delete_within_days: deciding
            .iter()
            .map(|permission| permission.delete_within_days)
            .min()
            .unwrap_or(30),
        fallen,
        derived,
        siblings,
        jobs,
        models,
    })
}

/// A blast radius with the names that people need.
#[derive(Debug, Clone)]
pub struct Preview {
    pub reach: Reach,
    /// How many jobs there are in each state.
    pub jobs_by_status: Vec<(jobs::JobStatus, usize)>,
    /// The newest of the jobs.
    pub jobs: Vec<jobs::JobBrief>,
    pub models: Vec<ReachedModel>,
    pub keys: Vec<ReachedKey>,
    pub licensees: Vec<licensees::Licensee>,
    pub copies: Copies,
    /// Tokens of the dataset that were read in training.
    pub tokens_read: i64,
}

impl Preview {
    /// How many keys each institution has among them, by its name.
    #[must_use]
    pub fn keys_by_institution(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for key in &self.keys {
            *counts.entry(key.institution.as_str()).or_default() += 1;
        }
        counts
    }

    /// How many of the jobs would still be stopped.
    #[must_use]
    pub fn unfinished_jobs(&self) -> usize {
        self.jobs_by_status
            .iter()
            .filter(|(status, _)| !status.is_over())
            .map(|(_, count)| count)
            .sum()
    }

    /// How many of the models are served.
    #[must_use]
    pub fn served(&self) -> usize {
        self.models.iter().filter(|model| model.is_served).count()
    }
}

/// What withdrawing `target` would touch now. Changes nothing.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn preview(db: &Db, target: &Target) -> Result<Preview, StoreError> {
    let (mut conn, now) = (db.read().await?, db.now());
    let reach = reach(&mut conn, target, now).await?;
    named(&mut conn, target.dataset, reach, now).await
}

/// Everything that ever stood on `dataset`, whatever its permissions: for the page of contributions.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn uses(db: &Db, dataset: DatasetId) -> Result<Preview, StoreError> {
    let (mut conn, now) = (db.read().await?, db.now());
    let versions: Vec<_> = store::versions(&mut conn, dataset)
        .await?
        .into_iter()
        .map(|version| version.id)
        .collect();
    let roots = store::jobs_on(&mut conn, &versions).await?;
    let (jobs, models) = store::descendants(&mut conn, &roots).await?;
    let reach = Reach {
        permissions: Vec::new(),
        is_empty: true,
        consequence: Consequence::Keep,
        fallen: versions,
        derived: Vec::new(),
        siblings: Vec::new(),
        delete_within_days: 0,
        jobs,
        models,
    };
    named(&mut conn, dataset, reach, now).await
}

async fn named(
    conn: &mut PgConnection,
    dataset: DatasetId,
    reach: Reach,
    now: DateTime<Utc>,
) -> Result<Preview, StoreError> {
    let versions: Vec<_> = store::versions(conn, dataset)
        .await?
        .into_iter()
        .map(|version| version.id)
        .collect();
    Ok(Preview {
        jobs_by_status: jobs::count_by_status(conn, &reach.jobs).await?,
        jobs: jobs::newest_of(conn, &reach.jobs).await?,
        models: store::models(conn, &reach.models).await?,
        keys: store::keys(conn, &reach.models, now).await?,
        licensees: licensees::of_models(conn, &reach.models, now).await?,
        copies: store::copies(conn, &reach.fallen).await?,
        tokens_read: store::tokens_read(conn, &versions).await?,
        reach,
    })
}
