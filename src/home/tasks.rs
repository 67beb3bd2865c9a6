//! "Mijn taken": what waits for the person who looks, oldest first, one sentence each.

use actix_web::{get, web};
use askama::Template;
use chrono::{DateTime, Utc};

use crate::{
    agreements, complaints,
    datasets::{self, WaitsFor},
    db::{Db, StoreError},
    disclosures,
    error::Say,
    jobs, keys, notices,
    policy::{Actor, Role},
    privacy, rights_checks,
    web::{Chrome, Lang, Page, PageResult, day, filters},
    withdrawals,
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(tasks);
}

/// Something to be done.
#[derive(Debug, Clone)]
pub struct Todo {
    /// Since when.
    pub since: DateTime<Utc>,
    /// What, as a sentence.
    pub sentence: Say,
    /// Whose.
    pub from: String,
    /// Path without the language.
    pub path: String,
    /// Key of the button's verb.
    pub action: &'static str,
}

/// Everything that waits for `actor`, oldest first; what was told by title is named in `lang`.
///
/// # Errors
/// Where the database is away.
pub async fn todo(db: &Db, actor: &Actor, lang: Lang) -> Result<Vec<Todo>, StoreError> {
    let mut list = Vec::new();
    for item in datasets::waiting_for(db, actor).await? {
        let (sentence, action) = match item.waits_for {
            WaitsFor::Submission => ("todo-dataset-submission", "todo-finish"),
            WaitsFor::Changes => ("todo-dataset-changes", "todo-change"),
            WaitsFor::DataReview => ("todo-dataset-data-review", "todo-review"),
            WaitsFor::LegalReview => ("todo-dataset-legal-review", "todo-review"),
        };
        list.push(Todo {
            since: item.since,
            sentence: Say::new(sentence).with("title", item.title),
            from: item.institution,
            path: format!("/datasets/{}", item.dataset),
            action,
        });
    }
    for item in privacy::waiting_for(db, actor).await? {
        let (sentence, action) = match item.waits_for {
            privacy::WaitsFor::Filling => ("todo-assessment-filling", "todo-finish"),
            privacy::WaitsFor::Signing => ("todo-assessment-signing", "todo-review"),
        };
        list.push(Todo {
            since: item.since,
            sentence: Say::new(sentence).with("title", item.title),
            from: item.institution,
            path: format!("/datasets/{}/privacy", item.dataset),
            action,
        });
    }
    for item in rights_checks::waiting_for(db, actor).await? {
        list.push(Todo {
            since: item.since,
            sentence: Say::new("todo-rights-changed").with("title", item.title),
            from: item.institution,
            path: format!("/datasets/{}/rights", item.dataset),
            action: "todo-show",
        });
    }
    for item in agreements::waiting_for(db, actor).await? {
        let (sentence, action) = match item.waits_for {
            agreements::WaitsFor::Coding => ("todo-agreement-coding", "todo-finish"),
            agreements::WaitsFor::Changes => ("todo-agreement-changes", "todo-change"),
            agreements::WaitsFor::Confirming => ("todo-agreement-confirming", "todo-review"),
            agreements::WaitsFor::Human => ("todo-agreement-human", "todo-decide"),
            agreements::WaitsFor::Force => ("todo-agreement-force", "todo-decide"),
        };
        list.push(Todo {
            since: item.since,
            sentence: Say::new(sentence).with("title", item.title),
            from: item.institution,
            path: format!("/agreements/{}", item.agreement),
            action,
        });
    }
    for job in jobs::waiting_for(db, actor).await? {
        list.push(Todo {
            since: job.requested_at,
            sentence: Say::new("todo-job-approval").with("title", job.title),
            from: job.institution_name,
            path: format!("/jobs/{}", job.id),
            action: "todo-decide",
        });
    }
    for key in keys::waiting_for(db, actor).await? {
        let (sentence, action) = match key.what {
            keys::What::Decision => ("todo-key-approval", "todo-decide"),
            keys::What::Reveal => ("todo-key-reveal", "todo-show"),
        };
        list.push(Todo {
            since: key.since,
            sentence: Say::new(sentence).with("title", key.name),
            from: key.institution,
            path: format!("/keys/{}", key.id),
            action,
        });
    }
    for item in disclosures::waiting_for(db, actor).await? {
        let (sentence, action) = match item.what {
            disclosures::WaitsFor::Publication => ("todo-disclosure-publication", "todo-review"),
            disclosures::WaitsFor::Update(reason) => match reason {
                disclosures::Reason::Withdrawn => ("todo-disclosure-withdrawn", "todo-change"),
                disclosures::Reason::Changed => ("todo-disclosure-changed", "todo-change"),
                disclosures::Reason::SixMonths => ("todo-disclosure-six-months", "todo-change"),
            },
        };
        list.push(Todo {
            since: item.since,
            sentence: Say::new(sentence).with("title", item.model_name),
            from: String::new(),
            path: format!("/models/{}/disclosures", item.model),
            action,
        });
    }
    for duty in withdrawals::waiting_for(db, actor).await? {
        let sentence = match duty.kind {
            withdrawals::DutyKind::Purge => "todo-duty-purge",
            withdrawals::DutyKind::DecideModels => "todo-duty-decide-models",
            withdrawals::DutyKind::UpdateDocuments => "todo-duty-update-documents",
        };
        list.push(Todo {
            since: duty.withdrawn_at,
            sentence: Say::new(sentence)
                .with("title", duty.title)
                .with("due", day(lang, duty.due_at)),
            from: String::new(),
            path: format!("/withdrawals/{}", duty.withdrawal),
            action: "todo-see",
        });
    }
    for case in complaints::waiting_for(db, actor).await? {
        let (sentence, action) = match case.waits_for {
            complaints::WaitsFor::Handler => ("todo-complaint-take", "todo-take"),
            complaints::WaitsFor::Decision => ("todo-complaint-decide", "todo-decide"),
            complaints::WaitsFor::Second => ("todo-complaint-confirm", "todo-decide"),
            complaints::WaitsFor::Institution => ("todo-complaint-remark", "todo-show"),
        };
        let due = case.due_at.with_timezone(&chrono_tz::Europe::Amsterdam);
        let is_overdue = if db.now() > case.due_at { "yes" } else { "no" };
        list.push(Todo {
            since: case.since,
            sentence: Say::new(sentence)
                .with("number", case.number)
                .with("due", due.format("%d-%m-%Y"))
                .with("overdue", is_overdue),
            from: String::new(),
            path: format!("/complaints/{}", case.id),
            action,
        });
    }
    for notice in notices::waiting_for(db, actor).await? {
        list.push(Todo {
            since: notice.created_at,
            sentence: Say::new("todo-notice").with("title", notice.title(lang)),
            from: String::new(),
            path: format!("/notices#{}", notice.id),
            action: "todo-read",
        });
    }
    list.sort_by_key(|item| item.since);
    Ok(list)
}

struct Task {
    kind: &'static str,
    age: String,
    sentence: String,
    from: String,
    href: String,
    action: String,
}

struct Suggestion {
    href: String,
    label: String,
}

#[derive(Template)]
#[template(path = "home/tasks.html")]
struct TasksPage {
    chrome: Chrome,
    waiting: Vec<Task>,
    suggestions: Vec<Suggestion>,
    has_no_role: bool,
}

#[get("/{lang:nl|en}/tasks")]
async fn tasks(page: Page, db: web::Data<Db>) -> PageResult {
    let (lang, now) = (page.lang(), db.now());
    let waiting = todo(&db, page.actor(), lang)
        .await?
        .into_iter()
        .map(|item| Task {
            kind: "waiting-for-you",
            age: age(lang, now, item.since),
            sentence: lang.say(&item.sentence),
            from: item.from,
            href: page.path(&item.path),
            action: lang.t(item.action),
        })
        .collect();
    page.show(&TasksPage {
        chrome: page.chrome(),
        waiting,
        suggestions: suggestions(&page),
        has_no_role: page.actor().roles.is_empty(),
    })
}

/// "3 dagen", "vandaag".
fn age(lang: Lang, now: DateTime<Utc>, since: DateTime<Utc>) -> String {
    match (now - since).num_days() {
        days if days <= 0 => lang.t("todo-today"),
        days => lang.t_with("todo-days", &[("days", days.to_string())]),
    }
}

/// The two things that somebody with these roles usually does next.
fn suggestions(page: &Page) -> Vec<Suggestion> {
    let paths: [(Role, &str, &str); 10] = [
        (Role::Contributor, "/datasets/new", "next-register-dataset"),
        (Role::Manager, "/datasets", "next-see-datasets"),
        (Role::Manager, "/contributions", "next-see-contributions"),
        (Role::Researcher, "/jobs/new", "next-request-job"),
        (Role::Researcher, "/datasets", "next-see-datasets"),
        (Role::Developer, "/keys/new", "next-request-key"),
        (Role::Developer, "/usage", "next-see-usage"),
        (Role::Operator, "/jobs", "next-see-jobs"),
        (Role::Operator, "/models", "next-see-models"),
        (Role::Admin, "/admin/provider", "next-describe-provider"),
    ];
    let mut found: Vec<Suggestion> = paths
        .into_iter()
        .filter(|(role, ..)| page.actor().is(*role))
        .map(|(_, path, key)| Suggestion {
            href: page.path(path),
            label: page.lang().t(key),
        })
        .collect();
    if found.is_empty() {
        found.push(Suggestion {
            href: page.path("/datasets"),
            label: page.lang().t("next-see-datasets"),
        });
    }
    found.truncate(2);
    found
}
