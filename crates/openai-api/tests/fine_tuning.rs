//! The wire of files, uploads and fine-tuning, word for word.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

use openai_api::{
    Auto, CheckpointMetrics, CompleteUpload, CreateJob, Deleted, File, FineTuningCheckpoint,
    FineTuningEvent, FineTuningJob, Hyperparameters, JobProblem, Method, NewUpload, Page, Settings,
    Upload, UploadPart,
};
use serde_json::{Value, json};

fn wire(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

fn file() -> File {
    File {
        id: "file-1".into(),
        object: "file".into(),
        bytes: 140,
        created_at: 1_795_448_810,
        expires_at: None,
        filename: "t.jsonl".into(),
        purpose: "fine-tune".into(),
        status: "processed".into(),
        status_details: None,
        gptnl: None,
    }
}

fn file_json() -> Value {
    json!({
        "id": "file-1", "object": "file", "bytes": 140, "created_at": 1_795_448_810, "expires_at": null,
        "filename": "t.jsonl", "purpose": "fine-tune", "status": "processed", "status_details": null
    })
}

#[test]
fn files_uploads_and_parts_have_the_fields_of_openai() {
    assert_eq!(wire(&file()), file_json());
    let upload = Upload {
        id: "upload_1".into(),
        object: "upload".into(),
        bytes: 147_483_648,
        created_at: 1,
        expires_at: 3601,
        filename: "t.jsonl".into(),
        purpose: "fine-tune".into(),
        status: "completed".into(),
        file: Some(file()),
    };
    assert_eq!(
        wire(&upload),
        json!({
            "id": "upload_1", "object": "upload", "bytes": 147_483_648, "created_at": 1, "expires_at": 3601,
            "filename": "t.jsonl", "purpose": "fine-tune", "status": "completed", "file": file_json()
        })
    );
    let part = UploadPart {
        id: "part_1".into(),
        object: "upload.part".into(),
        created_at: 1,
        upload_id: "upload_1".into(),
    };
    assert_eq!(
        wire(&part),
        json!({"id": "part_1", "object": "upload.part", "created_at": 1, "upload_id": "upload_1"})
    );
    let deleted = Deleted {
        id: "file-1".into(),
        object: "file".into(),
        deleted: true,
    };
    assert_eq!(
        wire(&deleted),
        json!({"id": "file-1", "object": "file", "deleted": true})
    );
    let page = Page::new(vec![file()], true, |one| one.id.clone());
    assert_eq!(
        wire(&page),
        json!({
            "object": "list", "data": [file_json()], "first_id": "file-1", "last_id": "file-1", "has_more": true
        })
    );
    let none = Page::new(Vec::<File>::new(), false, |one| one.id.clone());
    assert_eq!(
        wire(&none),
        json!({"object": "list", "data": [], "first_id": null, "last_id": null, "has_more": false})
    );
}

#[test]
fn a_job_has_the_fields_of_openai() {
    let hyperparameters = Hyperparameters {
        n_epochs: Auto::Whole(3),
        batch_size: Auto::Auto,
        learning_rate_multiplier: Auto::Number(0.5),
        beta: None,
    };
    let job = FineTuningJob {
        id: "ftjob-1".into(),
        object: "fine_tuning.job".into(),
        created_at: 1,
        finished_at: Some(9),
        model: "gpt-nl-26b".into(),
        fine_tuned_model: None,
        organization_id: "org-1".into(),
        status: "failed".into(),
        training_file: "file-1".into(),
        validation_file: None,
        result_files: vec!["file-2".into()],
        hyperparameters,
        method: Method::Supervised {
            supervised: Settings { hyperparameters },
        },
        seed: 42,
        trained_tokens: None,
        estimated_finish: None,
        integrations: Vec::new(),
        metadata: [("a".to_owned(), "b".to_owned())].into(),
        error: Some(JobProblem {
            code: "approval_rejected".into(),
            message: "no".into(),
            param: None,
        }),
        gptnl: json!({"phase": "rejected"}),
    };
    let expected = json!({
        "id": "ftjob-1", "object": "fine_tuning.job", "created_at": 1, "finished_at": 9,
        "model": "gpt-nl-26b", "fine_tuned_model": null, "organization_id": "org-1", "status": "failed",
        "training_file": "file-1", "validation_file": null, "result_files": ["file-2"],
        "hyperparameters": {"n_epochs": 3, "batch_size": "auto", "learning_rate_multiplier": 0.5},
        "method": {"type": "supervised", "supervised": {"hyperparameters":
            {"n_epochs": 3, "batch_size": "auto", "learning_rate_multiplier": 0.5}}},
        "seed": 42, "trained_tokens": null, "estimated_finish": null, "integrations": [],
        "metadata": {"a": "b"}, "error": {"code": "approval_rejected", "message": "no", "param": null},
        "gptnl": {"phase": "rejected"}
    });
    assert_eq!(wire(&job), expected);
    assert_eq!(
        serde_json::from_value::<FineTuningJob>(expected).unwrap(),
        job
    );
}

#[test]
fn events_and_checkpoints_have_the_fields_of_openai() {
    let event = FineTuningEvent {
        id: "ftevent-1".into(),
        object: "fine_tuning.job.event".into(),
        created_at: 1,
        level: "info".into(),
        message: "Step 10/100: training loss=1.20".into(),
        kind: "metrics".into(),
        data: Some(json!({"step": 10})),
    };
    assert_eq!(
        wire(&event),
        json!({
            "id": "ftevent-1", "object": "fine_tuning.job.event", "created_at": 1, "level": "info",
            "message": "Step 10/100: training loss=1.20", "type": "metrics", "data": {"step": 10}
        })
    );
    let checkpoint = FineTuningCheckpoint {
        id: "ftckpt_1".into(),
        object: "fine_tuning.job.checkpoint".into(),
        created_at: 1,
        fine_tuning_job_id: "ftjob-1".into(),
        fine_tuned_model_checkpoint: "ft:m:o:s:i:ckpt-step-90".into(),
        step_number: 90,
        metrics: CheckpointMetrics {
            step: 90,
            train_loss: Some(1.5),
            ..CheckpointMetrics::default()
        },
    };
    assert_eq!(
        wire(&checkpoint),
        json!({
            "id": "ftckpt_1", "object": "fine_tuning.job.checkpoint", "created_at": 1,
            "fine_tuning_job_id": "ftjob-1", "fine_tuned_model_checkpoint": "ft:m:o:s:i:ckpt-step-90",
            "step_number": 90, "metrics": {"step": 90, "train_loss": 1.5}
        })
    );
}

fn parse(body: &Value) -> Result<CreateJob, (String, String)> {
    CreateJob::parse(body.to_string().as_bytes()).map_err(|error| {
        (
            error.body.code.unwrap_or_default(),
            error.body.param.unwrap_or_default(),
        )
    })
}

#[test]
fn both_ways_to_say_how_to_tune_are_read() {
    let older = json!({
        "model": "m", "training_file": "file-1",
        "hyperparameters": {"n_epochs": 4, "batch_size": "auto", "learning_rate_multiplier": 2}
    });
    let Method::Supervised { supervised } = parse(&older).unwrap().method else {
        panic!("another method")
    };
    assert_eq!(supervised.hyperparameters.n_epochs, Auto::Whole(4));
    assert_eq!(
        supervised.hyperparameters.learning_rate_multiplier,
        Auto::Number(2.0)
    );
    let newer = json!({
        "model": "m", "training_file": "file-1", "later_field": {},
        "method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.3}}},
        "gptnl": {"lora": {"rank": 4}}
    });
    let parsed = parse(&newer).unwrap();
    let Method::Dpo { dpo } = parsed.method else {
        panic!("another method")
    };
    assert_eq!(dpo.hyperparameters.beta, Some(Auto::Number(0.3)));
    assert_eq!(dpo.hyperparameters.n_epochs, Auto::Auto);
    assert_eq!(parsed.gptnl["lora"]["rank"], 4);
    // What is kept comes back as it was.
    let kept = serde_json::to_value(parsed.method).unwrap();
    assert_eq!(
        serde_json::from_value::<Method>(kept).unwrap(),
        parsed.method
    );
}

#[test]
fn what_does_not_fit_is_named() {
    for (change, code, param) in [
        (
            json!({"model": null}),
            "missing_required_parameter",
            "model",
        ),
        (json!({"training_file": 1}), "invalid_type", "training_file"),
        (json!({"suffix": ""}), "invalid_value", "suffix"),
        (json!({"seed": 1.5}), "invalid_type", "seed"),
        (json!({"metadata": {"k": 1}}), "invalid_type", "metadata"),
        (
            json!({"metadata": {"k": "x".repeat(513)}}),
            "invalid_value",
            "metadata",
        ),
        (
            json!({"method": {"type": "reinforcement"}}),
            "unsupported_method",
            "method.type",
        ),
        (
            json!({"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0}}}}),
            "invalid_value",
            "method.dpo.hyperparameters.beta",
        ),
        (
            json!({"hyperparameters": {"batch_size": "large"}}),
            "invalid_value",
            "hyperparameters.batch_size",
        ),
    ] {
        let mut body = json!({"model": "m", "training_file": "file-1"});
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let wrong = parse(&body).unwrap_err();
        assert_eq!(wrong, (code.to_owned(), param.to_owned()), "{change}");
    }
    for body in ["", "[]", "{"] {
        let error = CreateJob::parse(body.as_bytes()).unwrap_err();
        assert_eq!(error.body.code.as_deref(), Some("invalid_json"));
    }
}

#[test]
fn uploads_are_bounded() {
    let body = |bytes: i64| {
        json!({"bytes": bytes, "filename": "t.jsonl", "mime_type": "x", "purpose": "fine-tune"})
            .to_string()
    };
    assert_eq!(
        NewUpload::parse(body(8 << 30).as_bytes()).unwrap().bytes,
        8 << 30
    );
    for wrong in [0, (8 << 30) + 1] {
        let error = NewUpload::parse(body(wrong).as_bytes()).unwrap_err();
        assert_eq!(error.body.param.as_deref(), Some("bytes"));
    }
    let parts = json!({"part_ids": ["part_1", "part_2"], "md5": "ABC"}).to_string();
    let complete = CompleteUpload::parse(parts.as_bytes()).unwrap();
    assert_eq!(complete.part_ids, ["part_1", "part_2"]);
    assert_eq!(complete.md5.as_deref(), Some("abc"));
    for wrong in [json!({}), json!({"part_ids": []}), json!({"part_ids": [1]})] {
        assert!(CompleteUpload::parse(wrong.to_string().as_bytes()).is_err());
    }
}
