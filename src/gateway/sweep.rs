//! Settling what a dead process left: exactly where the upstream still knows, else at what was set aside.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{Gateway, upstream::Counted};
use crate::{
    db::{Db, StoreError},
    keys::quota::{self, Expired, Outcome, Settlement},
};

const AT_ONCE: i64 = 50;
/// How long an upstream that is away, or not done, is waited for.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// Settles every reservation that nobody renews; safe to run in several processes at the same time.
///
/// # Errors
/// Where the database is away.
pub async fn sweep(db: &Db, gateway: &Gateway) -> Result<(), StoreError> {
    let mut away = BTreeSet::new();
    for expired in quota::expired(db, AT_ONCE).await? {
        let counted = if away.contains(&expired.upstream) {
            Counted::Away
        } else {
            let client = &gateway.client;
            client.counted(&expired.upstream, expired.request).await
        };
        if counted == Counted::Away {
            away.insert(expired.upstream.clone());
        }
        let is_late = db.now() - expired.expires_at > PATIENCE;
        if let Some(settlement) = settlement(&expired, counted, is_late)
            && quota::settle_expired(db, expired.request, settlement).await?
        {
            tracing::info!(request = %expired.request, ?counted, "settled what was left behind");
        }
    }
    quota::forget_minutes(db).await
}

/// What an abandoned request is booked at; none where it is better to wait.
fn settlement(expired: &Expired, counted: Counted, is_late: bool) -> Option<Settlement> {
    let (prompt_tokens, completion_tokens) = match counted {
        Counted::Finished(usage) => (usage.prompt_tokens, usage.completion_tokens),
        Counted::Running(usage) if is_late => (usage.prompt_tokens, usage.completion_tokens),
        // Nobody knows how it is divided, so all of it is booked in one place.
        Counted::Unknown => (expired.tokens.unsigned_abs(), 0),
        Counted::Away if is_late => (expired.tokens.unsigned_abs(), 0),
        Counted::Running(_) | Counted::Away => return None,
    };
    let tokens = |count| i64::try_from(count).unwrap_or(i64::MAX);
    Some(Settlement {
        prompt_tokens: tokens(prompt_tokens),
        completion_tokens: tokens(completion_tokens),
        outcome: Outcome::Recovered,
    })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use openai_api::Usage;

    use super::*;
    use crate::ids::RequestId;

    fn booked(counted: Counted, is_late: bool) -> Option<i64> {
        let expired = Expired {
            request: RequestId::fresh(),
            tokens: 100,
            upstream: "http://127.0.0.1:1".to_owned(),
            expires_at: DateTime::UNIX_EPOCH,
        };
        settlement(&expired, counted, is_late).map(|s| s.prompt_tokens + s.completion_tokens)
    }

    #[test]
    fn exact_counts_win_and_nothing_is_given_away() {
        let usage = Usage::new(7, 5);
        assert_eq!(booked(Counted::Finished(usage), false), Some(12));
        assert_eq!(booked(Counted::Running(usage), false), None);
        assert_eq!(booked(Counted::Running(usage), true), Some(12));
        assert_eq!(booked(Counted::Unknown, false), Some(100));
        assert_eq!(booked(Counted::Away, false), None);
        assert_eq!(booked(Counted::Away, true), Some(100));
    }
}
