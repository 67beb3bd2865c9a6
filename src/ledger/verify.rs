//! Whether closed months still follow from the raw events, are signed, and are those that the audit log tells of.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    formula::Formula,
    journal::{Account, Journal, Source},
    statement::{self, PAYLOAD_TYPE, body_sha256},
    store::{self, Closed, Kept, Logged},
};
use crate::{
    db::{Db, StoreError},
    ids::InstitutionId,
    signing::{self, Envelope, PublishedKeys},
};

/// A place where the ledger does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// In which month, as it is written: `2026-11`.
    pub month: String,
    /// Where, and what stands there instead of what.
    pub place: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.month, self.place)
    }
}

/// Computes every closed month anew, by the version of the formula that it was closed by, and compares journal,
/// hashes, statements and envelopes; checks each signature; and compares all of it with the lines of the audit log,
/// so that a month which was taken away or written anew together with its raw events is found too. Answers how many
/// months were checked and every difference. Whether the audit log itself holds, `audit verify` says.
///
/// # Errors
/// Where the database is away or a row makes no sense.
pub async fn verify(db: &Db) -> Result<(usize, Vec<Difference>), StoreError> {
    let mut conn = db.read().await?;
    let months = store::closed(&mut conn).await?;
    let keys = signing::published(&mut conn).await?;
    let mut found = Vec::new();
    let mut kept_statements = Vec::new();
    for closed in &months {
        let month = closed.month;
        let mut tell = |place: String| {
            found.push(Difference {
                month: month.to_string(),
                place,
            });
        };
        let kept = store::kept_journal(&mut conn, month).await?;
        if kept.sha256() != closed.journal_sha256 {
            tell("the hash of the journal is not that of its entries".to_owned());
        }
        let statements = store::kept_statements(&mut conn, month).await?;
        for (institution, statement) in &statements {
            compare_envelope((*institution, statement), closed, &keys, &mut tell);
        }
        match Formula::numbered(closed.formula) {
            None => tell(format!(
                "it was closed by version {} of the formula, which is not known",
                closed.formula
            )),
            Some(formula) => {
                let facts = store::facts(&mut conn, month, month.end()).await?;
                let journal = Journal::of(&facts, formula);
                compare_journal(&journal, &kept, &mut tell);
                if journal.totals() != (closed.tokens_read, closed.tokens_served) {
                    tell("the totals of the month are not those of the raw events".to_owned());
                }
                let owned = store::owned(&mut conn, &journal).await?;
                let made = statement::statements((month, formula), &journal, &owned);
                compare_statements(made, &statements, &mut tell)?;
            }
        }
        kept_statements.push(statements);
    }
    // Read last: whatever was closed since is in it too.
    let logged = store::logged(&mut conn).await?;
    compare_log(&logged, &months, &kept_statements, &mut found);
    Ok((months.len(), found))
}

/// The statement that a contributor has in hands is the one that was computed, signed by a key that held.
fn compare_envelope(
    (institution, kept): (InstitutionId, &Kept),
    closed: &Closed,
    keys: &PublishedKeys,
    tell: &mut impl FnMut(String),
) {
    if kept.body_sha256 != body_sha256(&kept.body) {
        tell(format!(
            "the hash of the statement of institution {institution} is not that of its text"
        ));
    }
    let signed = Envelope::parse(&kept.envelope).and_then(|envelope| {
        let payload = signing::verify(&envelope, keys, closed.closed_at)?;
        Ok((envelope.payload_type, payload))
    });
    match signed {
        Err(error) => tell(format!(
            "the envelope of the statement of institution {institution} does not hold: {error}"
        )),
        Ok((kind, payload)) if kind != PAYLOAD_TYPE || payload != kept.body.as_bytes() => {
            tell(format!(
                "the envelope of the statement of institution {institution} is about something else"
            ));
        }
        Ok(_) => {}
    }
}

fn compare_statements(
    made: BTreeMap<InstitutionId, statement::Statement>,
    kept: &BTreeMap<InstitutionId, Kept>,
    tell: &mut impl FnMut(String),
) -> Result<(), StoreError> {
    for institution in kept.keys().filter(|one| !made.contains_key(one)) {
        tell(format!(
            "nothing was used of institution {institution}, yet it has a statement"
        ));
    }
    for (institution, statement) in made {
        let body = statement
            .canonical()
            .map_err(|e| sqlx::Error::Encode(e.into()))?;
        match kept.get(&institution) {
            None => tell(format!(
                "the statement of institution {institution} is missing"
            )),
            Some(kept) if kept.body != body => tell(format!(
                "the statement of institution {institution} does not follow from the raw events"
            )),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Every line of the audit log about the ledger has its row, every row its line, and both say the same.
fn compare_log(
    logged: &Logged,
    months: &[Closed],
    statements: &[BTreeMap<InstitutionId, Kept>],
    found: &mut Vec<Difference>,
) {
    let mut tell = |month: &str, place: String| {
        found.push(Difference {
            month: month.to_owned(),
            place,
        });
    };
    for line in logged.months.values().filter(|line| !line.is_kept) {
        let place = "the audit log tells that it was closed, and it is not there".to_owned();
        tell(&line.month, place);
    }
    for line in logged.statements.values().filter(|line| !line.is_kept) {
        let place = format!(
            "the audit log tells of a statement for institution {}, and it is not there",
            line.institution
        );
        tell(&line.month, place);
    }
    for (closed, statements) in months.iter().zip(statements) {
        let month = closed.month.to_string();
        let agrees = logged.months.get(&closed.id).is_some_and(|line| {
            line.month == month
                && line.formula == Some(closed.formula)
                && line.journal_sha256 == closed.journal_sha256
        });
        if !agrees {
            let place = "the audit log does not tell that it was closed like this".to_owned();
            tell(&month, place);
        }
        for (institution, kept) in statements {
            let agrees = logged.statements.get(&kept.id).is_some_and(|line| {
                line.month == month
                    && line.institution == *institution
                    && line.body_sha256 == kept.body_sha256
            });
            if !agrees {
                let place = format!(
                    "the audit log does not tell of this statement for institution {institution}"
                );
                tell(&month, place);
            }
        }
    }
}

fn compare_journal(computed: &Journal, kept: &Journal, tell: &mut impl FnMut(String)) {
    let nothing = BTreeMap::new();
    let sources: BTreeSet<_> = computed.0.keys().chain(kept.0.keys()).collect();
    for source in sources {
        let right = computed.0.get(source).unwrap_or(&nothing);
        let wrong = kept.0.get(source).unwrap_or(&nothing);
        let accounts: BTreeSet<_> = right.keys().chain(wrong.keys()).collect();
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
