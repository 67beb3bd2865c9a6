//! A small portal and store over HTTP, and the program under test as a process of its own.

mod routes;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
};

use actix_web::{App, HttpServer, web};
use data_encoding::HEXLOWER;
use job_contract::{
    ArtifactRequest, BaseModel, CONTRACT_VERSION, FileFormat, InputFile, JobEvent, JobSpec,
    LoraSettings, NumberedEvent, Outcome, Recipe, Resume, StoredArtifact, Task, TrainingSettings,
};
use language_model::synthetic::Synthetic;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{process::Command, sync::watch};
use uuid::Uuid;

pub(crate) const TOKEN: &str = "the-attempt's-own-token";

/// What goes wrong, on purpose.
#[derive(Default)]
pub(crate) struct Faults {
    /// The answer to events says cancel once this step has been seen.
    pub(crate) cancel_at_step: Option<u32>,
    /// Why, where it is not the requester.
    pub(crate) cancel_reason: Option<String>,
    /// So many checkpoints that are told of are not found.
    pub(crate) lost_checkpoints: usize,
    /// Grants for data are refused after so many.
    pub(crate) data_grants: Option<usize>,
    /// So many requests of any kind are answered 503.
    pub(crate) outage: usize,
    /// So many uploads are answered 500.
    pub(crate) upload_outage: usize,
    /// So many downloads are cut in the middle.
    pub(crate) cut_downloads: usize,
    /// So many addresses have expired when they are used.
    pub(crate) expired: usize,
    /// Events are answered 409.
    pub(crate) is_ended: bool,
}

pub(crate) struct World {
    pub(crate) spec: Value,
    pub(crate) faults: Faults,
    files: HashMap<Uuid, Vec<u8>>,
    base: Uuid,
    pub(crate) data_grants: usize,
    pub(crate) downloads: Vec<Uuid>,
    pub(crate) events: Vec<NumberedEvent>,
    /// Numbers in the order in which they came, repetitions included.
    pub(crate) numbers: Vec<u64>,
    pub(crate) artifacts: HashMap<String, Vec<u8>>,
    requests: HashMap<Uuid, ArtifactRequest>,
    pub(crate) outcomes: Vec<Outcome>,
    address: String,
}

impl World {
    /// The last checkpoint that was told of: its step, and its parts.
    pub(crate) fn checkpoint(&self) -> Option<(u32, String, Vec<StoredArtifact>)> {
        self.events
            .iter()
            .rev()
            .find_map(|event| match &event.event {
                JobEvent::Checkpoint {
                    step, run, files, ..
                } => Some((*step, run.clone(), files.clone())),
                _ => None,
            })
    }

    /// Steps that were told of, with their losses.
    pub(crate) fn steps(&self) -> Vec<(u32, f32)> {
        let step = |event: &NumberedEvent| match event.event {
            JobEvent::Step { step, loss, .. } => Some((step, loss)),
            _ => None,
        };
        self.events.iter().filter_map(step).collect()
    }
}

pub(crate) struct Portal {
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) address: String,
    attempt: Uuid,
    attempts: usize,
    sender: watch::Sender<u32>,
    /// The latest step that events told of.
    pub(crate) step: watch::Receiver<u32>,
}

type State = web::Data<(Arc<Mutex<World>>, watch::Sender<u32>)>;

fn hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

fn settings() -> Task {
    Task::FineTuneLora {
        lora: LoraSettings {
            rank: 4,
            alpha: 8.0,
            dropout: 0.0,
            target_modules: vec![
                "q_proj".to_owned(),
                "v_proj".to_owned(),
                "down_proj".to_owned(),
            ],
        },
        training: TrainingSettings {
            epochs: 3,
            max_steps: None,
            batch_size: 4,
            sequence_length: 128,
            learning_rate: 1e-2,
            warmup_steps: 2,
            held_out_share: 0.1,
            checkpoint_every_steps: 5,
            ..TrainingSettings::default()
        },
    }
}

/// Forty short Dutch chats, alike enough to be learnt by a tiny model.
pub(crate) fn chats() -> Vec<u8> {
    let line = |number: usize| {
        json!({"messages": [
            {"role": "user", "content": format!("Waar vind ik doos {number}?")},
            {"role": "assistant", "content": format!("Doos {number} staat in het depot. Wij helpen u graag.")},
        ]})
    };
    (0..40)
        .map(|number| format!("{}\n", line(number)))
        .collect::<String>()
        .into_bytes()
}

impl Portal {
    pub(crate) async fn with_data(data: &[u8]) -> Self {
        Self::with_model(&Synthetic::default(), data).await
    }

    pub(crate) async fn with_model(synthetic: &Synthetic, data: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("tiny.gguf");
        synthetic.write_gguf(&model).unwrap();
        let model = std::fs::read(model).unwrap();
        let file = |name: &str, format, content: &[u8], dataset_version| InputFile {
            file: Uuid::now_v7(),
            name: name.to_owned(),
            format,
            size_bytes: content.len() as u64,
            sha256: hash(content),
            dataset_version,
        };
        let base = file("tiny.gguf", FileFormat::Gguf, &model, None);
        let input = file(
            "vragen.jsonl",
            FileFormat::Jsonl,
            data,
            Some(Uuid::now_v7()),
        );
        let attempt = Uuid::now_v7();
        let spec = JobSpec {
            contract_version: CONTRACT_VERSION,
            job: Uuid::now_v7(),
            attempt,
            task: settings(),
            base_model: Some(BaseModel {
                name: "tiny".to_owned(),
                files: vec![base.clone()],
            }),
            inputs: vec![input.clone()],
            validation: Vec::new(),
            resume: None,
            seed: 11,
            heartbeat_seconds: 1,
            checkpoint_every_seconds: 300,
            time_limit_seconds: None,
            recipe: Recipe::Own,
        };
        let world = Arc::new(Mutex::new(World {
            spec: serde_json::to_value(spec).unwrap(),
            faults: Faults::default(),
            files: HashMap::from([(base.file, model), (input.file, data.to_vec())]),
            base: base.file,
            data_grants: 0,
            downloads: Vec::new(),
            events: Vec::new(),
            numbers: Vec::new(),
            artifacts: HashMap::new(),
            requests: HashMap::new(),
            outcomes: Vec::new(),
            address: String::new(),
        }));
        let (sender, step) = watch::channel(0);
        let state = web::Data::new((Arc::clone(&world), sender.clone()));
        let server =
            HttpServer::new(move || App::new().app_data(state.clone()).configure(routes::routes))
                .workers(1)
                .bind(("127.0.0.1", 0))
                .unwrap();
        let address = format!("http://{}", server.addrs()[0]);
        world.lock().unwrap().address.clone_from(&address);
        actix_web::rt::spawn(server.run());
        Self {
            world,
            folder,
            address,
            attempt,
            attempts: 1,
            sender,
            step,
        }
    }

    /// Starts anew as the job's next attempt would on another machine: with another id, an empty folder, and the
    /// last checkpoint. Answers the step of it.
    pub(crate) fn next_attempt(&mut self) -> Option<u32> {
        self.attempt = Uuid::now_v7();
        self.attempts += 1;
        self.sender.send_replace(0);
        let mut world = self.world.lock().unwrap();
        let checkpoint = world.checkpoint();
        let step = checkpoint.as_ref().map(|(step, ..)| *step);
        world.spec["attempt"] = self.attempt.to_string().into();
        if let Some((step, run, files)) = checkpoint {
            let files: Vec<InputFile> = files
                .into_iter()
                .map(|stored| {
                    let content = world.artifacts[&stored.name].clone();
                    let file = Uuid::now_v7();
                    world.files.insert(file, content);
                    InputFile {
                        file,
                        name: stored.name,
                        format: FileFormat::Safetensors,
                        size_bytes: stored.size_bytes,
                        sha256: stored.sha256,
                        dataset_version: None,
                    }
                })
                .collect();
            let resume = Resume { step, run, files };
            world.spec["resume"] = serde_json::to_value(resume).unwrap();
        }
        world.numbers.clear();
        world.outcomes.clear();
        world.faults = Faults::default();
        world.events.clear();
        step
    }

    /// Makes the job one that measures the adapter which the last attempt gave.
    pub(crate) fn evaluate(&mut self, settings: &Value) {
        self.next_attempt();
        let mut world = self.world.lock().unwrap();
        world.spec["task"] = json!({"kind": "evaluate", "evaluation": settings});
        world.spec["resume"] = Value::Null;
        for (name, format) in [
            ("adapter_config.json", FileFormat::Json),
            ("adapter_model.safetensors", FileFormat::Safetensors),
        ] {
            let content = world.artifacts[name].clone();
            let file = InputFile {
                file: Uuid::now_v7(),
                name: name.to_owned(),
                format,
                size_bytes: content.len() as u64,
                sha256: hash(&content),
                dataset_version: None,
            };
            world.files.insert(file.file, content);
            let files = world.spec["base_model"]["files"].as_array_mut().unwrap();
            files.push(serde_json::to_value(file).unwrap());
        }
    }

    /// Gives the job a file more to read, of a dataset version of its own. Answers the version.
    pub(crate) fn add_input(&self, name: &str, data: &[u8]) -> Uuid {
        let version = Uuid::now_v7();
        let file = InputFile {
            file: Uuid::now_v7(),
            name: name.to_owned(),
            format: FileFormat::Jsonl,
            size_bytes: data.len() as u64,
            sha256: hash(data),
            dataset_version: Some(version),
        };
        let mut world = self.world.lock().unwrap();
        world.files.insert(file.file, data.to_vec());
        let inputs = world.spec["inputs"].as_array_mut().unwrap();
        inputs.push(serde_json::to_value(file).unwrap());
        version
    }

    pub(crate) fn work_dir(&self) -> PathBuf {
        self.folder.path().join(format!("work-{}", self.attempts))
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_faculty-training"));
        command
            .arg("run")
            .env_clear()
            .env("FACULTY_PORTAL_URL", &self.address)
            .env("FACULTY_ATTEMPT", self.attempt.to_string())
            .env("FACULTY_ATTEMPT_TOKEN", TOKEN)
            .env("FACULTY_WORK_DIR", self.work_dir())
            .env("FACULTY_CACHE", self.folder.path().join("cache"))
            .env("FACULTY_TRAINING_THREADS", "1")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// The program under a limit that the shell sets before.
    pub(crate) fn limited(&self, limit: &str) -> Command {
        let plain = self.command();
        let mut command = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_faculty-training");
        command
            .arg("-c")
            .arg(format!("{limit}; exec \"{program}\" run"))
            .env_clear();
        for (key, value) in plain.as_std().get_envs() {
            if let Some(value) = value {
                command.env(key, value);
            }
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs to the end; gives the exit code.
    pub(crate) async fn run(&self) -> i32 {
        self.command().status().await.unwrap().code().unwrap()
    }

    pub(crate) fn faults(&self, set: impl FnOnce(&mut Faults)) {
        set(&mut self.world.lock().unwrap().faults);
    }

    pub(crate) fn spec(&self, change: impl FnOnce(&mut Value)) {
        change(&mut self.world.lock().unwrap().spec);
    }

    pub(crate) fn outcome(&self) -> Outcome {
        let world = self.world.lock().unwrap();
        assert_eq!(world.outcomes.len(), 1, "an attempt ends once");
        world.outcomes[0].clone()
    }

    /// The adapter that was uploaded.
    pub(crate) fn adapter(&self) -> Vec<u8> {
        self.world.lock().unwrap().artifacts["adapter_model.safetensors"].clone()
    }
}

/// Anything of the job's data that is still on the disk.
pub(crate) fn remains(work_dir: &Path) -> bool {
    [
        "inputs",
        "resume",
        "out",
        "outbox",
        "checkpoint.safetensors",
    ]
    .iter()
    .any(|name| work_dir.join(name).exists())
}
