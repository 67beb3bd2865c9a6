//! Hearing of changes in the database: keys, models, limits, and blocks that others need.

use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::time::{MissedTickBehavior, interval, sleep};
use uuid::Uuid;

use super::Gateway;
use crate::db::{Db, StoreError};

/// Should a notice be lost, what is in use is read again this often.
const LOOK: Duration = Duration::from_millis(500);
const AGAIN: Duration = Duration::from_millis(200);

/// What the database tells of.
#[derive(Debug, PartialEq, Eq)]
enum News<'a> {
    /// One key was changed.
    Key(&'a str),
    /// Any key may have changed.
    Keys,
    Models,
    Limits,
    /// A replica is to give back what it holds idle for a key.
    Recall(Uuid, Uuid),
}

impl<'a> News<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut words = text.split(' ');
        Some(match words.next()? {
            "key" => Self::Key(words.next()?),
            "keys" => Self::Keys,
            // Read together.
            "models" | "safeguards" => Self::Models,
            "limits" => Self::Limits,
            "recall" => Self::Recall(words.next()?.parse().ok()?, words.next()?.parse().ok()?),
            _ => return None,
        })
    }
}

/// Follows what the database tells, for ever; looks by itself besides.
pub(super) async fn follow(gateway: &Gateway, db: &Db) {
    let look = async {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let looked = async {
                gateway.keys.look_again(db, false).await?;
                gateway.catalogue.read(db).await
            };
            if let Err(error) = looked.await {
                tracing::warn!(%error, "keys and models cannot be read");
            }
        }
    };
    let listen = async {
        loop {
            match db.listen("gateway").await {
                Ok(mut listener) => {
                    // Whatever was told meanwhile was missed.
                    everything(gateway, db).await;
                    hear(gateway, db, &mut listener).await;
                }
                Err(error) => tracing::warn!(%error, "the database's notices cannot be heard"),
            }
            sleep(AGAIN).await;
        }
    };
    tokio::join!(look, listen);
}

async fn everything(gateway: &Gateway, db: &Db) {
    gateway.ledger.recall_all();
    let read = async {
        gateway.keys.look_again(db, true).await?;
        gateway.catalogue.read(db).await
    };
    if let Err(error) = read.await {
        tracing::warn!(%error, "keys and models cannot be read");
    }
}

/// Until the connection is lost.
async fn hear(gateway: &Gateway, db: &Db, listener: &mut PgListener) {
    while let Ok(Some(notice)) = listener.try_recv().await {
        if let Some(news) = News::parse(notice.payload())
            && let Err(error) = take(gateway, db, news).await
        {
            tracing::warn!(%error, "what the database told of cannot be read");
        }
    }
}

async fn take(gateway: &Gateway, db: &Db, news: News<'_>) -> Result<(), StoreError> {
    match news {
        News::Key(public_id) => gateway.keys.look_at(db, public_id).await,
        News::Keys => gateway.keys.look_again(db, true).await,
        News::Models => gateway.catalogue.read(db).await,
        News::Limits => {
            gateway.ledger.recall_all();
            Ok(())
        }
        News::Recall(replica, leaf) => {
            gateway.ledger.recall(replica, leaf);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_read() {
        assert_eq!(News::parse("key abcd1234"), Some(News::Key("abcd1234")));
        let nil = Uuid::nil();
        assert_eq!(
            News::parse(&format!("recall {nil} {nil}")),
            Some(News::Recall(nil, nil))
        );
        assert_eq!(News::parse("recall x"), None);
        assert_eq!(News::parse("else"), None);
    }
}
