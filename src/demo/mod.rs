//! `faculty demo`: everything on one machine with embedded parts, and the main job played over the public
//! interfaces, as people and programs would.

mod browser;
mod disclose;
mod job;
mod key;
mod model;
mod people;
mod play;
mod processes;
mod record;
mod setup;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

pub use self::{
    browser::{Answer, Browser, Uploaded},
    disclose::{base_facts, provider_facts, public_facts},
    people::{INSTITUTIONS, InstitutionOfDemo, PEOPLE, PersonOfDemo, provider_people, seed},
    play::{Played, Stage, play},
    record::Record,
};
use crate::{bootstrap, process};

/// `faculty demo`
#[derive(Args)]
pub struct Options {
    /// The portal's port; the other parts take the ports after it, or free ones.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where everything is kept.
    #[arg(long, default_value = ".faculty")]
    data: PathBuf,
    /// Empty the data folder first.
    #[arg(long)]
    fresh: bool,
    /// Play the main job, stop everything and exit: 0 if each step held.
    #[arg(long, conflicts_with = "serve")]
    exit: bool,
    /// Start everything without playing.
    #[arg(long)]
    serve: bool,
    /// The GGUF file of the demo base model (`scripts/fetch-base-model` fetches it).
    #[arg(long)]
    base_model: PathBuf,
}

/// The base model's name in requests.
pub const BASE_MODEL: &str = "smollm2-135m-instruct";

/// Starts, plays, stays.
///
/// # Errors
/// Where a part cannot be started or a step did not hold.
#[expect(clippy::print_stdout, reason = "its output is its purpose")]
pub async fn run(options: Options) -> anyhow::Result<()> {
    process::start_logging("quiet");
    let folder = setup::Folder::open(&options.data, options.fresh)?;
    println!(
        "Starting the virtual faculty in {}",
        folder.path().display()
    );
    let mut parts = processes::Parts::start(&folder, options.port).await?;
    let outcome = tokio::select! {
        outcome = stay_up(&options, &folder, &mut parts) => outcome,
        () = process::stop_signal() => match options.exit {
            true => Err(anyhow::anyhow!("stopped before the main job was played to its end")),
            false => Ok(()),
        },
    };
    parts.stop(&folder).await;
    outcome
}

#[expect(clippy::print_stdout, reason = "its output is its purpose")]
async fn stay_up(
    options: &Options,
    folder: &setup::Folder,
    parts: &mut processes::Parts,
) -> anyhow::Result<()> {
    let supervised = parts.supervise();
    let work = async {
        let ports = processes::ports(&supervised.settings)?;
        supervised.wait_until_ready().await?;
        seed(&ports)
            .await
            .context("the demo's institutions and people")?;
        let base = bootstrap::register_base(
            &ports,
            BASE_MODEL,
            "smollm2",
            "Apache-2.0",
            &options.base_model,
        )
        .await
        .context("the demo's base model")?;
        let mut record = supervised.record(folder);
        record.write()?;
        println!("\n  Portal      {}", supervised.settings.url);
        println!(
            "  Sign in as  admin, steward, legal, operator, manager.waterland, … (password = login name)\n"
        );
        if options.serve {
            println!("Everything is up. Stop with Ctrl-C.");
            return Ok(());
        }
        let stage = Stage::new(&supervised.settings.url, base);
        play(&stage, &mut record).await?;
        if !options.exit {
            println!("\nEverything stays up for browsing. Stop with Ctrl-C.");
        }
        Ok::<_, anyhow::Error>(())
    };
    let watch = supervised.watch(folder);
    tokio::pin!(watch);
    let done = tokio::select! {
        done = work => done,
        broken = &mut watch => broken,
    };
    done?;
    if options.exit {
        return Ok(());
    }
    watch.await
}
