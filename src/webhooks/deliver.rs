//! Sending what waits.

use chrono::TimeDelta;
use futures_util::future::join_all;

use super::{
    endpoint::generations,
    secret::signature,
    store::{self, Due},
    tell::message_id,
};
use crate::{
    config::Config,
    db::{Db, StoreError},
    rights_checks::Fetcher,
};

/// How long a message is tried.
const PATIENCE: TimeDelta = TimeDelta::hours(12);
/// Longer than a try can take.
const LEASE: TimeDelta = TimeDelta::minutes(2);
const AT_ONCE: i64 = 8;

/// Why nothing was sent; trying again later may help.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The database is away, or a row makes no sense.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for DeliverError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The wait before the next try: soon at first, at last each hour.
fn pause(tries: i32) -> TimeDelta {
    let seconds = match tries {
        ..=1 => 5,
        2 => 30,
        3 => 120,
        4 => 600,
        5 => 1800,
        _ => 3600,
    };
    TimeDelta::seconds(seconds)
}

/// Sends what is due, each address's oldest message.
///
/// # Errors
/// Where the database is away.
pub async fn sweep(db: &Db, fetcher: &Fetcher, config: &Config) -> Result<(), DeliverError> {
    loop {
        let mut tx = db.meter().await?;
        let due = store::claim(&mut tx, LEASE, AT_ONCE).await?;
        tx.commit().await?;
        if due.is_empty() {
            return Ok(());
        }
        let sent = join_all(due.iter().map(|one| send(db, fetcher, config, one))).await;
        for (one, outcome) in due.iter().zip(sent) {
            let now = db.now();
            let next = now + pause(one.tries);
            let again = match &outcome {
                Ok(_) => None,
                Err(_) if next > one.created_at + PATIENCE => None,
                Err(_) => Some(next),
            };
            let (Ok(word) | Err(word)) = outcome;
            let mut tx = db.meter().await?;
            store::set_tried(&mut tx, one.id, &word, again).await?;
            tx.commit().await?;
        }
    }
}

/// One try: what came of it, in a word.
async fn send(db: &Db, fetcher: &Fetcher, config: &Config, due: &Due) -> Result<String, String> {
    let url = fetcher
        .parse(&due.url)
        .map_err(|why| why.code().to_owned())?;
    let (id, now) = (message_id(due.id), db.now());
    let holds = generations(due.generation, due.rotated_at, now);
    let signed = (id.as_str(), now.timestamp(), due.body.as_str());
    let signature = signature(&config.secret, (due.endpoint, &holds), signed);
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id.clone()),
        ("webhook-timestamp", now.timestamp().to_string()),
        ("webhook-signature", signature),
    ];
    match fetcher.post(&url, &headers, due.body.clone()).await {
        Ok(status) if (200..300).contains(&status) => Ok(status.to_string()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(error.code().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_thin_out_and_fill_the_twelve_hours() {
        let waits: Vec<i64> = (1..=20).map(|n| pause(n).num_seconds()).collect();
        assert!(waits.is_sorted());
        assert!(waits.iter().sum::<i64>() > PATIENCE.num_seconds());
    }
}
