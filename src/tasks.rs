//! What runs in the background: which task is done by whom, and what recurs.

use std::time::Duration;

use crate::{
    app::Ports,
    audit,
    db::Task as _,
    gateway, jobs, uploads,
    worker::{Chore, Handler},
};

/// Every kind of task with its handler.
#[must_use]
pub fn handlers() -> Vec<Handler<Ports>> {
    vec![
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
            name: "settle what gateways left",
            every: Duration::from_secs(10),
            run: |ports| Box::pin(async { Ok(gateway::sweep(&ports.db, &ports.gateway).await?) }),
        },
    ];
    chores.push(Chore {
        name: "check and sign the audit log",
        every: Duration::from_secs(60),
        run: |ports| {
            Box::pin(async {
                audit::sign(&ports.audit_log(), audit::When::Due).await?;
                Ok(())
            })
        },
    });
    chores.extend(jobs::chores());
    chores
}
