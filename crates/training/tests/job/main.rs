//! The program against a portal over HTTP: what it leaves behind, and how it ends.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "the portal of these tests has the machine's clock"
)]

mod evaluate;
mod limits;
mod offline;
#[path = "../pytorch/mod.rs"]
mod pytorch;
mod resume;
mod support;
mod torchrun;

use job_contract::{FailureCode, JobEvent, JobResult, Outcome};
use language_model::{LoraAdapter, ModelFile};
use support::{Portal, chats, remains};

/// Epochs that take a few seconds, so that a signal always meets a process that is at work.
const LONG: u32 = 20;

fn succeeded(portal: &Portal) -> JobResult {
    match portal.outcome() {
        Outcome::Succeeded(result) => *result,
        other => unreachable!("the job did not succeed: {other:?}"),
    }
}

fn failed(portal: &Portal) -> (FailureCode, String) {
    match portal.outcome() {
        Outcome::Failed { code, message } => (code, message),
        other => unreachable!("the job did not fail: {other:?}"),
    }
}

#[actix_web::test]
async fn a_job_gives_an_adapter_that_has_learnt() {
    let portal = Portal::with_data(&chats()).await;
    assert_eq!(portal.run().await, 0);
    let result = succeeded(&portal);
    let (before, after) = (
        result.held_out_loss_before.unwrap(),
        result.held_out_loss_after.unwrap(),
    );
    assert!(
        after < before - 0.5,
        "held-out loss went from {before} to {after}"
    );
    assert_eq!(
        result.steps, 27,
        "36 documents in batches of 4, three times"
    );
    assert_eq!(result.tokens_by_dataset.len(), 1);
    assert_eq!(result.tokens_by_dataset[0].1, result.tokens_trained);
    assert_eq!(result.files_read.len(), 2);
    assert!(!remains(&portal.work_dir()), "the data is not left behind");

    let world = portal.world.lock().unwrap();
    let model = ModelFile::open(&portal.folder.path().join("tiny.gguf")).unwrap();
    let config = &world.artifacts["adapter_config.json"];
    let adapter = LoraAdapter::from_peft(
        &model.config,
        config,
        &world.artifacts["adapter_model.safetensors"],
    )
    .unwrap();
    assert_eq!(adapter.rank(), 4);
    assert!(
        adapter
            .parameters()
            .iter()
            .any(|parameter| *parameter != 0.0)
    );
    assert_eq!(
        world.data_grants, 3,
        "one at staging and one at the start of each further epoch"
    );

    let steps: Vec<u32> = world
        .events
        .iter()
        .filter_map(|event| match event.event {
            JobEvent::Step {
                step, seconds_left, ..
            } => {
                assert!(seconds_left.is_some());
                Some(step)
            }
            _ => None,
        })
        .collect();
    assert_eq!(steps, (1..=27).collect::<Vec<u32>>());
    let ready = world.events.iter().find_map(|event| match event.event {
        JobEvent::DataReady {
            documents,
            held_out_documents,
            tokens,
            target_tokens,
            total_steps,
        } => Some((
            documents,
            held_out_documents,
            target_tokens < tokens,
            total_steps,
        )),
        _ => None,
    });
    assert_eq!(ready, Some((40, 4, true, 27)));
}

#[actix_web::test]
async fn outages_of_portal_and_store_are_sat_out() {
    let portal = Portal::with_data(&chats()).await;
    portal.faults(|faults| {
        faults.outage = 3;
        faults.upload_outage = 2;
        faults.cut_downloads = 1;
        faults.expired = 1;
    });
    assert_eq!(portal.run().await, 0);
    succeeded(&portal);
}

#[actix_web::test]
async fn killed_twice_it_goes_on_and_ends_with_the_same_adapter() {
    let data = chats();
    let undisturbed = Portal::with_data(&data).await;
    undisturbed.spec(|spec| spec["task"]["training"]["epochs"] = LONG.into());
    assert_eq!(undisturbed.run().await, 0);
    let expected = succeeded(&undisturbed);

    let portal = Portal::with_data(&data).await;
    portal.spec(|spec| spec["task"]["training"]["epochs"] = LONG.into());
    let mut steps = portal.step.clone();
    for stop_after in [7, 60] {
        let mut process = portal.command().spawn().unwrap();
        steps.wait_for(|step| *step >= stop_after).await.unwrap();
        process.kill().await.unwrap();
    }
    assert_eq!(portal.run().await, 0);
    let result = succeeded(&portal);
    assert_eq!(result.steps, expected.steps);
    assert_eq!(result.tokens_trained, expected.tokens_trained);
    assert_eq!(result.held_out_loss_before, expected.held_out_loss_before);
    assert_eq!(
        portal.adapter(),
        undisturbed.adapter(),
        "the same seed gives the same adapter"
    );
    let world = portal.world.lock().unwrap();
    let went_on = world.events.iter().any(|event| match &event.event {
        JobEvent::Note { message } => message.contains("going on after step"),
        _ => false,
    });
    assert!(went_on, "the checkpoint was taken up");
    assert_eq!(
        world.downloads.len(),
        2,
        "what is on the disk with the right hash is not fetched again"
    );
}

#[actix_web::test]
async fn a_cancelled_job_stops_and_says_so() {
    let portal = Portal::with_data(&chats()).await;
    portal.spec(|spec| spec["task"]["training"]["epochs"] = 1000.into());
    portal.faults(|faults| faults.cancel_at_step = Some(3));
    assert_eq!(portal.run().await, 3);
    let reason = "cancelled_by_requester".to_owned();
    assert_eq!(portal.outcome(), Outcome::Cancelled { reason });
    assert!(!remains(&portal.work_dir()));
    assert!(portal.world.lock().unwrap().artifacts.is_empty());
}

#[actix_web::test]
async fn a_withdrawn_permission_stops_before_the_data_is_read_again() {
    let portal = Portal::with_data(&chats()).await;
    portal.faults(|faults| faults.data_grants = Some(1));
    assert_eq!(portal.run().await, 1);
    let (code, message) = failed(&portal);
    assert_eq!(code, FailureCode::Refused);
    assert!(
        message.contains("permission_withdrawn") && message.contains("P3"),
        "{message}"
    );
    assert_eq!(*portal.step.borrow(), 9, "one epoch was allowed");
    assert!(!remains(&portal.work_dir()));
}

#[actix_web::test]
async fn an_attempt_that_has_ended_is_left_alone() {
    let portal = Portal::with_data(&chats()).await;
    portal.faults(|faults| faults.is_ended = true);
    assert_eq!(portal.run().await, 3);
    assert!(portal.world.lock().unwrap().outcomes.is_empty());
    assert!(!remains(&portal.work_dir()));
}

#[actix_web::test]
async fn sigterm_keeps_a_checkpoint_for_the_same_attempt() {
    let portal = Portal::with_data(&chats()).await;
    let mut process = portal.command().spawn().unwrap();
    portal
        .step
        .clone()
        .wait_for(|step| *step >= 2)
        .await
        .unwrap();
    let pid = nix::unistd::Pid::from_raw(process.id().unwrap().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(process.wait().await.unwrap().code(), Some(143));
    assert!(portal.work_dir().join("checkpoint.safetensors").exists());
    assert!(portal.world.lock().unwrap().outcomes.is_empty());
    assert_eq!(portal.run().await, 0);
    succeeded(&portal);
}

#[actix_web::test]
async fn bad_data_is_named_by_file_line_and_field() {
    let mut data = chats();
    data.extend(b"{\"messages\": [\n");
    data.extend(b"{\"messages\": [{\"role\":\"robot\",\"content\":\"x\"}]}\n");
    let portal = Portal::with_data(&data).await;
    let output = portal.command().output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let (code, message) = failed(&portal);
    assert_eq!(code, FailureCode::BadData);
    assert!(message.starts_with("vragen.jsonl, line 41: "), "{message}");
    assert!(
        message.ends_with("(and one more line that cannot be used)"),
        "{message}"
    );
    {
        let world = portal.world.lock().unwrap();
        let told: Vec<(u64, Option<&str>)> = world
            .events
            .iter()
            .filter_map(|event| match &event.event {
                JobEvent::DataProblem { line, field, .. } => Some((*line, field.as_deref())),
                _ => None,
            })
            .collect();
        assert_eq!(told, [(41, None), (42, Some("messages[0].role"))]);
        // Whoever asked for the job need not be allowed to read its data.
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(log.contains("vragen.jsonl, line 41: "), "{log}");
        let events = format!("{:?}", world.events);
        for said in [&*log, events.as_str()] {
            assert!(!said.contains("robot"), "{said}");
        }
    }

    for (data, problem) in [
        ("\n", "vragen.jsonl: the file holds no examples"),
        (
            "{\"text\":\"een\"}\n",
            "vragen.jsonl, line 1: this is the only example",
        ),
        (
            "{\"messages\": [{\"role\":\"robot\",\"content\":\"x\"}]}\n",
            "vragen.jsonl, line 1: messages[0].role: the role is not known",
        ),
    ] {
        let portal = Portal::with_data(data.as_bytes()).await;
        assert_eq!(portal.run().await, 1);
        let (code, message) = failed(&portal);
        assert_eq!(code, FailureCode::BadData);
        assert!(message.starts_with(problem), "{message}");
    }
}

#[actix_web::test]
async fn a_file_that_is_not_what_the_spec_says_is_not_used() {
    let portal = Portal::with_data(&chats()).await;
    portal.spec(|spec| spec["inputs"][0]["sha256"] = "0".repeat(64).into());
    assert_eq!(portal.run().await, 1);
    assert_eq!(failed(&portal).0, FailureCode::HashMismatch);
}

#[actix_web::test]
async fn an_altered_base_model_is_named_as_that() {
    let portal = Portal::with_data(&chats()).await;
    portal.spec(|spec| spec["base_model"]["files"][0]["sha256"] = "0".repeat(64).into());
    assert_eq!(portal.run().await, 1);
    let (code, message) = failed(&portal);
    assert_eq!(code, FailureCode::BaseAltered);
    assert!(message.contains("tiny.gguf"), "{message}");
}

#[actix_web::test]
async fn settings_that_make_no_sense_are_refused_before_work() {
    let portal = Portal::with_data(&chats()).await;
    portal.spec(|spec| spec["task"]["lora"]["target_modules"] = serde_json::json!(["x_proj"]));
    assert_eq!(portal.run().await, 1);
    let (code, message) = failed(&portal);
    assert_eq!(code, FailureCode::BadSettings);
    assert!(message.contains("x_proj"), "{message}");
}

#[actix_web::test]
async fn another_contract_version_is_not_worked_on() {
    let portal = Portal::with_data(&chats()).await;
    portal.spec(|spec| {
        spec["contract_version"] = 1.into();
        spec["something_new"] = true.into();
    });
    assert_eq!(portal.run().await, 2);
    assert!(portal.world.lock().unwrap().outcomes.is_empty());
}

#[actix_web::test]
async fn a_wrong_token_ends_the_program_at_once() {
    let portal = Portal::with_data(&chats()).await;
    std::fs::create_dir_all(portal.work_dir().join("inputs")).unwrap();
    let status = portal
        .command()
        .env("FACULTY_ATTEMPT_TOKEN", "wrong")
        .status()
        .await
        .unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(
        !remains(&portal.work_dir()),
        "data of an earlier life of the attempt goes as well"
    );
    assert!(portal.world.lock().unwrap().outcomes.is_empty());
}

#[actix_web::test]
async fn a_portal_that_stays_away_is_given_up() {
    let portal = Portal::with_data(&chats()).await;
    portal.faults(|faults| faults.outage = usize::MAX);
    let mut command = portal.command();
    command.env("FACULTY_TRAINING_PATIENCE_SECONDS", "1");
    assert_eq!(command.status().await.unwrap().code(), Some(4));
}
