//! The SQL of the quota ledger.
//!
//! Locks are taken in one order everywhere: replicas, leases, counters, days of use; rows of one kind by their keys.

mod dead;
mod load;
mod look;
mod save;
mod save_use;
mod tree;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Europe::Amsterdam;
use quota::{Counter, LeaseKey, Measure, NodeId, ReplicaId, Window};
use uuid::Uuid;

pub(super) use self::{
    dead::{
        clock, forget_minutes, forget_replicas, join, leases_of, left, lock_dead, long_orphaned,
        make_parts, note_uses, retire,
    },
    load::{
        Part, load_events, load_leases, load_limits, load_members, load_others, lock_counters,
        lock_replica, make_counters,
    },
    look::{limits, set_limit, standing, standings_of, used},
    save::{save, tell_recalls},
    tree::{
        Place, count_projects, lock_institution, make_project, move_key, node, places, projects_of,
        shares_besides,
    },
};
use crate::db::CorruptRow;

/// Keys of leases, by column.
#[derive(Default)]
struct LeaseColumns {
    replicas: Vec<Uuid>,
    leaves: Vec<Uuid>,
    measures: Vec<String>,
    since: Vec<DateTime<Utc>>,
}

impl LeaseColumns {
    fn push(&mut self, key: &LeaseKey) {
        self.replicas.push(Uuid::from_u128(key.replica.0));
        self.leaves.push(Uuid::from_u128(key.leaf.0));
        self.measures.push(key.measure.name().to_owned());
        self.since.push(key.since);
    }
}

impl<'a> FromIterator<&'a LeaseKey> for LeaseColumns {
    fn from_iter<I: IntoIterator<Item = &'a LeaseKey>>(keys: I) -> Self {
        let mut columns = Self::default();
        keys.into_iter().for_each(|key| columns.push(key));
        columns
    }
}

/// Keys of counters, by column.
#[derive(Default)]
struct CounterColumns {
    nodes: Vec<Uuid>,
    measures: Vec<String>,
    periods: Vec<String>,
    starts: Vec<DateTime<Utc>>,
}

impl CounterColumns {
    fn push(&mut self, counter: &Counter) {
        self.nodes.push(Uuid::from_u128(counter.node.0));
        self.measures.push(counter.measure.name().to_owned());
        self.periods.push(counter.window.name().to_owned());
        self.starts.push(counter.starts_at);
    }
}

impl<'a> FromIterator<&'a Counter> for CounterColumns {
    fn from_iter<I: IntoIterator<Item = &'a Counter>>(counters: I) -> Self {
        let mut columns = Self::default();
        counters
            .into_iter()
            .for_each(|counter| columns.push(counter));
        columns
    }
}

fn measure_of(id: Uuid, name: &str) -> Result<Measure, CorruptRow> {
    Measure::parse(name).ok_or(CorruptRow {
        table: "quota_leases",
        id,
        problem: "unknown measure",
    })
}

fn window_of(id: Uuid, name: &str) -> Result<Window, CorruptRow> {
    Window::parse(name).ok_or(CorruptRow {
        table: "quota_counters",
        id,
        problem: "unknown period",
    })
}

fn lease_key(
    (replica, leaf): (Uuid, Uuid),
    measure: &str,
    since: DateTime<Utc>,
) -> Result<LeaseKey, CorruptRow> {
    Ok(LeaseKey {
        replica: ReplicaId(replica.as_u128()),
        leaf: NodeId(leaf.as_u128()),
        measure: measure_of(leaf, measure)?,
        since,
    })
}

/// The day in the Netherlands.
#[must_use]
pub fn day_of(at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&Amsterdam).date_naive()
}
