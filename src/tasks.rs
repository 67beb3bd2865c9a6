//! What runs in the background: which task is done by whom, and what recurs.

use std::time::Duration;

use crate::{
    agreements,
    app::Ports,
    audit, complaints, datasets,
    db::Task as _,
    disclosures, documents, fine_tuning, gateway, jobs, keys, ledger, notices, rights_checks,
    serving, uploads, webhooks, withdrawals,
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
        Handler {
            kind: rights_checks::Look::KIND,
            run: |ports, task| {
                Box::pin(async move {
                    let asked = serde_json::from_value(task)?;
                    let (db, objects) = (&ports.db, &ports.objects);
                    Ok(rights_checks::recheck(db, objects, &ports.fetcher, &asked).await?)
                })
            },
        },
        Handler {
            kind: agreements::ReadDocument::KIND,
            run: |ports, task| {
                Box::pin(async move {
                    let task = serde_json::from_value(task)?;
                    let (db, objects, config) = (&ports.db, &ports.objects, &ports.config);
                    Ok(agreements::read_document(db, objects, config, &task).await?)
                })
            },
        },
        Handler {
            kind: agreements::Discard::KIND,
            run: |ports, task| {
                Box::pin(async move {
                    let task = serde_json::from_value(task)?;
                    Ok(agreements::discard(&ports.db, &ports.objects, &task).await?)
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
            name: "look at sources again",
            every: Duration::from_secs(60),
            run: |ports| {
                Box::pin(async {
                    let (db, objects) = (&ports.db, &ports.objects);
                    Ok(rights_checks::recheck_due(db, objects, &ports.fetcher).await?)
                })
            },
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
            name: "remind of answers that are due",
            every: complaints::REMIND_EVERY,
            run: |ports| Box::pin(async { Ok(complaints::remind(&ports.db).await?) }),
        },
        Chore {
            name: "tell of budgets that end",
            every: keys::ALERT_EVERY,
            run: |ports| Box::pin(async { Ok(keys::tell_of_budgets(&ports.db).await?) }),
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
            name: "purge what attempts had learnt",
            every: withdrawals::FOLDERS_EVERY,
            run: |ports| {
                Box::pin(async move {
                    Ok(withdrawals::purge_artifacts(&ports.db, &ports.objects).await?)
                })
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
        Chore {
            name: "see to what is served where",
            every: Duration::from_secs(5),
            run: |ports| Box::pin(async { Ok(serving::arrange(&ports.db).await?) }),
        },
        Chore {
            name: "look at published documents again",
            every: disclosures::LOOK_EVERY,
            run: |ports| Box::pin(async { Ok(disclosures::look(&ports.db).await?) }),
        },
    ];
    chores.push(Chore {
        name: "close months of the ledger",
        every: Duration::from_secs(3600),
        run: |ports| {
            Box::pin(async {
                ledger::close_due(&ports.db, &ports.signer, ports.db.now()).await?;
                Ok(())
            })
        },
    });
    chores.push(Chore {
        name: "check and sign the audit log",
        every: Duration::from_secs(60),
        run: |ports| {
            Box::pin(async {
                match audit::sign(&ports.audit_log(), audit::When::Due).await {
                    Err(audit::SignError::Broken(problem)) => {
                        audit::alarm(&ports.db, &problem).await?;
                        Err(audit::SignError::Broken(problem).into())
                    }
                    other => Ok(other.map(|_| ())?),
                }
            })
        },
    });
    chores.push(Chore {
        name: "fine_tuning.advance",
        every: Duration::from_secs(1),
        run: |ports| {
            Box::pin(async {
                let ports = fine_tuning::Ports {
                    db: &ports.db,
                    objects: &ports.objects,
                    config: &ports.config,
                    compute: &ports.compute,
                };
                Ok(fine_tuning::sweep(ports).await?)
            })
        },
    });
    chores.push(Chore {
        name: "fine_tuning.uploads",
        every: Duration::from_secs(60),
        run: |ports| {
            Box::pin(async { Ok(fine_tuning::sweep_uploads(&ports.db, &ports.objects).await?) })
        },
    });
    chores.push(Chore {
        name: "fine_tuning.expired",
        every: Duration::from_secs(60),
        run: |ports| Box::pin(async { Ok(fine_tuning::sweep_expired(&ports.db).await?) }),
    });
    chores.push(Chore {
        name: "webhooks.deliver",
        every: Duration::from_secs(1),
        run: |ports| {
            Box::pin(async { Ok(webhooks::sweep(&ports.db, &ports.fetcher, &ports.config).await?) })
        },
    });
    chores.extend(jobs::chores());
    chores
}
