//! What runs in the background: which task is done by whom, and what recurs.

use std::time::Duration;

use crate::{
    app::Ports,
    complaints, datasets,
    db::Task as _,
    documents, gateway, jobs, notices, uploads,
    worker::{Chore, Handler},
};

/// Every kind of task with its handler.
#[must_use]
pub fn handlers() -> Vec<Handler<Ports>> {
    vec![
        Handler {
            kind: notices::Deliver::KIND,
            run: |ports, task| {
                Box::pin(async move {
                    let task = serde_json::from_value(task)?;
                    Ok(notices::deliver(&ports.db, &ports.mailer, &task).await?)
                })
            },
        },
        Handler {
            kind: uploads::Verify::KIND,
            run: |ports, task| {
                Box::pin(async move {
                    let task = serde_json::from_value(task)?;
                    Ok(uploads::verify(&ports.db, &ports.objects, &task).await?)
                })
            },
        },
        Handler {
            kind: datasets::CarryFile::KIND,
            run: |ports, task| {
                Box::pin(async move {
                    let task = serde_json::from_value(task)?;
                    Ok(uploads::carry(&ports.db, &ports.objects, &task).await?)
                })
            },
        },
        Handler {
            kind: complaints::MailLetter::KIND,
            run: |ports, task| {
                Box::pin(async move {
                    let task = serde_json::from_value(task)?;
                    Ok(complaints::mail(&ports.db, &ports.mailer, &task).await?)
                })
            },
        },
        Handler {
            kind: uploads::Discard::KIND,
            run: |ports, task| {
                Box::pin(async move {
                    let task = serde_json::from_value(task)?;
                    Ok(uploads::discard(&ports.db, &ports.objects, &task).await?)
                })
            },
        },
    ]
}

/// Everything that recurs.
#[must_use]
pub fn chores() -> Vec<Chore<Ports>> {
    let mut chores = vec![
        Chore {
            name: "sweep uploads",
            every: Duration::from_secs(600),
            run: |ports: &Ports| Box::pin(async move { Ok(uploads::sweep(&ports.db).await?) }),
        },
        Chore {
            name: "index verified files",
            every: Duration::from_secs(5),
            run: |ports| {
                Box::pin(async { Ok(documents::catch_up(&ports.db, &ports.objects).await?) })
            },
        },
        Chore {
            name: "delete personal details of decided cases",
            every: Duration::from_secs(3600),
            run: |ports| {
                Box::pin(async {
                    let keep_days = ports.config.complaints.keep_personal_details_days;
                    Ok(complaints::forget(&ports.db, &ports.objects, keep_days).await?)
                })
            },
        },
        Chore {
            name: "escalate notices",
            every: notices::ESCALATE_EVERY,
            run: |ports| notices::escalate_overdue(&ports.db),
        },
        Chore {
            name: "settle what gateways left",
            every: Duration::from_secs(10),
            run: |ports| Box::pin(async { Ok(gateway::sweep(&ports.db, &ports.gateway).await?) }),
        },
    ];
    chores.extend(jobs::chores());
    chores
}
