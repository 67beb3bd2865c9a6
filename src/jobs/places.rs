//! How places stand: looked at, written down for people, and told to operators where only they can help.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use compute::cancel_strays;

use super::{
    compute::{Site, Trouble},
    error::JobError,
    store,
};
use crate::{
    app::Ports,
    db::{Db, StoreError},
};

/// Between two looks whether a place works again.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(10);
/// A place is written down at least this often, so that people know that somebody looks after it.
const SAY_AGAIN: TimeDelta = TimeDelta::seconds(30);
/// A place that no worker has looked after for this long is not shown.
const FORGOTTEN: TimeDelta = TimeDelta::minutes(10);
/// What somebody submits just now is no stray.
const STRAYS_FROM: TimeDelta = TimeDelta::hours(1);

/// A place for people.
#[derive(Debug, Clone)]
pub struct PlaceState {
    /// As attempts name it.
    pub id: String,
    /// As people call it.
    pub name: String,
    /// `local` or `slurm`.
    pub kind: String,
    /// Where its machines stand.
    pub location: String,
    /// Attempts that may be there at once.
    pub slots: i32,
    /// Attempts that are.
    pub live: i64,
    /// What is wrong with it: whether a person has to mend it, what it is, since when.
    pub trouble: Option<(bool, String, DateTime<Utc>)>,
    /// When a worker last looked.
    pub seen_at: DateTime<Utc>,
}

/// The places that workers look after.
///
/// # Errors
/// Where the database is away.
pub async fn places(db: &Db) -> Result<Vec<PlaceState>, StoreError> {
    let mut conn = db.read().await?;
    let rows = store::places(&mut conn, db.now() - FORGOTTEN).await?;
    Ok(rows
        .into_iter()
        .map(|row| PlaceState {
            trouble: row.trouble_since.map(|since| {
                let is_locked = row.trouble_kind.as_deref() == Some("locked");
                (is_locked, row.trouble.unwrap_or_default(), since)
            }),
            id: row.id,
            name: row.name,
            kind: row.kind,
            location: row.location,
            slots: row.slots,
            live: row.live,
            seen_at: row.seen_at,
        })
        .collect())
}

/// What people call the place of an attempt that does not answer, and since when; none where it does.
///
/// # Errors
/// Where the database is away.
pub(super) async fn silent_since(
    db: &Db,
    place: &str,
) -> Result<Option<(String, DateTime<Utc>)>, StoreError> {
    let mut conn = db.read().await?;
    store::silent_since(&mut conn, place, db.now() - FORGOTTEN).await
}

/// A line for each place that does not work, without its details; empty where all do.
pub async fn place_warnings(db: &Db) -> String {
    match places(db).await {
        Ok(places) => places
            .iter()
            .filter_map(|place| {
                let (is_locked, ..) = place.trouble.as_ref()?;
                let what = if *is_locked { "locked" } else { "unreachable" };
                Some(format!("warning: compute place {} is {what}\n", place.name))
            })
            .collect(),
        Err(error) => format!("warning: {error}\n"),
    }
}

/// Looks at places with trouble again, and writes down how each stands.
pub(super) async fn look(ports: &Ports) -> Result<(), JobError> {
    let now = ports.db.now();
    for site in ports.compute.sites() {
        if site
            .trouble()
            .is_some_and(|trouble| now - trouble.looked_at >= LOOK_AGAIN)
        {
            site.note(&site.place.backend.list().await, ports.db.now());
        }
        if let Some(trouble) = site.to_say(now, SAY_AGAIN) {
            let mut tx = ports.db.meter().await?;
            store::put_place(&mut tx, site, trouble.as_ref()).await?;
            tx.commit().await?;
            site.said(trouble, now);
        }
    }
    Ok(())
}

/// The chore: ends what runs at a place for attempts that are over here, or that only an earlier state of this
/// database knew.
///
/// # Errors
/// Where the database is away.
pub(super) async fn strays(ports: &Ports) -> Result<(), JobError> {
    for site in ports.compute.sites() {
        if site.trouble().is_none()
            && let Err(error) = strays_at(ports, site).await
        {
            tracing::warn!(place = site.id(), %error, "strays cannot be looked for");
        }
    }
    Ok(())
}

async fn strays_at(ports: &Ports, site: &Site) -> Result<(), JobError> {
    let listed = site.place.backend.list().await;
    site.note(&listed, ports.db.now());
    let Ok(listed) = listed else { return Ok(()) };
    let attempts: Vec<_> = listed.iter().map(|one| one.attempt).collect();
    if attempts.is_empty() {
        return Ok(());
    }
    let before = ports.db.now() - STRAYS_FROM;
    let live: BTreeSet<_> = {
        let mut conn = ports.db.read().await?;
        let live = store::live_among(&mut conn, &attempts).await?;
        live.into_iter().collect()
    };
    let backend = site.place.backend.as_ref();
    let is_known = |attempt| live.contains(&attempt);
    if let Err(error) = cancel_strays(backend, is_known, before).await {
        tracing::warn!(place = site.id(), ?error, "strays cannot be ended");
    }
    Ok(())
}

/// What is said of a place, and when it was.
#[derive(Debug, Default)]
pub(super) struct Said {
    trouble: Option<Trouble>,
    at: Option<DateTime<Utc>>,
}

impl Said {
    /// What is to be written down now, where that is due or differs.
    pub(super) fn due(
        &self,
        trouble: Option<Trouble>,
        now: DateTime<Utc>,
        again: TimeDelta,
    ) -> Option<Option<Trouble>> {
        let key = |trouble: &Option<Trouble>| {
            trouble
                .as_ref()
                .map(|it| (it.is_locked, it.text.clone(), it.since))
        };
        let is_due = self.at.is_none_or(|at| now - at >= again);
        (is_due || key(&self.trouble) != key(&trouble)).then_some(trouble)
    }

    pub(super) fn set(&mut self, trouble: Option<Trouble>, now: DateTime<Utc>) {
        self.trouble = trouble;
        self.at = Some(now);
    }
}
