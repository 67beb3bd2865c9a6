//! Settling what a dead process left: exactly where the upstream still knows, else at what was set aside.

use std::collections::BTreeSet;

use super::{Gateway, upstream::Counted};
use crate::{
    db::{Db, StoreError},
    quota::{self, Left, Outcome, Spent},
};

const AT_ONCE: i64 = 50;

/// Settles every reservation of processes that are gone; safe to run in several processes at the same time. What
/// cannot be settled yet, for its upstream is away or not done, waits; in the end the ledger charges it whole.
///
/// # Errors
/// Where the database is away.
pub async fn sweep(db: &Db, gateway: &Gateway) -> Result<(), StoreError> {
    quota::expire(db).await?;
    let mut away = BTreeSet::new();
    for left in quota::left(db, AT_ONCE).await? {
        let mut counted = Counted::Unknown;
        // It may have been sent to any of these.
        for place in left.context.upstream.split(' ') {
            let there = if away.contains(place) {
                Counted::Away
            } else {
                gateway.client.counted(place, left.request).await
            };
            if there == Counted::Away {
                away.insert(place.to_owned());
            }
            counted = counted.or(there);
        }
        if let Some(spent) = spent(&left, counted)
            && quota::settle_left(db, &left, spent).await?
        {
            tracing::info!(request = %left.request, ?counted, "settled what was left behind");
        }
    }
    quota::tidy(db).await
}

/// What an abandoned request is booked at; none where it is better to wait.
fn spent(left: &Left, counted: Counted) -> Option<Spent> {
    let (prompt_tokens, completion_tokens) = match counted {
        Counted::Finished(usage) => (usage.prompt_tokens, usage.completion_tokens),
        // Nobody knows how it is divided, so all of it is booked in one place.
        Counted::Unknown => (left.tokens.unsigned_abs(), 0),
        Counted::Running(_) | Counted::Away => return None,
    };
    let tokens = |count| i64::try_from(count).unwrap_or(i64::MAX);
    Some(Spent {
        prompt_tokens: tokens(prompt_tokens),
        completion_tokens: tokens(completion_tokens),
        outcome: Outcome::Recovered,
    })
}
