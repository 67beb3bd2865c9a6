//! The work of one attempt: fetching what is read, training, storing what comes out.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use job_contract::{FileFormat, InputFile, JobEvent, JobResult, JobSpec, Phase, TrainingSettings};
use language_model::training_graph::Device;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::{
    checkpoints::{Checkpoints, join},
    events::EventLog,
    observer::{JobObserver, SharedMeter, clock},
    outcome::RunError,
    portal::{CallError, Portal},
    run::{CHECKPOINT, INPUTS, OUT, Place, RESUME, code},
    staging::{StagingError, stage},
    upload::upload_file,
};
use crate::{
    data::Source,
    device,
    fingerprint::{Deciding, program},
    recipe::Torchrun,
    settings::precision,
    stop::StopSign,
    work::{Base, Done, Order, WorkError, work},
};

pub(super) struct Attempt {
    pub(super) meter: SharedMeter,
    pub(super) portal: Arc<Portal>,
    pub(super) place: Place,
    pub(super) log: Arc<EventLog>,
    pub(super) checkpoints: Arc<Checkpoints>,
    pub(super) sign: StopSign,
    pub(super) spec: JobSpec,
}

/// The files of an adapter among those of a base model.
const ADAPTER: [&str; 2] = ["adapter_config.json", "adapter_model.safetensors"];

/// Where everything lies once it is here.
struct Staged {
    base: Option<PathBuf>,
    adapter: Option<PathBuf>,
    sources: Vec<Source>,
    validation: Vec<Source>,
    resume: Option<PathBuf>,
}

impl Attempt {
    pub(super) async fn work(&self) -> Result<JobResult, RunError> {
        let started = Instant::now();
        self.phase(Phase::Staging)?;
        let staged = self.stage_all().await?;
        self.sign.check().map_err(CallError::from)?;
        let done = self.train(staged).await?;
        self.finish(done, started).await
    }

    async fn stage_all(&self) -> Result<Staged, RunError> {
        let base = self.stage_base().await?;
        let adapter = self.stage_adapter().await?;
        let sources = self.stage_data(&self.spec.inputs).await?;
        let validation = self.stage_data(&self.spec.validation).await?;
        let resume = self.stage_resume().await?;
        Ok(Staged {
            base,
            adapter,
            sources,
            validation,
            resume,
        })
    }

    fn base_files(&self) -> &[InputFile] {
        let base = self.spec.base_model.as_ref();
        base.map_or(&[], |base| base.files.as_slice())
    }

    /// The base model in the cache: a file under its hash, or a folder under the hash of its files.
    async fn stage_base(&self) -> Result<Option<PathBuf>, RunError> {
        let models = self.place.cache.join("models");
        let files: Vec<&InputFile> = self
            .base_files()
            .iter()
            .filter(|file| !ADAPTER.contains(&file.name.as_str()))
            .collect();
        let altered = |error: RunError| match error {
            RunError::Staging(error) => RunError::Base(error),
            error => error,
        };
        match files.as_slice() {
            [] => Ok(None),
            [file] if file.format == FileFormat::Gguf => {
                let path = models.join(file_name(&file.sha256)?);
                self.read(file, &path).await.map_err(altered)?;
                Ok(Some(path))
            }
            files => {
                let is_plain = |file: &&InputFile| {
                    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
                    file.name.bytes().all(is_fine) && !file.name.starts_with('.')
                };
                let has = |name: &str| files.iter().any(|file| file.name == name);
                if !files.iter().all(is_plain) || !has("config.json") || !has("tokenizer.json") {
                    return Err(RunError::BaseFiles);
                }
                let mut names: Vec<String> = files
                    .iter()
                    .map(|file| format!("{} {}\n", file.sha256, file.name))
                    .collect();
                names.sort_unstable();
                let folder = models.join(hash_of(&names.concat()));
                for file in files {
                    let path = folder.join(&file.name);
                    self.read(file, &path).await.map_err(altered)?;
                }
                Ok(Some(folder))
            }
        }
    }

    /// The adapter that is measured: not shared with other jobs, as it was learnt from somebody's data.
    async fn stage_adapter(&self) -> Result<Option<PathBuf>, RunError> {
        let folder = self.place.work_dir.join(INPUTS).join("adapter");
        let mut is_there = false;
        for file in self.base_files() {
            if ADAPTER.contains(&file.name.as_str()) {
                self.read(file, &folder.join(&file.name)).await?;
                is_there = true;
            }
        }
        Ok(is_there.then_some(folder))
    }

    async fn stage_data(&self, files: &[InputFile]) -> Result<Vec<Source>, RunError> {
        let mut sources = Vec::new();
        for input in files {
            let folder = self.place.work_dir.join(INPUTS);
            let path = folder.join(input.file.to_string());
            self.read(input, &path).await?;
            sources.push(Source {
                path,
                name: input.name.clone(),
                format: input.format,
            });
        }
        Ok(sources)
    }

    /// The checkpoint of an earlier attempt, its parts put together.
    async fn stage_resume(&self) -> Result<Option<PathBuf>, RunError> {
        let Some(resume) = &self.spec.resume else {
            return Ok(None);
        };
        let folder = self.place.work_dir.join(RESUME);
        let mut parts = Vec::new();
        for (number, file) in resume.files.iter().enumerate() {
            let path = folder.join(format!("part-{number}"));
            match stage(&self.portal, &self.sign, file, &path).await {
                Ok(_) => parts.push(path),
                Err(
                    source @ (StagingError::HashMismatch { .. } | StagingError::Altered { .. }),
                ) => {
                    let event = JobEvent::CheckpointUnreadable {
                        step: resume.step,
                        file: file.file,
                        problem: source.to_string(),
                    };
                    self.log.append(clock(), event)?;
                    return Err(RunError::Checkpoint {
                        step: resume.step,
                        source,
                    });
                }
                Err(error) => return Err(error.into()),
            }
        }
        if let [only] = parts.as_slice() {
            return Ok(Some(only.clone()));
        }
        let whole = folder.join(CHECKPOINT);
        join(&parts, &whole)?;
        for part in parts {
            fs::remove_file(part)?;
        }
        Ok(Some(whole))
    }

    async fn train(&self, staged: Staged) -> Result<Done, RunError> {
        let inputs = self.spec.inputs.iter().chain(&self.spec.validation);
        let mut observer = JobObserver {
            meter: self.meter.clone(),
            portal: Arc::clone(&self.portal),
            log: Arc::clone(&self.log),
            checkpoints: Arc::clone(&self.checkpoints),
            sign: self.sign.clone(),
            files: inputs.map(|input| input.file).collect(),
            handle: Handle::current(),
            is_asked: false,
        };
        let device = self.device().await?;
        let run = self.fingerprint(&device);
        let spec = self.spec.clone();
        let place = self.place.clone();
        let thread = move || -> Result<Done, WorkError> {
            let versions: Vec<Option<Uuid>> = spec
                .inputs
                .iter()
                .map(|input| input.dataset_version)
                .collect();
            let name = spec.base_model.as_ref().map_or("", |base| &base.name);
            let base = staged.base.as_deref().map(|path| Base { path, name });
            let order = Order {
                task: &spec.task,
                base,
                adapter: staged.adapter.as_deref(),
                sources: &staged.sources,
                validation: &staged.validation,
                datasets: &versions,
                seed: spec.seed,
                precision: place.precision,
                device: &device,
                memory: place.memory,
                torchrun: Torchrun::of(&spec.recipe, &place.python, &place.meeting),
                checkpoint: &place.work_dir.join(CHECKPOINT),
                resume: staged.resume.as_deref(),
                run: &run,
                out: &place.work_dir.join(OUT),
            };
            work(order, &mut observer)
        };
        Ok(tokio::task::spawn_blocking(thread).await??)
    }

    /// What multiplies by frozen weights.
    async fn device(&self) -> Result<Device, RunError> {
        let (choice, spec) = (self.place.device, self.spec.clone());
        // A driver may take seconds to answer.
        let found = move || device::find(choice, &spec.task, &spec.recipe);
        let found = tokio::task::spawn_blocking(found).await?;
        Ok(found.map_err(WorkError::from)?)
    }

    /// Hash over everything that decides the run; not the attempt, so that a later one can go on with it.
    fn fingerprint(&self, device: &Device) -> String {
        let hashes = |files: &[InputFile]| -> Vec<String> {
            files.iter().map(|file| file.sha256.clone()).collect()
        };
        let settings = self.spec.task.training().cloned();
        let settings = settings.unwrap_or_else(TrainingSettings::default);
        let deciding = Deciding {
            task: &self.spec.task,
            base: &hashes(self.base_files()),
            inputs: &hashes(&self.spec.inputs),
            validation: &hashes(&self.spec.validation),
            seed: self.spec.seed,
            precision: precision(&settings, self.place.precision),
            device: &device.to_string(),
            recipe: &self.spec.recipe,
        };
        deciding.hash()
    }

    /// Stages a file and tells what came, whether it is what the spec says or not.
    async fn read(&self, file: &InputFile, target: &Path) -> Result<(), RunError> {
        let staged = stage(&self.portal, &self.sign, file, target).await;
        let found = match &staged {
            Ok(sha256) => Some(sha256),
            Err(StagingError::HashMismatch { found, .. }) => Some(found),
            Err(_) => None,
        };
        if let Some(sha256) = found {
            let event = JobEvent::FileRead {
                file: file.file,
                sha256: sha256.clone(),
            };
            self.log.append(clock(), event)?;
        }
        staged?;
        Ok(())
    }

    async fn finish(&self, done: Done, started: Instant) -> Result<JobResult, RunError> {
        let mut artifacts = Vec::new();
        for (path, kind) in &done.files {
            // A job that was cancelled while it uploads gives no model.
            self.sign.check().map_err(CallError::from)?;
            artifacts.push(upload_file(&self.portal, *kind, path).await?);
        }
        let course = done.course;
        let files = self.base_files().iter();
        let files = files.chain(&self.spec.inputs).chain(&self.spec.validation);
        Ok(JobResult {
            artifacts,
            held_out_loss_before: course.held_out_before.map(|loss| loss as f32),
            held_out_loss_after: course.held_out_after.map(|loss| loss as f32),
            steps: course.steps,
            best_step: course.best_step,
            resumed_from_step: course.resumed_from,
            tokens_trained: course.tokens,
            tokens_by_dataset: course.tokens_by_dataset,
            tokens_by_dataset_in_run: course.tokens_by_dataset_in_run,
            // Staging has compared each hash with what was really read.
            files_read: files.map(|file| (file.file, file.sha256.clone())).collect(),
            wall_seconds: started.elapsed().as_secs_f64().max(course.seconds),
            flop: course.flop,
            energy_joules: self.meter.sample(),
            program: program(),
            code: code(),
        })
    }

    fn phase(&self, phase: Phase) -> io::Result<()> {
        self.log.append(clock(), JobEvent::Phase { phase })
    }
}

fn hash_of(text: &str) -> String {
    use sha2::{Digest, Sha256};
    data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// A hash that is used as a file name must be one, whoever sent it.
fn file_name(sha256: &str) -> Result<&str, StagingError> {
    if sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(sha256);
    }
    Err(StagingError::Store {
        name: "the base model".to_owned(),
        problem: "its hash is no SHA-256".to_owned(),
    })
}
