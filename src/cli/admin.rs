//! First steps and checks for whoever runs the portal.

use std::path::PathBuf;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Subcommand;

use super::audit::{AuditCommand, ExportOptions, audit, export};
use crate::{
    app::Ports,
    bootstrap::{add_member, keep, register_base},
    config::Config,
    institutions::{self, NewInstitution},
    jobs, ledger,
    models::{BaseLicence, DistributionScope},
    permissions::Recipients,
    policy::{Actor, Role},
    process::start_logging,
    signing,
};

/// `faculty admin …`
#[derive(Subcommand)]
pub enum AdminCommand {
    /// Make the platform's institution and its first admin, known by the identity provider's subject.
    Bootstrap {
        /// Short name of the platform's institution.
        #[arg(long, default_value = "tno")]
        slug: String,
        /// Its name.
        #[arg(long, default_value = "TNO")]
        name: String,
        /// The admin's `sub` at the configured issuer.
        #[arg(long)]
        subject: String,
        /// The admin's name.
        #[arg(long)]
        admin_name: String,
    },
    /// Make an institution, or bring it up to date.
    Institution {
        /// Short name, in model names and addresses.
        #[arg(long)]
        slug: String,
        /// Its name.
        #[arg(long)]
        name: String,
        /// A `schac_home_organization` that belongs to it; may be repeated.
        #[arg(long = "home")]
        home_organizations: Vec<String>,
        /// An identity provider that may say so; may be repeated.
        #[arg(long = "authority")]
        authorities: Vec<String>,
    },
    /// Give a person a role in an institution.
    Member {
        /// The institution's short name.
        #[arg(long)]
        slug: String,
        /// The person's `sub` at the configured issuer.
        #[arg(long)]
        subject: String,
        /// Their name, until they first sign in.
        #[arg(long)]
        name: String,
        /// The role.
        #[arg(long)]
        role: String,
    },
    /// Bring a base model in: upload its files, register and release it.
    RegisterBaseModel {
        /// Its name in requests.
        #[arg(long)]
        name: String,
        /// The family that permissions name.
        #[arg(long)]
        family: String,
        /// SPDX id of its licence.
        #[arg(long)]
        license: String,
        /// Where an agreement with its maker says so: who may receive the model and what is made of it, one of
        /// `consortium`, `research_licensees`, `professional_licensees` and `public`. Without this, as far as is known
        /// of the licence; one that is not known allows the consortium alone.
        #[arg(long)]
        recipients: Option<Recipients>,
        /// With `--recipients`: the agreement also allows use for profit.
        #[arg(long, requires = "recipients")]
        commercial: bool,
        /// The GGUF file, or a folder in the model hub's layout: config.json, tokenizer.json, *.safetensors.
        path: PathBuf,
    },
    /// Look after the use ledger.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Look after the key that receipts, checkpoints and statements are signed with.
    #[command(subcommand)]
    SigningKey(SigningKeyCommand),
    /// Look after verdicts on uses of datasets.
    #[command(subcommand)]
    Verdicts(VerdictsCommand),
    /// Look after the audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Write what an auditor needs into one file: lines, proofs, checkpoints, receipts, terms.
    ExportBundle(ExportOptions),
}

/// `faculty admin signing-key …`
#[derive(Subcommand)]
pub enum SigningKeyCommand {
    /// Print the published keys with the time in which each holds.
    List,
    /// Make the configured `signing_key` the active one and close the one before; its signatures stay valid.
    Rotate,
    /// Declare that nothing holds which a key signed from a moment on.
    Revoke {
        /// The key's id, as in the list.
        keyid: String,
        /// From when on, for example 2026-11-25T08:00:00Z; now where it is left out.
        #[arg(long)]
        since: Option<DateTime<Utc>>,
        /// Why, for everybody to read.
        #[arg(long)]
        reason: String,
    },
}

/// `faculty admin verdicts …`
#[derive(Subcommand)]
pub enum VerdictsCommand {
    /// Make every verdict again from the policy it was read from; fails where one comes out otherwise.
    Verify,
}

/// `faculty admin ledger …`
#[derive(Subcommand)]
pub enum LedgerCommand {
    /// Compute every closed month anew from raw events, check the signatures of the statements and compare with the
    /// audit log; fails, naming each place that does not hold.
    Verify,
    /// Close every month that ended more than a day ago, as the worker does each hour.
    Close,
}

/// Does it.
///
/// # Errors
/// Where the settings or the database cannot be used, or the check fails.
#[expect(clippy::print_stdout, reason = "its output is its purpose")]
pub async fn admin(command: AdminCommand) -> anyhow::Result<()> {
    let config = Config::load()?;
    start_logging(&config.log_format);
    let ports = Ports::new(config)?;
    ports.db.migrate().await.context("the database's schema")?;
    match command {
        AdminCommand::Bootstrap {
            slug,
            name,
            subject,
            admin_name,
        } => {
            let platform = NewInstitution {
                slug: &slug,
                name: &name,
                is_platform: true,
                home_organizations: &[],
                authenticating_authorities: &[],
            };
            let person = (subject.as_str(), admin_name.as_str());
            keep(&ports, &platform, &[(person, Role::Admin)]).await?;
            println!("{name} is the platform, {admin_name} its admin.");
        }
        AdminCommand::Institution {
            slug,
            name,
            home_organizations,
            authorities,
        } => {
            let homes: Vec<&str> = home_organizations.iter().map(String::as_str).collect();
            let authorities: Vec<&str> = authorities.iter().map(String::as_str).collect();
            let partner = NewInstitution {
                slug: &slug,
                name: &name,
                is_platform: false,
                home_organizations: &homes,
                authenticating_authorities: &authorities,
            };
            keep(&ports, &partner, &[]).await?;
            println!("{name} takes part.");
        }
        AdminCommand::Member {
            slug,
            subject,
            name,
            role,
        } => {
            let role: Role = role.parse()?;
            let institution = institutions::find_by_slug(&ports.db, &slug)
                .await?
                .with_context(|| format!("there is no institution {slug}"))?;
            add_member(&ports, institution.id, &slug, (&subject, &name), role).await?;
            println!("{name} is {} of {}.", role.name(), institution.name);
        }
        AdminCommand::RegisterBaseModel {
            name,
            family,
            license,
            recipients,
            commercial,
            path,
        } => {
            let license = BaseLicence {
                label: &license,
                agreed: recipients.map(|recipients| DistributionScope {
                    recipients,
                    allows_commercial_use: commercial,
                    ..DistributionScope::unlimited()
                }),
            };
            ports.objects.prepare(&ports.config.origin()).await?;
            let id = register_base(&ports, &name, &family, license, &path).await?;
            println!("{name} is registered as {id}.");
        }
        AdminCommand::Ledger(LedgerCommand::Verify) => {
            let (months, differences) = ledger::verify(&ports.db).await?;
            for difference in &differences {
                println!("{difference}");
            }
            anyhow::ensure!(
                differences.is_empty(),
                "the ledger does not hold in {} places",
                differences.len()
            );
            println!(
                "The use ledger holds: {months} closed months, all as the raw events and the audit log say, and signed."
            );
        }
        AdminCommand::Ledger(LedgerCommand::Close) => {
            let closed = ledger::close_due(&ports.db, &ports.signer, ports.db.now()).await?;
            for month in &closed {
                println!("{month} is closed.");
            }
            if closed.is_empty() {
                println!("No month is due.");
            }
        }
        AdminCommand::SigningKey(command) => signing_key(&ports, command).await?,
        AdminCommand::Verdicts(VerdictsCommand::Verify) => {
            let found = jobs::verify_verdicts(&ports.db).await?;
            for difference in &found.different {
                println!("{difference}");
            }
            println!(
                "{} verdicts come out the same, {} otherwise; {} are older than the keeping of policies.",
                found.same,
                found.different.len(),
                found.without_text
            );
            anyhow::ensure!(
                found.different.is_empty(),
                "verdicts differ from their policies"
            );
        }
        AdminCommand::Audit(command) => audit(&ports, &command).await?,
        AdminCommand::ExportBundle(options) => export(&ports, &options).await?,
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "its output is its purpose")]
async fn signing_key(ports: &Ports, command: SigningKeyCommand) -> anyhow::Result<()> {
    let system = Actor::system();
    match command {
        SigningKeyCommand::List => {}
        SigningKeyCommand::Rotate => signing::rotate(&ports.db, &system, &ports.signer).await?,
        SigningKeyCommand::Revoke {
            keyid,
            since,
            reason,
        } => {
            let since = since.unwrap_or_else(|| ports.db.now());
            signing::revoke(&ports.db, &system, &keyid, since, &reason).await?;
        }
    }
    let mut conn = ports.db.read().await?;
    let keys = signing::published(&mut conn).await?;
    println!("{}", serde_json::to_string_pretty(&keys)?);
    Ok(())
}
