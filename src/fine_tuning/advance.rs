//! Takes jobs on as far as they may go now: files read, data handed in, people's decisions there, the job asked for. Each
//! step is found done where it was done before, so that a worker may end anywhere and another may go on.

use chrono::TimeDelta;

use super::{
    change::{self, end, failed, wait, withdrawn},
    create::Written,
    examination,
    examine::ExamineError,
    file::ApiFile,
    job::{Failed, Phase, TuningJob, WaitsFor},
    judge, resolve,
    store::{self, seen::NamedVersion},
    tell,
};
use crate::{
    accounts,
    config::Config,
    datasets::{self, Decision, FileState, SubmitError},
    db::{Db, StoreError},
    ids::{DatasetVersionId, JobId},
    jobs::{self, Compute, Given, JobError},
    objects::ObjectStore,
    policy::{self, Action, Actor, Scope},
};

/// Why a job could not be taken on; trying again later may help.
#[derive(Debug, thiserror::Error)]
pub enum AdvanceError {
    /// The database is away, or a row makes no sense.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A change could not be made.
    #[error("{0}")]
    Change(String),
}

impl From<sqlx::Error> for AdvanceError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<Written> for AdvanceError {
    fn from(error: Written) -> Self {
        match error {
            Written::Store(why) => Self::Store(why),
            Written::Commit(why) => Self::Change(why.to_string()),
        }
    }
}

impl From<ExamineError> for AdvanceError {
    fn from(error: ExamineError) -> Self {
        Self::Change(error.to_string())
    }
}

/// What it takes to take a job on.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    pub db: &'a Db,
    pub objects: &'a ObjectStore,
    pub config: &'a Config,
    pub compute: &'a Compute,
}

/// Looks at every job that something can still happen to.
///
/// # Errors
/// Where the database is away. What is wrong with one job holds up no other.
pub async fn sweep(ports: Ports<'_>) -> Result<(), AdvanceError> {
    let mut conn = ports.db.read().await?;
    let open = store::jobs::open(&mut conn).await?;
    drop(conn);
    for id in open {
        if let Err(error) = one(ports, id).await {
            tracing::warn!(job = %id, %error, "a fine-tuning job could not be taken on");
        }
    }
    Ok(())
}

async fn one(ports: Ports<'_>, id: JobId) -> Result<(), AdvanceError> {
    let db = ports.db;
    let mut conn = db.read().await?;
    let Some(job) = store::jobs::find(&mut conn, id).await? else {
        return Ok(());
    };
    drop(conn);
    match job.phase {
        Phase::Validating | Phase::Waiting => forward(ports, &job).await,
        Phase::Requested => tell::tell(db, ports.config, &job).await,
        Phase::Cancelled => settle(db, &job).await,
        Phase::Failed => Ok(()),
    }
}

/// A job may have been asked for at the very moment in which it was called off: then it is called off there too.
async fn settle(db: &Db, job: &TuningJob) -> Result<(), AdvanceError> {
    let system = Actor::system();
    let found = jobs::find_visible(db, &system, job.id).await?;
    if let Some(found) = found.filter(|found| !found.status.is_over()) {
        return match jobs::cancel(db, &system, found.id).await {
            Ok(_) | Err(JobError::WrongStatus(_)) => Ok(()),
            Err(error) => Err(AdvanceError::Change(error.to_string())),
        };
    }
    // Longer than asking for one can take.
    if job
        .ended_at
        .is_some_and(|at| db.now() > at + TimeDelta::minutes(2))
    {
        let mut tx = db.meter().await?;
        store::jobs::set_settled(&mut tx, job.id).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn forward(ports: Ports<'_>, job: &TuningJob) -> Result<(), AdvanceError> {
    let db = ports.db;
    let mut conn = db.read().await?;
    let actor = accounts::actor_in(&mut conn, job.created_by, job.institution, db.now()).await?;
    let own = Scope::of(job.institution).requested_by(Some(job.created_by));
    if policy::check(&actor, Action::RequestJob, &own).is_err() {
        let failed = failed(
            "permission_denied",
            "Whoever asked for it may not ask for jobs any more.",
        );
        return end(db, job, failed).await;
    }
    for (param, version) in job.versions() {
        if let Some(file) = store::files::of_version(&mut conn, version).await? {
            match file.state {
                FileState::Uploading | FileState::Verifying => return Ok(()),
                FileState::Ready => {}
                FileState::Rejected | FileState::Aborted => {
                    return end(db, job, given_up(param, &file)).await;
                }
            }
        }
        let found = store::seen::version(&mut conn, Some(version), (None, None)).await?;
        // Then its files are deleted, and cannot be read below.
        if found.is_some_and(|found| found.status == "withdrawn") {
            return withdrawn(db, job).await;
        }
    }
    if job.examined_at.is_none() {
        drop(conn);
        return examination::begin(db, ports.objects, job).await;
    }
    let versions: Vec<_> = job.versions().into_iter().map(|(_, id)| id).collect();
    let of = (&job.wish, job.base_family.as_str());
    let decisions = judge::decide(db, ports.compute, of, &versions, true).await?;
    let mut waits_for = Vec::new();
    let mut documents = 0;
    for (param, version) in job.versions() {
        let Some(found) = store::seen::version(&mut conn, Some(version), (None, None)).await?
        else {
            continue;
        };
        if param == "training_file" {
            documents = found.documents;
        }
        match standing(ports, &actor, (param, &found), &decisions).await? {
            Standing::Waits(waits) => waits_for.extend(waits),
            Standing::Later => return Ok(()),
            Standing::Never(failed) => return end(db, job, failed).await,
            Standing::Withdrawn => return withdrawn(db, job).await,
        }
    }
    drop(conn);
    if waits_for.is_empty() {
        request(ports, (job, &actor), documents).await
    } else {
        wait(db, job, waits_for).await
    }
}

/// A file that was found wrong when it was first read, or that nobody wants any more.
fn given_up(param: &str, file: &ApiFile) -> Failed {
    Failed {
        param: Some(param.into()),
        problems: file.problems(),
        ..failed("invalid_file_format", &file.details().unwrap_or_default())
    }
}

/// How a dataset version stands to a job.
enum Standing {
    /// These have to decide; none: it may be used.
    Waits(Vec<WaitsFor>),
    /// It is being handed in.
    Later,
    /// It will not be.
    Never(Failed),
    Withdrawn,
}

async fn standing(
    ports: Ports<'_>,
    actor: &Actor,
    (param, version): (&str, &NamedVersion),
    decisions: &[(DatasetVersionId, Decision)],
) -> Result<Standing, AdvanceError> {
    let db = ports.db;
    let url = format!("{}/en/datasets/{}", ports.config.origin(), version.dataset);
    let waits = |role: &str, by: String| WaitsFor {
        role: role.into(),
        by,
        url: url.clone(),
        rules: Vec::new(),
    };
    let mut list = Vec::new();
    match version.status.as_str() {
        "draft" => {
            return match datasets::submit(db, actor, version.dataset).await {
                Ok(_) | Err(SubmitError::WrongStatus(_) | SubmitError::Unfinished(_)) => {
                    Ok(Standing::Later)
                }
                Err(SubmitError::Denied(_)) => Ok(Standing::Never(Failed {
                    param: Some(param.into()),
                    ..failed(
                        "permission_denied",
                        "Whoever asked for it may not hand data in for the institution any more.",
                    )
                })),
                Err(error) => Err(AdvanceError::Change(error.to_string())),
            };
        }
        "changes_requested" => {
            let why = version.reason.as_deref().unwrap_or_default();
            let by = format!("your institution: a reviewer asks for changes ({why})");
            list.push(waits("changes", by));
        }
        "submitted" => {
            for (kind, role, by) in [
                ("data", "data_review", "data steward"),
                ("legal", "legal_review", "legal reviewer"),
            ] {
                if !version.approved.iter().any(|done| done == kind) {
                    list.push(waits(role, by.into()));
                }
            }
        }
        "rejected" => {
            let why = version.reason.as_deref().unwrap_or_default();
            return Ok(Standing::Never(Failed {
                param: Some(param.into()),
                ..failed(
                    "approval_rejected",
                    &format!("The data were rejected: {why}"),
                )
            }));
        }
        "withdrawn" => return Ok(Standing::Withdrawn),
        _ => {}
    }
    let decision = decisions.iter().find(|(id, _)| *id == version.id);
    let rules = decision.map_or_else(Vec::new, |(_, decision)| judge::missing(decision, true));
    if !rules.is_empty() {
        let by = format!("data owner ({})", version.institution_name);
        list.push(WaitsFor {
            rules,
            ..waits("permission", by)
        });
    }
    Ok(Standing::Waits(list))
}

/// Asks the portal for the job, in the name of who asked for it here.
async fn request(
    ports: Ports<'_>,
    (job, actor): (&TuningJob, &Actor),
    documents: i64,
) -> Result<(), AdvanceError> {
    let db = ports.db;
    let resolved = resolve::resolve(&job.method, documents);
    let is_there = jobs::find_visible(db, &Actor::system(), job.id)
        .await?
        .is_some();
    if !is_there {
        let draft = resolve::draft(job, &resolved);
        let given = Given {
            id: job.id,
            seed: job.wish.seed,
            validation: job.validation_version,
        };
        match jobs::request_as(db, actor, &draft, ports.compute, given).await {
            Ok(_) => {}
            // Something fell between looking and asking: the next look, for the same places, says what.
            Err(JobError::NotPermitted(_)) => return Ok(()),
            Err(JobError::UnknownBase) => {
                let mut failed = failed(
                    "model_not_available",
                    "The base model may not be tuned any more.",
                );
                failed.param = Some("model".into());
                return end(db, job, failed).await;
            }
            // Of the places where its data may be: waiting would not help.
            Err(JobError::DoesNotFit(why)) => {
                return end(db, job, failed("does_not_fit", &why.advice())).await;
            }
            Err(JobError::UnknownPlace) => {
                let failed = failed(
                    "place_not_available",
                    "There is no place any more where the job may run as it was asked for.",
                );
                return end(db, job, failed).await;
            }
            Err(JobError::Superseded(_)) => {
                let mut failed = failed(
                    "data_superseded",
                    "Documents had to go from the data; name the next version of the dataset.",
                );
                failed.param = Some("training_file".into());
                return end(db, job, failed).await;
            }
            Err(error) => return Err(AdvanceError::Change(error.to_string())),
        }
    }
    change::requested(db, job, resolved).await
}
