//! Which model stands in which serving process. Pure: everything that counts goes in, changes come out.
//!
//! - A base stands in as many processes as it, or the most wanted of its adapters, has replicas; an adapter only where
//!   its base stands.
//! - What stands well stays. A model is placed anew only where it lacks replicas: its process drains, leaves, is gone,
//!   could not load it, or lost its base.
//! - A new place goes to the process with the fewest models, then the least load, of those that take the base and have
//!   room.
//! - A place that is not wanted any more takes nothing new from then on, and is dropped once nothing runs there. In a
//!   process that drains, the last ready place waits with that until the place that follows it is ready.

mod stand;
#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

pub(super) use self::stand::{
    Arrangement, Change, Over, Place, PlaceState, Process, Stand, Standing, Wanted, Why,
};
use crate::ids::{DeploymentId, ServingProcessId};

/// What has to change, so that everything stands as it should.
pub(super) fn arrange(stand: &Stand) -> Arrangement {
    let mut plan = Plan::new(stand);
    let is_base = |wanted: &&Wanted| wanted.over == Over::Nothing;
    // Who was there first gets its place first: ids are in the order of time.
    let mut in_order: Vec<_> = stand.wanted.iter().collect();
    in_order.sort_by_key(|wanted| (!is_base(wanted), wanted.id));
    for wanted in &in_order {
        plan.place(wanted);
    }
    // Adapters before their bases: what has gone needs no base.
    for wanted in in_order.iter().rev() {
        plan.let_go(wanted);
    }
    for place in &stand.places {
        if !stand.wanted.iter().any(|one| one.id == place.deployment) {
            plan.drop(place);
        }
    }
    plan.done.changes.sort_unstable();
    plan.done
}

struct Plan<'a> {
    stand: &'a Stand,
    processes: BTreeMap<ServingProcessId, &'a Process>,
    places: BTreeMap<DeploymentId, Vec<&'a Place>>,
    /// Where each model is to stand.
    kept: BTreeMap<DeploymentId, BTreeSet<ServingProcessId>>,
    /// How many models, and how many adapters of them, are to stand in each process.
    models: BTreeMap<ServingProcessId, (usize, usize)>,
    /// Memory for what was placed there and is not loaded.
    promised: BTreeMap<ServingProcessId, u64>,
    dropped: BTreeSet<(DeploymentId, ServingProcessId)>,
    done: Arrangement,
}

impl<'a> Plan<'a> {
    fn new(stand: &'a Stand) -> Self {
        let mut places: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let bytes: BTreeMap<_, _> = stand.wanted.iter().map(|one| (one.id, one.bytes)).collect();
        let adapters: BTreeSet<_> = stand
            .wanted
            .iter()
            .filter(|one| one.over != Over::Nothing)
            .map(|one| one.id)
            .collect();
        let mut models: BTreeMap<_, (usize, usize)> = BTreeMap::new();
        let mut promised: BTreeMap<_, u64> = BTreeMap::new();
        for place in &stand.places {
            places.entry(place.deployment).or_default().push(place);
            let count = models.entry(place.process).or_default();
            count.0 += 1;
            count.1 += usize::from(adapters.contains(&place.deployment));
            if place.state == PlaceState::Loading {
                *promised.entry(place.process).or_default() +=
                    bytes.get(&place.deployment).copied().unwrap_or_default();
            }
        }
        Self {
            stand,
            processes: stand.processes.iter().map(|one| (one.id, one)).collect(),
            places,
            kept: BTreeMap::new(),
            models,
            promised,
            dropped: BTreeSet::new(),
            done: Arrangement::default(),
        }
    }

    /// In how many processes it should stand: a base also for its adapters.
    fn need(&self, wanted: &Wanted) -> usize {
        if wanted.is_draining {
            return 0;
        }
        let of_adapters = self
            .stand
            .wanted
            .iter()
            .filter(|one| one.over == Over::Base(Some(wanted.id)) && !one.is_draining)
            .map(|one| one.replicas);
        of_adapters.fold(wanted.replicas, usize::max)
    }

    fn is_open(&self, process: ServingProcessId) -> bool {
        let process = self.processes.get(&process);
        process.is_some_and(|one| !one.is_draining && !one.is_leaving)
    }

    fn has_base(&self, over: Over, process: ServingProcessId) -> bool {
        match over {
            Over::Nothing => true,
            Over::Base(base) => base
                .and_then(|base| self.kept.get(&base))
                .is_some_and(|kept| kept.contains(&process)),
        }
    }

    fn places_of(&self, deployment: DeploymentId) -> Vec<&'a Place> {
        self.places.get(&deployment).cloned().unwrap_or_default()
    }

    /// Chooses where it is to stand.
    fn place(&mut self, wanted: &Wanted) {
        let need = self.need(wanted);
        let mut good: Vec<_> = self
            .places_of(wanted.id)
            .into_iter()
            .filter(|place| place.state != PlaceState::Failed)
            .filter(|place| self.is_open(place.process))
            .filter(|place| self.has_base(wanted.over, place.process))
            .collect();
        // Of too many, the emptiest go: of bases, so that the fewest adapters have to move.
        let models = |process| self.models.get(&process).copied().unwrap_or_default();
        let fullness = |process| match wanted.over {
            Over::Nothing => (Reverse(models(process).1), 0),
            Over::Base(_) => (Reverse(0), models(process).0),
        };
        good.sort_by_key(|place| {
            let is_ready = place.state == PlaceState::Ready;
            let order = (place.is_left, !is_ready);
            (order, fullness(place.process), place.process)
        });
        good.truncate(need);
        for place in &good {
            if place.is_left {
                let back = Change::Return(place.deployment, place.process);
                self.done.changes.push(back);
            }
        }
        let mut kept: BTreeSet<_> = good.iter().map(|place| place.process).collect();
        while kept.len() < need {
            let Some(process) = self.choose(wanted, &kept) else {
                break;
            };
            kept.insert(process);
            let count = self.models.entry(process).or_default();
            count.0 += 1;
            count.1 += usize::from(wanted.over != Over::Nothing);
            *self.promised.entry(process).or_default() += wanted.bytes;
            self.done.changes.push(Change::Add(wanted.id, process));
        }
        let standing = Standing {
            wanted: need,
            placed: kept.len(),
            why: (kept.len() < need).then(|| self.why(wanted)),
        };
        self.done.standing.insert(wanted.id, standing);
        self.kept.insert(wanted.id, kept);
    }

    /// Processes that may get it as far as the base is concerned.
    fn takers(&self, wanted: &Wanted) -> impl Iterator<Item = &'a Process> {
        let takes = move |process: &Process| {
            process.takes.is_empty() || process.takes.contains(&wanted.base_name)
        };
        self.stand
            .processes
            .iter()
            .filter(|process| self.is_open(process.id) && takes(process))
            .filter(|process| self.has_base(wanted.over, process.id))
            .collect::<Vec<_>>()
            .into_iter()
    }

    fn choose(
        &self,
        wanted: &Wanted,
        kept: &BTreeSet<ServingProcessId>,
    ) -> Option<ServingProcessId> {
        let has_it = |process: ServingProcessId| {
            let places = self.places_of(wanted.id);
            // Where it failed it is tried again there, by the process itself.
            kept.contains(&process) || places.iter().any(|place| place.process == process)
        };
        self.takers(wanted)
            .filter(|process| !has_it(process.id) && self.has_room(wanted, process))
            .min_by_key(|process| {
                let models = self.models.get(&process.id).copied().unwrap_or_default();
                (models.0, process.load, process.id)
            })
            .map(|process| process.id)
    }

    fn has_room(&self, wanted: &Wanted, process: &Process) -> bool {
        let adapters = self.models.get(&process.id).copied().unwrap_or_default().1;
        let promised = self.promised.get(&process.id).copied().unwrap_or_default();
        let fits = process
            .room_bytes
            .is_none_or(|room| promised.saturating_add(wanted.bytes) <= room);
        fits && (wanted.over == Over::Nothing || adapters < process.most_adapters)
    }

    fn why(&self, wanted: &Wanted) -> Why {
        let has_failed = |process: &Process| {
            let mut places = self.places_of(wanted.id).into_iter();
            places.any(|one| one.process == process.id && one.state == PlaceState::Failed)
        };
        let stands = |process: &Process| {
            let mut places = self.places_of(wanted.id).into_iter();
            let added = Change::Add(wanted.id, process.id);
            places.any(|one| one.process == process.id) || self.done.changes.contains(&added)
        };
        if let Over::Base(base) = wanted.over {
            let standing = base.and_then(|base| self.done.standing.get(&base));
            match standing {
                None => return Why::NoBase,
                Some(base) if base.placed == 0 => return base.why.unwrap_or(Why::NoBase),
                Some(_) => {}
            }
        }
        let takers: Vec<_> = self.takers(wanted).collect();
        if !self.stand.processes.iter().any(|one| self.is_open(one.id)) {
            Why::NoProcess
        } else if takers.is_empty() {
            Why::NotTaken
        } else if takers.iter().any(|one| !stands(one)) {
            Why::NoRoom
        } else if takers.iter().any(|one| has_failed(one)) {
            Why::Failed
        } else {
            Why::TooFew
        }
    }

    /// What becomes of its places that are not kept.
    fn let_go(&mut self, wanted: &Wanted) {
        let need = self.need(wanted);
        let kept = self.kept.get(&wanted.id).cloned().unwrap_or_default();
        let places = self.places_of(wanted.id);
        let ready = places
            .iter()
            .filter(|place| place.state == PlaceState::Ready && kept.contains(&place.process))
            .count();
        let is_followed = kept.len() > ready;
        for place in places {
            if kept.contains(&place.process) {
                continue;
            }
            let process = self.processes.get(&place.process);
            let Some(process) = process else {
                self.drop(place);
                continue;
            };
            match place.state {
                PlaceState::Failed => {
                    // Kept in mind until it stands elsewhere, and tried again meanwhile.
                    let waits = self.is_open(place.process)
                        && self.has_base(wanted.over, place.process)
                        && ready < need;
                    if !waits {
                        self.drop_with_care(wanted, place);
                    }
                }
                PlaceState::Loading => self.drop_with_care(wanted, place),
                PlaceState::Ready if place.is_left => {
                    if place.is_quiet {
                        self.drop_with_care(wanted, place);
                    }
                }
                PlaceState::Ready => {
                    let hands_over = ready == 0 && is_followed && !process.is_leaving;
                    if !hands_over {
                        let leave = Change::Leave(place.deployment, place.process);
                        self.done.changes.push(leave);
                    }
                }
            }
        }
    }

    /// Drops a place, unless adapters still stand on it.
    fn drop_with_care(&mut self, wanted: &Wanted, place: &Place) {
        let has_adapters = self.stand.wanted.iter().any(|one| {
            one.over == Over::Base(Some(wanted.id))
                && self.places_of(one.id).iter().any(|other| {
                    other.process == place.process
                        && !self.dropped.contains(&(one.id, other.process))
                })
        });
        if !has_adapters {
            self.drop(place);
        }
    }

    fn drop(&mut self, place: &Place) {
        self.dropped.insert((place.deployment, place.process));
        let change = Change::Drop(place.deployment, place.process);
        self.done.changes.push(change);
    }
}
