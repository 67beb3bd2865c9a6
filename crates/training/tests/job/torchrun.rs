//! Jobs of a portal by two processes of PyTorch: stops, going on, and checkpoints of another trainer.

use job_contract::JobEvent;
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use serde_json::json;

use crate::{
    pytorch, succeeded,
    support::{Portal, chats, remains},
};

/// A job of 27 steps with all that a checkpoint has to carry.
async fn portal() -> Portal {
    let portal = Portal::with_data(&chats()).await;
    portal.spec(|spec| {
        spec["task"]["lora"]["dropout"] = json!(0.1);
        spec["task"]["training"]["weight_decay"] = json!(0.01);
        spec["checkpoint_every_seconds"] = 3600.into();
    });
    by_torchrun(&portal);
    portal
}

fn by_torchrun(portal: &Portal) {
    portal.spec(|spec| {
        spec["recipe"] =
            json!({"recipe": "torchrun", "processes": 2, "nodes": 1, "strategy": "ddp"});
    });
}

/// Whether an event tells something with these words in it.
fn told(portal: &Portal, words: &str) -> bool {
    let world = portal.world.lock().unwrap();
    world.events.iter().any(|event| match &event.event {
        JobEvent::Note { message } => message.contains(words),
        _ => false,
    })
}

async fn run(portal: &Portal) -> i32 {
    let mut command = portal.command();
    command.env("FACULTY_TRAINING_PYTHON", pytorch::python());
    command.status().await.unwrap().code().unwrap()
}

/// Runs until a step is told of, then asks every process to end, as a scheduler does. Answers the last step.
async fn run_and_terminate(portal: &Portal, step: u32) -> u32 {
    let mut command = portal.command();
    command
        .env("FACULTY_TRAINING_PYTHON", pytorch::python())
        .process_group(0);
    let mut process = command.spawn().unwrap();
    let mut seen = portal.step.clone();
    seen.wait_for(|seen| *seen >= step).await.unwrap();
    let pid = process.id().unwrap();
    let workers = descendants(pid.cast_signed());
    assert!(workers.len() > 2, "torchrun and its two: {workers:?}");
    for worker in &workers {
        let _ = kill(Pid::from_raw(*worker), Signal::SIGTERM);
    }
    killpg(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(process.wait().await.unwrap().code(), Some(143));
    // One that has ended and is not yet waited for has no command line.
    let runs =
        |pid: &i32| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|it| !it.is_empty());
    assert!(!workers.iter().any(runs), "all have ended");
    portal.world.lock().unwrap().steps().len() as u32
}

/// What `program` started, and what that started.
fn descendants(program: i32) -> Vec<i32> {
    let mut found = vec![program];
    let mut looked = 0;
    while let Some(pid) = found.get(looked) {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
        for thread in threads.into_iter().flatten() {
            let children = std::fs::read_to_string(thread.unwrap().path().join("children"));
            let children = children.unwrap_or_default();
            found.extend(
                children
                    .split_whitespace()
                    .map(|pid| pid.parse::<i32>().unwrap()),
            );
        }
        looked += 1;
    }
    found.split_off(1)
}

#[actix_web::test]
async fn processes_that_are_told_to_end_keep_a_checkpoint_and_another_attempt_goes_on() {
    let undisturbed = portal().await;
    assert_eq!(run(&undisturbed).await, 0);
    let expected = succeeded(&undisturbed);
    assert!(told(&undisturbed, "PyTorch in 2 processes (DDP)"));
    let steps = undisturbed.world.lock().unwrap().steps();
    assert_eq!(steps.len(), 27);

    let mut portal = portal().await;
    let last = run_and_terminate(&portal, 3).await;
    let mut curve = portal.world.lock().unwrap().steps();
    assert_eq!(portal.next_attempt(), Some(last), "no step is lost");
    assert_eq!(run(&portal).await, 0);
    curve.extend(portal.world.lock().unwrap().steps());
    let numbers = |curve: &[(u32, f32)]| curve.iter().map(|(step, _)| *step).collect::<Vec<_>>();
    assert_eq!(numbers(&curve), numbers(&steps), "no gap, no double step");
    for ((step, loss), (_, expected)) in curve.iter().zip(&steps) {
        assert!(
            (loss - expected).abs() < 1e-3,
            "step {step}: {loss} and {expected}"
        );
    }
    let result = succeeded(&portal);
    assert_eq!(result.resumed_from_step, Some(last));
    assert_eq!(result.tokens_trained, expected.tokens_trained);
    assert_eq!(result.held_out_loss_before, expected.held_out_loss_before);
    assert!(!remains(&portal.work_dir()));
}

#[actix_web::test]
async fn a_checkpoint_of_the_other_trainer_is_left_and_the_work_begins_anew() {
    let mut portal = portal().await;
    let last = run_and_terminate(&portal, 1).await;
    // The next attempt goes to a place without the recipe, the one after that comes back.
    assert_eq!(portal.next_attempt(), Some(last));
    portal.spec(|spec| spec["recipe"] = json!({"recipe": "own"}));
    portal.faults(|faults| {
        faults.cancel_at_step = Some(2);
        faults.cancel_reason = Some("paused".to_owned());
    });
    assert_eq!(portal.run().await, 3);
    assert!(told(&portal, "starting anew"));
    assert_eq!(portal.world.lock().unwrap().steps()[0].0, 1);
    assert!(portal.next_attempt().is_some());
    by_torchrun(&portal);
    assert_eq!(run(&portal).await, 0);
    assert!(told(&portal, "starting anew"));
    let result = succeeded(&portal);
    assert_eq!(result.resumed_from_step, None);
    assert_eq!(portal.world.lock().unwrap().steps().len(), 27);
}

#[actix_web::test]
async fn a_python_that_is_not_there_fails_the_job_in_words() {
    let portal = portal().await;
    let mut command = portal.command();
    command.env("FACULTY_TRAINING_PYTHON", "/nowhere/python");
    assert_eq!(command.status().await.unwrap().code(), Some(1));
    let outcome = format!("{:?}", portal.outcome());
    assert!(outcome.contains("processes of torchrun ended"), "{outcome}");
}
