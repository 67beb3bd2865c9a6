//! The worker looks again: at what is due, and at what somebody asked for.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Outcome, Reservation, Robots,
    check::Findings,
    error::RightsError,
    fetch::Fetcher,
    happened::Happened,
    look::{CHECKED_WITH, Seen, look},
    record::{kept, write},
    store::{self, NewCheck, Way},
};
use crate::{
    db::{Db, Task, WriteTx},
    ids::{DatasetId, RightsCheckId},
    objects::ObjectStore,
    policy::{self, Action, Actor, Scope},
};

/// Sources looked at in one run of the chore; the rest waits for the next.
const AT_ONCE: i64 = 20;
/// Between two looks at the same page that somebody asks for.
const BETWEEN: TimeDelta = TimeDelta::minutes(10);
/// Looks at one site in that time.
const MOST_OF_SITE: usize = 20;

/// Looks at a dataset's source now, because somebody asked.
#[derive(Debug, Serialize, Deserialize)]
pub struct Look {
    /// At which dataset's.
    pub dataset: DatasetId,
    /// The plan as it stood when it was asked for: one look comes of it, however often this is tried.
    pub due: DateTime<Utc>,
}

impl Task for Look {
    const KIND: &'static str = "rights_checks.look";
}

/// When `source_url` may be asked for again, where that is not now: somebody else's site is not ours to wear out.
pub(super) async fn too_soon(
    tx: &mut WriteTx<'_>,
    source_url: &str,
) -> Result<Option<DateTime<Utc>>, RightsError> {
    let now = tx.now();
    let since = now - BETWEEN;
    let site = url::Url::parse(source_url).map_or_else(
        |_| source_url.to_owned(),
        |url| url.origin().ascii_serialization(),
    );
    // One path asked for with ever other questions is one source.
    let page = source_url.split(['?', '#']).next().unwrap_or(source_url);
    let looks = store::looks_since(tx.conn(), &site, (since, now)).await?;
    let of_page = looks
        .iter()
        .filter(|(url, _)| url.split(['?', '#']).next().unwrap_or(url) == page);
    let first = if looks.len() >= MOST_OF_SITE {
        looks.first()
    } else {
        of_page.max_by_key(|(_, at)| *at)
    };
    Ok(first.map(|(_, at)| *at + BETWEEN))
}

/// Asks the worker to look now.
///
/// # Errors
/// [`RightsError::NoSchedule`] where no source is known, [`RightsError::TooSoon`] where it was looked at just now.
pub async fn ask(db: &Db, actor: &Actor, dataset: DatasetId) -> Result<(), RightsError> {
    let mut tx = db.write(actor).await?;
    let subject = store::lock(&mut tx, dataset)
        .await?
        .ok_or(RightsError::NotFound(dataset))?;
    let permit = policy::check(actor, Action::CheckRights, &subject.scope())?;
    let schedule = store::schedule(tx.conn(), dataset)
        .await?
        .ok_or(RightsError::NoSchedule)?;
    let due = tx.now();
    if let Some(again) = too_soon(&mut tx, &schedule.source_url).await? {
        return Err(RightsError::TooSoon(again));
    }
    store::postpone(&mut tx, dataset, due).await?;
    tx.record(&Happened::to(
        (dataset, subject.institution),
        "rights_checks.asked",
        json!({}),
    ))?;
    tx.enqueue(&Look { dataset, due })?;
    tx.commit(permit).await?;
    Ok(())
}

/// The chore: looks at every source that is due.
///
/// # Errors
/// Where the database or the object store is away.
pub async fn recheck_due(
    db: &Db,
    objects: &ObjectStore,
    fetcher: &Fetcher,
) -> Result<(), RightsError> {
    let due = {
        let mut conn = db.read().await?;
        store::due(&mut conn, db.now(), AT_ONCE).await?
    };
    for (dataset, due) in due {
        recheck(db, objects, fetcher, &Look { dataset, due }).await?;
    }
    Ok(())
}

/// Looks at one source and writes down what was found; nothing where another worker did so meanwhile.
///
/// # Errors
/// Where the database or the object store is away.
pub async fn recheck(
    db: &Db,
    objects: &ObjectStore,
    fetcher: &Fetcher,
    asked: &Look,
) -> Result<(), RightsError> {
    let actor = Actor::system();
    let planned = {
        let mut conn = db.read().await?;
        store::schedule(&mut conn, asked.dataset).await?
    };
    let Some(planned) = planned.filter(|plan| plan.next_due == asked.due) else {
        return Ok(());
    };
    let seen = match fetcher.parse(&planned.source_url) {
        Ok(url) => look(fetcher, &url).await,
        // Taken when another rule held, or through another door: not asked, and written down.
        Err(why) => Seen {
            findings: Findings {
                outcome: Outcome::Refused,
                problem: why.code().to_owned(),
                http_status: None,
                license_label: None,
                license_expression: None,
                reservation: Reservation::Unknown,
                reservation_policy: None,
                robots: Robots::Unknown,
            },
            evidence: Vec::new(),
        },
    };
    let signals = kept(objects, &seen.evidence).await?;
    let mut tx = db.write(&actor).await?;
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let subject = store::lock(&mut tx, asked.dataset)
        .await?
        .ok_or(RightsError::NotFound(asked.dataset))?;
    let still = store::schedule(tx.conn(), asked.dataset).await?;
    if still.is_none_or(|plan| plan != planned) {
        return Ok(());
    }
    let now = tx.now();
    let new = NewCheck {
        id: RightsCheckId::fresh(),
        source_url: &planned.source_url,
        findings: &seen.findings,
        note: "",
        way: Way::Program(CHECKED_WITH),
        checked_at: now,
    };
    write(&mut tx, &subject, &new, &signals).await?;
    let next = now + TimeDelta::days(i64::from(planned.every_days));
    store::postpone(&mut tx, asked.dataset, next).await?;
    tx.commit(permit).await?;
    Ok(())
}
