//! The people who mend places are told of one that does not work.

use chrono::TimeDelta;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{error::JobError, places::PlaceState};
use crate::{
    app::Ports,
    db::{Event, Subject},
    ids::InstitutionId,
    institutions,
    notices::{About, Notice, Recipient, tell_all},
    policy::{self, Action, Actor, Role, Scope},
};

/// A place that is away may be back in a moment; one that is locked stays so.
const AWAY_FOR: TimeDelta = TimeDelta::minutes(5);

/// That people were told.
#[derive(Debug, Serialize)]
struct Told {
    place: String,
    is_locked: bool,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Told {
    fn kind(&self) -> &'static str {
        "jobs.place_trouble_told"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "institution",
            id: self.institution.0,
            institution: self.institution,
        }
    }
}

/// The chore: tells the platform's admins and operators of each place that is locked, or that has been away for a while;
/// once for each time that it goes wrong.
///
/// # Errors
/// Where the database is away.
pub(super) async fn sweep(ports: &Ports) -> Result<(), JobError> {
    let now = ports.db.now();
    let wrong: Vec<PlaceState> = super::places::places(&ports.db)
        .await?
        .into_iter()
        .filter(|place| {
            place
                .trouble
                .as_ref()
                .is_some_and(|(is_locked, _, since)| *is_locked || now - *since >= AWAY_FOR)
        })
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let Some(platform) = institutions::find_platform(&ports.db).await? else {
        return Ok(());
    };
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let mut tx = ports.db.write(&actor).await?;
    let mut is_any = false;
    for place in &wrong {
        let notices = notices(place, platform.id);
        if tell_all(&mut tx, &notices).await?.is_empty() {
            continue;
        }
        is_any = true;
        tx.record(&Told {
            place: place.id.clone(),
            is_locked: place
                .trouble
                .as_ref()
                .is_some_and(|(is_locked, ..)| *is_locked),
            institution: platform.id,
        })?;
    }
    if is_any {
        tx.commit(permit).await?;
    }
    Ok(())
}

fn notices(place: &PlaceState, platform: InstitutionId) -> Vec<Notice> {
    let Some((is_locked, text, since)) = &place.trouble else {
        return Vec::new();
    };
    let kind = if *is_locked {
        "place-locked"
    } else {
        "place-away"
    };
    let about = About {
        kind: "place",
        id: id_of(&place.id),
    };
    [Role::Admin, Role::Operator]
        .into_iter()
        .map(|role| {
            let to = Recipient::Role {
                institution: platform,
                role,
            };
            Notice::new(kind, to, about)
                .with("place", &place.name)
                .with("trouble", text)
                .with_day("since", *since)
                .link("/admin/places")
                .once(format!(
                    "{kind}:{}:{}:{}",
                    about.id,
                    since.timestamp_micros(),
                    role.name()
                ))
        })
        .collect()
}

/// Places have names; notices are found by ids.
fn id_of(place: &str) -> Uuid {
    let digest = Sha256::digest(place.as_bytes());
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
