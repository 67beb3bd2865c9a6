//! Whether closed months still follow from the raw events.

use std::{collections::BTreeMap, fmt};

use super::{
    journal::{Account, Journal, Source},
    month::Month,
    statement::{self, body_sha256},
    store,
};
use crate::db::{Db, StoreError};

/// A place where the ledger and the raw events part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// In which month.
    pub month: Month,
    /// Where, and what stands there instead of what.
    pub place: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.month, self.place)
    }
}

/// Computes every closed month anew and compares journal, hashes and statements; answers how many months were
/// checked and every difference.
///
/// # Errors
/// Where the database is away or a row makes no sense.
pub async fn verify(db: &Db) -> Result<(usize, Vec<Difference>), StoreError> {
    let mut conn = db.read().await?;
    let months = store::closed(&mut conn).await?;
    let mut found = Vec::new();
    for closed in &months {
        let month = closed.month;
        let mut tell = |place: String| found.push(Difference { month, place });
        let facts = store::facts(&mut conn, month, month.end()).await?;
        let journal = Journal::of(&facts);
        let kept = store::kept_journal(&mut conn, month).await?;
        compare(&journal, &kept, &mut tell);
        if kept.sha256() != closed.journal_sha256 {
            tell("the hash of the journal is not that of its entries".to_owned());
        }
        if journal.totals() != (closed.tokens_read, closed.tokens_served) {
            tell("the totals of the month are not those of the raw events".to_owned());
        }
        let owned = store::owned(&mut conn, &journal).await?;
        let mut kept = store::kept_statements(&mut conn, month).await?;
        for (institution, statement) in statement::statements(month, &journal, &owned) {
            let body = statement
                .canonical()
                .map_err(|e| sqlx::Error::Encode(e.into()))?;
            match kept.remove(&institution) {
                None => tell(format!(
                    "the statement of institution {institution} is missing"
                )),
                Some(kept) if kept.body != body => tell(format!(
                    "the statement of institution {institution} does not follow from the raw events"
                )),
                Some(kept) if kept.body_sha256 != body_sha256(&body) => tell(format!(
                    "the hash of the statement of institution {institution} is not that of its text"
                )),
                Some(_) => {}
            }
        }
        for institution in kept.keys() {
            tell(format!(
                "nothing was used of institution {institution}, yet it has a statement"
            ));
        }
    }
    Ok((months.len(), found))
}

fn compare(computed: &Journal, kept: &Journal, tell: &mut impl FnMut(String)) {
    let nothing = BTreeMap::new();
    let sources: std::collections::BTreeSet<_> = computed.0.keys().chain(kept.0.keys()).collect();
    for source in sources {
        let right = computed.0.get(source).unwrap_or(&nothing);
        let wrong = kept.0.get(source).unwrap_or(&nothing);
        let accounts: std::collections::BTreeSet<_> = right.keys().chain(wrong.keys()).collect();
        for account in accounts {
            let (computed, kept) = (right.get(account), wrong.get(account));
            if computed != kept {
                tell(place(*source, *account, computed, kept));
            }
        }
    }
}

fn place(source: Source, account: Account, computed: Option<&i64>, kept: Option<&i64>) -> String {
    let about = match source {
        Source::Read { attempt, version } => {
            format!("attempt {attempt} reading version {version}")
        }
        Source::Served { model } => format!("model {model}"),
    };
    let (word, id) = account.parts();
    let count = |tokens: Option<&i64>| tokens.map_or("nothing".to_owned(), ToString::to_string);
    format!(
        "{about}, account {word} {id}: the ledger says {}, the raw events say {}",
        count(kept),
        count(computed)
    )
}
