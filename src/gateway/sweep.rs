//! Settling what a dead process left: exactly where the upstream still knows, else at what was set aside.

use std::collections::BTreeSet;

use super::{Gateway, upstream::Counted};
use crate::{
    db::{Db, StoreError},
    quota::{self, Left, Outcome, Spent},
};

/// So many are read at once; between them it is looked who died meanwhile.
const AT_ONCE: i64 = 200;

/// Settles every reservation of processes that are gone; safe to run in several processes at the same time. What
/// cannot be settled yet, for its upstream is away or not done, waits; in the end the ledger charges it whole.
///
/// # Errors
/// Where the database is away.
pub async fn sweep(db: &Db, gateway: &Gateway) -> Result<(), StoreError> {
    let (mut away, mut last) = (BTreeSet::new(), None);
    loop {
        quota::expire(db).await?;
        // The whole list each time: those at its head may wait for long, and those behind them not so long.
        let page = quota::left(db, last.as_ref(), AT_ONCE).await?;
        for left in &page {
            settle(db, gateway, left, &mut away).await?;
        }
        match page.into_iter().next_back() {
            Some(left) => last = Some(left),
            None => break,
        }
    }
    quota::tidy(db).await
}

/// Settles one where its upstream knows; places in `away` are not asked again.
async fn settle(
    db: &Db,
    gateway: &Gateway,
    left: &Left,
    away: &mut BTreeSet<String>,
) -> Result<(), StoreError> {
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
    if let Some(spent) = spent(left, counted)
        && quota::settle_left(db, left, spent).await?
    {
        tracing::info!(request = %left.request, ?counted, "settled what was left behind");
    }
    Ok(())
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
