//! The page of one job.

use actix_web::{get, web};
use askama::Template;

use super::{
    super::{
        Compute, find_visible,
        job::{Input, Job},
        request::decide_now,
        status::JobStatus,
    },
    Fact, VerdictLine,
    chart::{chart, small_charts},
    drawing::Chart,
    live::happenings,
    parts::{AttemptRow, Figure, PhaseStation, Station, attempts, chain, facts, figures, phases},
    pause::{Rest, rest},
    queue::{self, Compared, Queued},
    view::View,
    words::{self, badge, clock, count, why},
};
use crate::{
    config::Config,
    db::Db,
    error::AppError,
    ids::JobId,
    permissions::{Territory, Verdict},
    policy::{self, Action, Scope},
    rights_checks::{self, web::LaterView},
    web::{Chrome, Page, PageResult, filters},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(show);
}

struct EventLine {
    at: String,
    exact: String,
    text: String,
}

/// What was known when a use was decided on.
struct FactsThen {
    title: String,
    text: String,
    href: String,
    later: Vec<LaterView>,
}

struct MadeModel {
    name: String,
    href: String,
    receipt: String,
}

#[derive(Template)]
#[template(path = "jobs/show.html")]
pub(super) struct ShowPage {
    chrome: Chrome,
    id: JobId,
    title: String,
    motivation: String,
    badge: &'static str,
    status: String,
    /// Why it ended so and what to do next.
    why: Option<String>,
    /// What the program said, in its own words.
    said: Option<String>,
    phases: Vec<PhaseStation>,
    has_started: bool,
    is_live: bool,
    /// Its name, for the script.
    status_word: &'static str,
    step: u32,
    total_steps: u32,
    steps_text: String,
    left: String,
    figures: Vec<Figure>,
    chart: Chart,
    small_charts: Vec<Chart>,
    verdicts: Vec<VerdictLine>,
    facts_then: Vec<FactsThen>,
    /// Whether the verdicts are those that were bound at the start, or how it stands now.
    is_bound: bool,
    attempts: Vec<AttemptRow>,
    events: Vec<EventLine>,
    chain: Vec<Station>,
    facts: Vec<Fact>,
    model: Option<MadeModel>,
    queued: Option<Queued>,
    estimate: Option<Compared>,
    may_decide: bool,
    may_cancel: bool,
    rest: Rest,
    /// Where the same can be asked for again.
    again: Option<String>,
    compare: String,
    pub(super) reason: String,
    pub(super) reason_error: String,
}

#[get("/{lang:nl|en}/jobs/{job}")]
async fn show(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    compute: web::Data<Compute>,
    path: web::Path<(String, JobId)>,
) -> PageResult {
    let job = find_visible(&db, page.actor(), path.1)
        .await?
        .ok_or(AppError::NotFound)?;
    let shown = draw(&db, &page, job, (&config, &compute)).await?;
    page.show(&shown)
}

/// The page as it stands now; a job that has not started would run at the first place that fits.
pub(super) async fn draw(
    db: &Db,
    page: &Page,
    job: Job,
    (config, compute): (&Config, &Compute),
) -> Result<ShowPage, AppError> {
    let (lang, now, actor) = (page.lang(), db.now(), page.actor());
    let may_decide = job.status == JobStatus::Submitted
        && policy::check(actor, Action::ApproveJob, &job.scope()).is_ok();
    let may_cancel = !job.status.is_over()
        && job.cancel_requested_at.is_none()
        && policy::check(actor, Action::CancelJob, &job.scope()).is_ok();
    let rest = rest(db, page, (&job, config.training.paused_days)).await?;
    let view = View::read(db, job).await?;
    let is_bound = !view.bound.is_empty();
    let verdicts = if is_bound {
        view.bound
            .iter()
            .filter_map(|bound| {
                let input = view
                    .inputs
                    .iter()
                    .find(|input| input.version == bound.version)?;
                Some(verdict_line(page, input, &bound.verdict))
            })
            .collect()
    } else {
        let location = queue::location(db, compute, &view).await?;
        standing(
            db,
            page,
            &view,
            location.unwrap_or(config.training.location),
        )
        .await?
    };
    let facts_then = facts_then(db, page, &view).await?;
    let queued = queue::queued(db, page, (config, compute), &view).await?;
    let estimate = queue::estimated(db, page, &view).await?;
    let progress = &view.progress;
    let model = view.model.as_ref().map(|model| MadeModel {
        name: model.name.clone(),
        href: page.path(&format!("/models/{}", model.id)),
        receipt: format!("/api/v1/models/{}/receipt", model.id),
    });
    let job = &view.job;
    Ok(ShowPage {
        chrome: page.chrome(),
        id: job.id,
        badge: badge(job.status, may_decide),
        status: lang.t(&format!("jobs-status-{}", job.status.name())),
        why: why(lang, job),
        said: job
            .status_message
            .clone()
            .filter(|_| job.status == JobStatus::Failed),
        phases: phases(lang, now, &view),
        has_started: !view.attempts.is_empty(),
        // One that rests changes by a person's word alone.
        is_live: !job.status.is_over() && job.status != JobStatus::Paused,
        status_word: job.status.name(),
        step: progress.step,
        total_steps: progress.total_steps.max(1),
        steps_text: lang.t_with(
            "jobs-steps",
            &[
                ("step", count(lang, u64::from(progress.step))),
                ("total", count(lang, u64::from(progress.total_steps))),
            ],
        ),
        left: match (job.status, progress.seconds_left) {
            (JobStatus::Running, Some(seconds)) => lang.t_with(
                "jobs-left",
                &[("minutes", seconds.div_ceil(60).max(1).to_string())],
            ),
            _ => String::new(),
        },
        figures: figures(lang, &view),
        chart: chart(lang, progress),
        small_charts: small_charts(lang, progress),
        verdicts,
        facts_then,
        is_bound,
        attempts: attempts(lang, now, &view),
        events: happenings(lang, job, progress)
            .into_iter()
            .map(|one| EventLine {
                at: clock(lang, now, one.at),
                exact: one.at.to_rfc3339(),
                text: one.text,
            })
            .collect(),
        chain: chain(page, &view),
        facts: facts(page, job),
        model,
        queued,
        estimate,
        may_decide,
        may_cancel,
        rest,
        again: policy::check(actor, Action::RequestJob, &Scope::of(actor.institution))
            .is_ok()
            .then(|| page.path(&format!("/jobs/new?from={}", job.id))),
        compare: page.path(&format!("/jobs/compare?a={}", job.id)),
        reason: String::new(),
        reason_error: String::new(),
        title: job.title.clone(),
        motivation: job.motivation.clone(),
    })
}

/// What was known of each dataset when its use was decided on, and what became known later.
async fn facts_then(db: &Db, page: &Page, view: &View) -> Result<Vec<FactsThen>, AppError> {
    let now = db.now();
    let mut conn = db.read().await?;
    let mut lines = Vec::new();
    for bound in &view.bound {
        let Some(input) = view
            .inputs
            .iter()
            .find(|input| input.version == bound.version)
        else {
            continue;
        };
        let history = rights_checks::history(&mut conn, input.dataset, now).await?;
        let moments = (bound.decided_at, now);
        let (text, href, later) =
            rights_checks::web::then_views(page.lang(), input.dataset, &history, moments);
        lines.push(FactsThen {
            title: input.title.clone(),
            text,
            href,
            later,
        });
    }
    Ok(lines)
}

fn verdict_line(page: &Page, input: &Input, verdict: &Verdict) -> VerdictLine {
    let label = format!("{} ({})", input.title, input.institution_name);
    words::verdict_line(page.lang(), label, verdict)
}

/// How it stands now, for a job that was not decided on yet.
async fn standing(
    db: &Db,
    page: &Page,
    view: &View,
    location: Territory,
) -> Result<Vec<VerdictLine>, AppError> {
    let mut conn = db.read().await?;
    let wanted = view.job.wanted(location);
    let mut lines = Vec::new();
    for input in &view.inputs {
        if let Some(verdict) = decide_now(&mut conn, input.version, &wanted, db.now()).await? {
            lines.push(verdict_line(page, input, &verdict));
        }
    }
    Ok(lines)
}
