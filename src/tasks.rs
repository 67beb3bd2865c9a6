//! What runs in the background: which task is done by whom, and what recurs.

use std::time::Duration;

use crate::{
    app::Ports,
    db::Task as _,
    gateway, jobs, notices, uploads, withdrawals,
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
            kind: withdrawals::Purge::KIND,
            run: |ports, task| {
                Box::pin(async move {
                    let task = serde_json::from_value(task)?;
                    Ok(withdrawals::purge(&ports.db, &ports.objects, &task).await?)
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
            name: "escalate notices",
            every: notices::ESCALATE_EVERY,
            run: |ports| notices::escalate_overdue(&ports.db),
        },
        Chore {
            name: "purge work folders",
            every: withdrawals::FOLDERS_EVERY,
            run: |ports| {
                Box::pin(
                    async move { Ok(withdrawals::purge_folders(&ports.db, &ports.compute).await?) },
                )
            },
        },
        Chore {
            name: "purge what could not be purged",
            every: withdrawals::AGAIN_EVERY,
            run: |ports| {
                Box::pin(
                    async move { Ok(withdrawals::purge_again(&ports.db, &ports.objects).await?) },
                )
            },
        },
        Chore {
            name: "report overdue duties",
            every: withdrawals::OVERDUE_EVERY,
            run: |ports| Box::pin(async move { Ok(withdrawals::report_overdue(&ports.db).await?) }),
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
