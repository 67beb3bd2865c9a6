//! A running job's page, kept up to date by server-sent events.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use actix_web::{HttpResponse, get, http::header, web};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{
    super::{
        find_visible,
        job::Job,
        progress::{Progress, thinned},
        status::JobStatus,
        store,
    },
    words::line,
};
use crate::{
    db::{Db, StoreError},
    error::AppError,
    ids::JobId,
    web::{Lang, Page, PageResult},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(events);
}

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// A line without meaning now and then, so that a client that left is noticed.
const QUIET: Duration = Duration::from_secs(15);
/// After this the browser connects again, and is asked who it is again.
const LONGEST: Duration = Duration::from_secs(900);
/// Streams of this process at one time; each asks the database every second.
const MOST_STREAMS: usize = 200;
static STREAMS: AtomicUsize = AtomicUsize::new(0);

/// Counts one open stream for as long as it lives.
struct Slot;

impl Slot {
    fn take() -> Option<Self> {
        let open = STREAMS.fetch_add(1, Ordering::Relaxed);
        let slot = Self;
        (open < MOST_STREAMS).then_some(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        STREAMS.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Happening {
    pub(super) at: DateTime<Utc>,
    pub(super) text: String,
}

/// What `static/live.js` draws.
#[derive(Debug, PartialEq, Serialize)]
struct Snapshot {
    status: &'static str,
    phase: &'static str,
    step: u32,
    total_steps: u32,
    loss: Option<f32>,
    held_out: Vec<(u32, f32)>,
    losses: Vec<(u32, f32)>,
    learning_rates: Vec<(u32, f32)>,
    gradient_norms: Vec<(u32, f32)>,
    speeds: Vec<(u32, f32)>,
    learning_rate: Option<f32>,
    tokens_per_second: Option<f32>,
    seconds_left: Option<u32>,
    events: Vec<Happening>,
    is_over: bool,
}

/// The station of the phase line that a job is at.
pub(super) fn station(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Submitted => "requested",
        JobStatus::Approved | JobStatus::Paused => "queued",
        JobStatus::Running => "running",
        JobStatus::Succeeded
        | JobStatus::Failed
        | JobStatus::Cancelled
        | JobStatus::Rejected
        | JobStatus::Blocked => "done",
    }
}

/// What happened to the job and in its last attempt, in words.
pub(super) fn happenings(lang: Lang, job: &Job, progress: &Progress) -> Vec<Happening> {
    let mut list = vec![Happening {
        at: job.requested_at,
        text: lang.t_with(
            "jobs-line-requested",
            &[("name", job.requested_by_name.clone())],
        ),
    }];
    if let (Some(at), Some(name)) = (job.approved_at, &job.approved_by_name) {
        list.push(Happening {
            at,
            text: lang.t_with("jobs-line-approved", &[("name", name.clone())]),
        });
    }
    list.extend(
        progress
            .lines
            .iter()
            .filter_map(|(at, event)| line(lang, event).map(|text| Happening { at: *at, text })),
    );
    if let Some(at) = job.cancel_requested_at {
        list.push(Happening {
            at,
            text: lang.t("jobs-line-cancel-requested"),
        });
    }
    if let Some(at) = job.pause_requested_at {
        list.push(Happening {
            at,
            text: lang.t("jobs-line-pause-requested"),
        });
    }
    list.sort_by_key(|happening| happening.at);
    list
}

struct Follower {
    db: web::Data<Db>,
    lang: Lang,
    id: JobId,
    progress: Progress,
    sent: Option<Snapshot>,
    opened: Instant,
    spoke: Instant,
    is_over: bool,
    _slot: Slot,
}

impl Follower {
    /// How the job stands now; none where it is not there.
    async fn look(&mut self) -> Result<Option<Snapshot>, StoreError> {
        let mut conn = self.db.read().await?;
        let Some(job) = store::find(&mut conn, self.id).await? else {
            return Ok(None);
        };
        let attempts = store::attempts(&mut conn, self.id).await?;
        self.progress.read_on(&mut conn, &attempts).await?;
        let progress = &self.progress;
        Ok(Some(Snapshot {
            status: job.status.name(),
            phase: station(job.status),
            step: progress.step,
            total_steps: progress.total_steps,
            loss: progress.loss,
            held_out: thinned(&progress.held_out),
            losses: thinned(&progress.losses),
            learning_rates: thinned(&progress.learning_rates),
            gradient_norms: thinned(&progress.gradient_norms),
            speeds: thinned(&progress.speeds),
            learning_rate: progress.learning_rate,
            tokens_per_second: progress.tokens_per_second,
            seconds_left: progress.seconds_left,
            events: happenings(self.lang, &job, progress),
            is_over: job.status.is_over() || job.status == JobStatus::Paused,
        }))
    }

    /// Waits for something to say; none where the stream is over.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.is_over || self.opened.elapsed() > LONGEST {
                return None;
            }
            if self.sent.is_some() {
                sleep(LOOK).await;
            }
            let snapshot = match self.look().await {
                Ok(snapshot) => snapshot?,
                Err(error) => {
                    tracing::warn!(%error, "a job's page is not kept up to date");
                    return None;
                }
            };
            if self.sent.as_ref() == Some(&snapshot) {
                if self.spoke.elapsed() > QUIET {
                    self.spoke = Instant::now();
                    return Some(Bytes::from_static(b": quiet\n\n"));
                }
                continue;
            }
            let json = serde_json::to_string(&snapshot).ok()?;
            self.is_over = snapshot.is_over;
            self.sent = Some(snapshot);
            self.spoke = Instant::now();
            return Some(Bytes::from(format!("event: snapshot\ndata: {json}\n\n")));
        }
    }
}

#[get("/{lang:nl|en}/jobs/{job}/events")]
async fn events(page: Page, db: web::Data<Db>, path: web::Path<(String, JobId)>) -> PageResult {
    let job = find_visible(&db, page.actor(), path.1)
        .await?
        .ok_or(AppError::NotFound)?;
    let Some(slot) = Slot::take() else {
        return Ok(HttpResponse::ServiceUnavailable()
            .insert_header((header::RETRY_AFTER, "30"))
            .finish());
    };
    let follower = Follower {
        db: db.clone(),
        lang: page.lang(),
        id: job.id,
        progress: Progress::default(),
        sent: None,
        opened: Instant::now(),
        spoke: Instant::now(),
        is_over: false,
        _slot: slot,
    };
    let body = stream::unfold(follower, |mut follower| async move {
        let next = follower.next().await?;
        Some((Ok::<_, actix_web::Error>(next), follower))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body))
}
