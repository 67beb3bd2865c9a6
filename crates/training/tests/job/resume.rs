//! Checkpoints in the store: what a later attempt needs to go on as if nothing had happened.

use job_contract::{FailureCode, JobEvent, JobResult, Outcome};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;

use crate::support::{Portal, chats, remains};

/// A run of a few seconds that uses all that a checkpoint has to carry.
async fn portal() -> Portal {
    let portal = Portal::with_data(&chats()).await;
    portal.spec(|spec| {
        spec["checkpoint_every_seconds"] = 0.into();
        spec["task"]["lora"]["dropout"] = json!(0.1);
        let training = &mut spec["task"]["training"];
        training["epochs"] = 20.into();
        training["schedule"] = "cosine".into();
        training["weight_decay"] = json!(0.01);
        training["accumulate"] = 2.into();
        training["evaluate_every_steps"] = 7.into();
        training["early_stop"] = json!({"patience": 50, "min_gain": 0.0});
        training["keep_best"] = true.into();
    });
    portal
}

fn succeeded(portal: &Portal) -> JobResult {
    match portal.outcome() {
        Outcome::Succeeded(result) => *result,
        other => unreachable!("the job did not succeed: {other:?}"),
    }
}

/// Runs until a step is told of and a checkpoint is stored, then kills.
async fn run_and_kill(portal: &Portal, step: u32) {
    let mut process = portal.command().spawn().unwrap();
    let world = portal.world.clone();
    let stored = move |seen: &u32| *seen >= step && world.lock().unwrap().checkpoint().is_some();
    portal.step.clone().wait_for(stored).await.unwrap();
    process.kill().await.unwrap();
}

#[actix_web::test]
async fn killed_at_any_step_another_attempt_ends_with_the_same_adapter() {
    let undisturbed = portal().await;
    assert_eq!(undisturbed.run().await, 0);
    let expected = succeeded(&undisturbed);
    let steps = undisturbed.world.lock().unwrap().steps();
    assert_eq!(steps.len(), expected.steps as usize);

    let seed = rand::random();
    eprintln!("kills drawn by {seed}");
    let mut draw = StdRng::seed_from_u64(seed);
    let mut portal = portal().await;
    let mut curve: Vec<(u32, f32)> = Vec::new();
    for first in [1, 60] {
        run_and_kill(&portal, draw.random_range(first..first + 50)).await;
        let told = portal.world.lock().unwrap().steps();
        let resumed = portal.next_attempt().unwrap();
        curve.extend(told.iter().filter(|(step, _)| *step <= resumed));
        assert!(told.iter().any(|(step, _)| *step == resumed), "told before");
        curve.retain(|(step, _)| *step <= resumed);
    }
    let resumed = curve.last().map(|(step, _)| *step);
    assert_eq!(portal.run().await, 0);
    let result = succeeded(&portal);
    curve.extend(portal.world.lock().unwrap().steps());
    assert_eq!(curve, steps, "no gap, no double step, the same losses");
    assert_eq!(portal.adapter(), undisturbed.adapter());
    assert_eq!(result.resumed_from_step, resumed);
    assert_eq!(result.steps, expected.steps);
    assert_eq!(result.best_step, expected.best_step);
    assert_eq!(result.held_out_loss_before, expected.held_out_loss_before);
    assert_eq!(result.held_out_loss_after, expected.held_out_loss_after);
    assert_eq!(result.tokens_trained, expected.tokens_trained);
    assert_eq!(
        result.tokens_by_dataset_in_run[0].1,
        expected.tokens_trained
    );
    assert!(
        result.tokens_by_dataset[0].1 < expected.tokens_trained,
        "an attempt counts what it read itself"
    );
    assert!(!remains(&portal.work_dir()));
}

#[actix_web::test]
async fn a_paused_job_leaves_a_checkpoint_and_goes_on_later() {
    let mut portal = portal().await;
    portal.spec(|spec| spec["checkpoint_every_seconds"] = 3600.into());
    portal.faults(|faults| {
        faults.cancel_at_step = Some(5);
        faults.cancel_reason = Some("paused".to_owned());
    });
    assert_eq!(portal.run().await, 3);
    let reason = "paused".to_owned();
    assert_eq!(portal.outcome(), Outcome::Cancelled { reason });
    assert!(!remains(&portal.work_dir()), "nothing stays on the machine");
    let last = portal.world.lock().unwrap().steps().len() as u32;
    let resumed = portal.next_attempt();
    assert_eq!(resumed, Some(last), "the pause loses no step");
    assert_eq!(portal.run().await, 0);
    assert_eq!(succeeded(&portal).resumed_from_step, Some(last));
}

#[actix_web::test]
async fn sigterm_stores_a_checkpoint_before_the_process_ends() {
    let mut portal = portal().await;
    portal.spec(|spec| spec["checkpoint_every_seconds"] = 3600.into());
    let mut process = portal.command().spawn().unwrap();
    let mut step = portal.step.clone();
    step.wait_for(|step| *step >= 3).await.unwrap();
    let pid = nix::unistd::Pid::from_raw(process.id().unwrap().cast_signed());
    // As Slurm does it: to each process, and what its shell and `timeout` send on. Apart, since the kernel makes one of
    // those that wait.
    for _ in 0..3 {
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
    assert_eq!(process.wait().await.unwrap().code(), Some(143));
    let last = portal.world.lock().unwrap().steps().len() as u32;
    assert_eq!(portal.next_attempt(), Some(last));
}

#[actix_web::test]
async fn sigusr1_stores_a_checkpoint_and_the_work_goes_on() {
    let portal = portal().await;
    portal.spec(|spec| spec["checkpoint_every_seconds"] = 3600.into());
    let mut process = portal.command().spawn().unwrap();
    let mut step = portal.step.clone();
    step.wait_for(|step| *step >= 3).await.unwrap();
    let pid = nix::unistd::Pid::from_raw(process.id().unwrap().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGUSR1).unwrap();
    assert_eq!(process.wait().await.unwrap().code(), Some(0));
    let world = portal.world.lock().unwrap();
    let told =
        |event: &&job_contract::NumberedEvent| matches!(event.event, JobEvent::Checkpoint { .. });
    assert_eq!(world.events.iter().filter(told).count(), 1);
}

#[actix_web::test]
async fn a_checkpoint_that_the_portal_has_lost_is_stored_again() {
    let portal = portal().await;
    portal.spec(|spec| spec["checkpoint_every_seconds"] = 3600.into());
    portal.faults(|faults| faults.lost_checkpoints = 1);
    let mut process = portal.command().spawn().unwrap();
    let mut step = portal.step.clone();
    step.wait_for(|step| *step >= 3).await.unwrap();
    let pid = nix::unistd::Pid::from_raw(process.id().unwrap().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGUSR1).unwrap();
    assert_eq!(process.wait().await.unwrap().code(), Some(0));
    let world = portal.world.lock().unwrap();
    assert!(world.checkpoint().is_some());
    let steps = world.steps();
    assert_eq!(
        steps.len() as u32,
        steps.last().unwrap().0,
        "no step is lost with it"
    );
}

#[actix_web::test]
async fn a_store_that_is_away_does_not_hold_up_training() {
    let portal = portal().await;
    // Long enough to try again in.
    portal.spec(|spec| spec["task"]["training"]["epochs"] = 400.into());
    portal.faults(|faults| faults.upload_outage = 1);
    assert_eq!(portal.run().await, 0);
    assert!(portal.world.lock().unwrap().checkpoint().is_some());
}

#[actix_web::test]
async fn a_checkpoint_of_another_run_is_taken_with_a_word() {
    let mut portal = portal().await;
    run_and_kill(&portal, 10).await;
    let resumed = portal.next_attempt();
    portal.spec(|spec| spec["seed"] = 12.into());
    assert_eq!(portal.run().await, 0);
    assert_eq!(succeeded(&portal).resumed_from_step, resumed);
    let world = portal.world.lock().unwrap();
    let says = |event: &job_contract::NumberedEvent| match &event.event {
        JobEvent::Note { message } => message.contains("no longer equal to the last bit"),
        _ => false,
    };
    assert!(world.events.iter().any(says));
}

#[actix_web::test]
async fn a_checkpoint_that_is_not_what_was_stored_is_told_of() {
    let mut portal = portal().await;
    run_and_kill(&portal, 10).await;
    let resumed = portal.next_attempt();
    portal.spec(|spec| spec["resume"]["files"][0]["sha256"] = "0".repeat(64).into());
    assert_eq!(portal.run().await, 1);
    let Outcome::Failed { code, message } = portal.outcome() else {
        unreachable!("it cannot go on from that: {:?}", portal.outcome());
    };
    assert_eq!(code, FailureCode::CheckpointDamaged, "{message}");
    let world = portal.world.lock().unwrap();
    let part = &world.spec["resume"]["files"][0]["file"];
    let told = world.events.iter().find_map(|event| match &event.event {
        JobEvent::CheckpointUnreadable { step, file, .. } => Some((*step, json!(file))),
        _ => None,
    });
    assert_eq!(told, resumed.map(|step| (step, part.clone())));
}
