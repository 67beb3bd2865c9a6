//! Examples of the rule, and what holds whatever stands where.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn process(number: u128) -> Process {
    Process {
        id: ServingProcessId(Uuid::from_u128(number)),
        takes: Vec::new(),
        most_adapters: 100,
        room_bytes: None,
        load: 0,
        is_draining: false,
        is_leaving: false,
    }
}

fn base(number: u128, replicas: usize) -> Wanted {
    Wanted {
        id: DeploymentId(Uuid::from_u128(number)),
        base_name: format!("base-{number}"),
        over: Over::Nothing,
        replicas,
        is_draining: false,
        bytes: 100,
    }
}

fn adapter(number: u128, base: u128, replicas: usize) -> Wanted {
    Wanted {
        id: DeploymentId(Uuid::from_u128(1000 + number)),
        base_name: format!("base-{base}"),
        over: Over::Base(Some(DeploymentId(Uuid::from_u128(base)))),
        replicas,
        is_draining: false,
        bytes: 1,
    }
}

/// Makes the changes; what is added loads.
fn apply(stand: &mut Stand, changes: &[Change]) {
    for change in changes {
        let is_it = |place: &Place, deployment, process| {
            place.deployment == deployment && place.process == process
        };
        match *change {
            Change::Add(deployment, process) => stand.places.push(Place {
                deployment,
                process,
                state: PlaceState::Loading,
                is_left: false,
                is_quiet: false,
            }),
            Change::Drop(deployment, process) => {
                stand
                    .places
                    .retain(|place| !is_it(place, deployment, process));
            }
            Change::Leave(deployment, process) | Change::Return(deployment, process) => {
                for place in &mut stand.places {
                    if is_it(place, deployment, process) {
                        place.is_left = matches!(change, Change::Leave(..));
                        place.is_quiet = false;
                    }
                }
            }
        }
    }
}

/// What loads becomes ready, what is left falls quiet.
fn pass_time(stand: &mut Stand) {
    for place in &mut stand.places {
        if place.state == PlaceState::Loading {
            place.state = PlaceState::Ready;
        }
        place.is_quiet = place.is_left;
    }
}

/// Until nothing changes any more.
fn settle(stand: &mut Stand) {
    for _ in 0..20 {
        pass_time(stand);
        let changes = arrange(stand).changes;
        if changes.is_empty() {
            return;
        }
        apply(stand, &changes);
    }
    panic!("it does not come to rest: {stand:#?}");
}

fn count(stand: &Stand, deployment: DeploymentId) -> usize {
    let open = |id| {
        let found = stand.processes.iter().find(|one| one.id == id);
        found.is_some_and(|one| !one.is_draining && !one.is_leaving)
    };
    stand
        .places
        .iter()
        .filter(|place| place.deployment == deployment && open(place.process) && !place.is_left)
        .count()
}

#[test]
fn adapters_spread_over_the_processes_that_hold_their_base_and_stay() {
    let mut stand = Stand {
        processes: vec![process(1), process(2)],
        wanted: vec![base(1, 2), adapter(1, 1, 1), adapter(2, 1, 1)],
        places: vec![],
    };
    settle(&mut stand);
    let of = |stand: &Stand, process: u128| {
        let id = ServingProcessId(Uuid::from_u128(process));
        stand.places.iter().filter(|one| one.process == id).count()
    };
    assert_eq!((of(&stand, 1), of(&stand, 2)), (2, 2));
    stand.processes.push(process(3));
    assert!(arrange(&stand).changes.is_empty(), "what stands well stays");
}

#[test]
fn a_model_waits_with_its_reason() {
    let mut stand = Stand {
        wanted: vec![base(1, 1), adapter(1, 1, 1)],
        ..Stand::default()
    };
    let why = |stand: &Stand| {
        let standing = arrange(stand).standing;
        let of = |at: usize| standing[&stand.wanted[at].id].why;
        (of(0), of(1))
    };
    assert_eq!(why(&stand), (Some(Why::NoProcess), Some(Why::NoProcess)));
    stand.processes.push(process(1));
    stand.processes[0].takes = vec!["other".into()];
    assert_eq!(why(&stand), (Some(Why::NotTaken), Some(Why::NotTaken)));
    stand.processes[0].takes = vec!["base-1".into()];
    stand.processes[0].room_bytes = Some(99);
    assert_eq!(why(&stand), (Some(Why::NoRoom), Some(Why::NoRoom)));
    stand.processes[0].room_bytes = Some(100);
    assert_eq!(why(&stand), (None, Some(Why::NoRoom)));
    stand.processes[0].room_bytes = None;
    stand.wanted[0].replicas = 2;
    assert_eq!(why(&stand), (Some(Why::TooFew), None));
    stand.wanted[0].is_draining = true;
    assert_eq!(why(&stand), (None, Some(Why::NoBase)));
}

#[test]
fn a_draining_process_hands_over_before_it_takes_nothing_new() {
    let mut stand = Stand {
        processes: vec![process(1), process(2)],
        wanted: vec![base(1, 1), adapter(1, 1, 1)],
        places: vec![],
    };
    settle(&mut stand);
    let from = stand.places[0].process;
    let one = stand
        .processes
        .iter_mut()
        .find(|one| one.id == from)
        .unwrap();
    one.is_draining = true;
    let changes = arrange(&stand).changes;
    assert!(changes.iter().all(|one| matches!(one, Change::Add(..))));
    assert_eq!(
        changes.len(),
        2,
        "base and adapter go together: {changes:?}"
    );
    apply(&mut stand, &changes);
    assert!(arrange(&stand).changes.is_empty(), "while it loads there");
    pass_time(&mut stand);
    let changes = arrange(&stand).changes;
    assert!(changes.iter().all(|one| matches!(one, Change::Leave(..))));
    settle(&mut stand);
    assert!(stand.places.iter().all(|place| place.process != from));
}

#[test]
fn who_ends_by_itself_and_who_has_nobody_to_follow_it_takes_nothing_new_at_once() {
    let mut stand = Stand {
        processes: vec![process(1)],
        wanted: vec![base(1, 1)],
        places: vec![],
    };
    settle(&mut stand);
    let leave = [Change::Leave(stand.wanted[0].id, stand.processes[0].id)];
    let mut draining = stand.clone();
    draining.processes[0].is_draining = true;
    assert_eq!(arrange(&draining).changes, leave);
    apply(&mut draining, &leave);
    draining.processes[0].is_draining = false;
    let back = arrange(&draining).changes;
    assert!(matches!(back[..], [Change::Return(..)]), "{back:?}");
    stand.processes[0].is_leaving = true;
    stand.processes.push(process(2));
    assert!(arrange(&stand).changes.contains(&leave[0]));
}

#[test]
fn what_fails_is_tried_elsewhere_and_kept_in_mind() {
    let mut stand = Stand {
        processes: vec![process(1), process(2)],
        wanted: vec![base(1, 1)],
        places: vec![],
    };
    let changes = arrange(&stand).changes;
    apply(&mut stand, &changes);
    stand.places[0].state = PlaceState::Failed;
    let changes = arrange(&stand).changes;
    assert!(matches!(changes[..], [Change::Add(..)]), "{changes:?}");
    apply(&mut stand, &changes);
    stand.places[1].state = PlaceState::Failed;
    let arrangement = arrange(&stand);
    assert!(arrangement.changes.is_empty(), "not to and fro");
    let standing = arrangement.standing[&stand.wanted[0].id];
    assert_eq!((standing.placed, standing.why), (0, Some(Why::Failed)));
    // One of them could after all.
    stand.places[0].state = PlaceState::Ready;
    let changes = arrange(&stand).changes;
    assert!(matches!(changes[..], [Change::Drop(..)]), "{changes:?}");
}

fn any_process(number: u128) -> impl Strategy<Value = Process> {
    let room = prop_oneof![Just(None), (0_u64..400).prop_map(Some)];
    let takes = prop_oneof![3 => Just(vec![]), 1 => Just(vec!["base-1".to_owned()])];
    (takes, 0_usize..6, room, 0_u32..9, 0_u8..6).prop_map(
        move |(takes, most_adapters, room_bytes, load, how)| Process {
            takes,
            most_adapters,
            room_bytes,
            load,
            is_draining: how == 0,
            is_leaving: how == 1,
            ..process(number)
        },
    )
}

fn any_stand() -> impl Strategy<Value = Stand> {
    let processes = (0_usize..5).prop_flat_map(|count| {
        let each: Vec<_> = (1..=count as u128).map(any_process).collect();
        each
    });
    let wanted = prop::collection::vec((0_u8..3, 1_usize..4, 0_u8..8), 0..8);
    let states = [PlaceState::Loading, PlaceState::Ready, PlaceState::Failed];
    let places = prop::collection::vec((0_usize..8, 0_u128..6, 0_usize..3, any::<bool>()), 0..16);
    (processes, wanted, places).prop_map(move |(processes, wanted, places)| {
        let mut all = vec![base(1, 1), base(2, 2)];
        for (number, (over, replicas, how)) in (1_u128..).zip(wanted) {
            let mut one = adapter(number, 1 + u128::from(over), replicas);
            if over == 2 {
                one.over = Over::Base(None);
            }
            one.is_draining = how == 0;
            all.push(one);
        }
        let mut stand = Stand {
            processes,
            wanted: all,
            places: vec![],
        };
        let mut seen = BTreeSet::new();
        for (which, process, state, is_left) in places {
            let Some(wanted) = stand.wanted.get(which) else {
                continue;
            };
            let process = ServingProcessId(Uuid::from_u128(process));
            if seen.insert((wanted.id, process)) {
                stand.places.push(Place {
                    deployment: wanted.id,
                    process,
                    state: states[state],
                    is_left,
                    is_quiet: false,
                });
            }
        }
        stand
    })
}

proptest! {
    #[test]
    fn changes_are_made_once(stand in any_stand()) {
        let mut stand = stand;
        for _ in 0..3 {
            let changes = arrange(&stand).changes;
            apply(&mut stand, &changes);
        }
        let again = arrange(&stand).changes;
        prop_assert!(again.is_empty(), "{again:?}\n{stand:#?}");
    }

    #[test]
    fn a_place_is_new_only_where_it_may_be(stand in any_stand()) {
        let changes = arrange(&stand).changes;
        let mut after = stand.clone();
        apply(&mut after, &changes);
        for change in &changes {
            let Change::Add(deployment, process) = change else { continue };
            let wanted = stand.wanted.iter().find(|one| one.id == *deployment).unwrap();
            let process = stand.processes.iter().find(|one| one.id == *process).unwrap();
            prop_assert!(!process.is_draining && !process.is_leaving);
            prop_assert!(process.takes.is_empty() || process.takes.contains(&wanted.base_name));
            if let Over::Base(base) = wanted.over {
                prop_assert!(after.places.iter().any(|one| Some(one.deployment) == base
                    && one.process == process.id && one.state != PlaceState::Failed && !one.is_left));
                let adapters = after.places.iter().filter(|one| one.process == process.id
                    && stand.wanted.iter().any(|w| w.id == one.deployment && w.over != Over::Nothing));
                let before = stand.places.iter().filter(|one| one.process == process.id
                    && stand.wanted.iter().any(|w| w.id == one.deployment && w.over != Over::Nothing));
                prop_assert!(adapters.count() <= process.most_adapters.max(before.count()));
            }
        }
    }

    #[test]
    fn there_are_never_more_than_wanted_and_as_many_as_it_says(stand in any_stand()) {
        let mut after = stand;
        // While models move there may be more for a moment.
        after.places.retain(|place| place.state != PlaceState::Failed);
        settle(&mut after);
        let arrangement = arrange(&after);
        for wanted in &after.wanted {
            let standing = arrangement.standing[&wanted.id];
            prop_assert!(standing.placed <= standing.wanted);
            prop_assert_eq!(standing.why.is_some(), standing.placed < standing.wanted);
            let live = after.places.iter().filter(|one| one.deployment == wanted.id && !one.is_left
                && one.state != PlaceState::Failed);
            let open = live.filter(|one| after.processes.iter().any(|process| process.id == one.process
                && !process.is_draining && !process.is_leaving));
            prop_assert!(open.count() == standing.placed);
        }
    }

    #[test]
    fn what_stands_well_stays_when_others_come(stand in any_stand()) {
        let mut stand = stand;
        stand.places.retain(|place| place.state != PlaceState::Failed);
        settle(&mut stand);
        let newcomer = process(99);
        let (id, before) = (newcomer.id, stand.places.len());
        stand.processes.push(newcomer);
        let changes = arrange(&stand).changes;
        // What had too few places may get one there.
        prop_assert!(changes.iter().all(|change| matches!(change, Change::Add(_, at) if *at == id)), "{changes:?}");
        apply(&mut stand, &changes);
        prop_assert!(stand.places.len() == before + changes.len());
    }

    #[test]
    fn in_the_end_nothing_is_left_where_it_should_not_be(stand in any_stand()) {
        let mut stand = stand;
        stand.places.retain(|place| place.state != PlaceState::Failed);
        settle(&mut stand);
        for place in &stand.places {
            let process = stand.processes.iter().find(|one| one.id == place.process);
            prop_assert!(process.is_some_and(|one| !one.is_draining && !one.is_leaving), "{place:?}");
            let wanted = stand.wanted.iter().find(|one| one.id == place.deployment).unwrap();
            prop_assert!(!wanted.is_draining);
            if let Over::Base(base) = wanted.over {
                prop_assert!(stand.places.iter().any(|one| Some(one.deployment) == base
                    && one.process == place.process));
            }
        }
    }

    #[test]
    fn a_ready_model_is_never_without_a_place_because_a_process_drains(
        replicas in 1_usize..4, adapters in 0_u128..5, which in 0_usize..3,
    ) {
        let mut stand = Stand {
            processes: vec![process(1), process(2), process(3)],
            wanted: vec![base(1, replicas)],
            places: vec![],
        };
        stand.wanted.extend((1..=adapters).map(|number| adapter(number, 1, 1)));
        settle(&mut stand);
        stand.processes[which].is_draining = true;
        for _ in 0..8 {
            let changes = arrange(&stand).changes;
            apply(&mut stand, &changes);
            for wanted in &stand.wanted {
                let routed = stand.places.iter().any(|one| one.deployment == wanted.id
                    && one.state == PlaceState::Ready && !one.is_left);
                prop_assert!(routed, "{wanted:?}");
            }
            pass_time(&mut stand);
        }
        for wanted in &stand.wanted {
            prop_assert_eq!(count(&stand, wanted.id), wanted.replicas.min(2));
        }
    }
}
