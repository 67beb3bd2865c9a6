//! `faculty`: the portal's one program.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use virtual_faculty::{cli, demo};

/// The portal through which partners contribute to GPT-NL and build on it.
#[derive(Parser)]
#[command(name = "faculty", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve pages, API and gateway. Stateless: any number may run over one database and store.
    Serve {
        /// Do the background work in this process too.
        #[arg(long)]
        with_worker: bool,
    },
    /// Do the background work: verification, dispatch, follow-up. Any number may run.
    Worker,
    /// Bring the database's schema up to this version.
    Migrate,
    /// Start everything on this machine with embedded parts, and play the main job.
    Demo(demo::Options),
    /// Look at the settings.
    #[command(subcommand)]
    Config(cli::ConfigCommand),
    /// First steps and checks for whoever runs the portal.
    #[command(subcommand)]
    Admin(cli::AdminCommand),
    /// Upload the files of a folder to a draft dataset.
    Upload(cli::UploadOptions),
    /// Check a receipt without the portal: its signature and, where given, the model's files and all that went in.
    VerifyReceipt(cli::VerifyReceiptOptions),
    /// Read a PDF from standard input and write its text as JSON, within strict limits; the worker starts it.
    #[command(hide = true)]
    ReadPdf,
    /// Check an export of the audit log without the portal; names every place that does not hold.
    VerifyBundle(cli::VerifyBundleOptions),
}

fn main() -> ExitCode {
    // One TLS provider for all; everything that speaks TLS panics without one.
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        return ExitCode::FAILURE;
    }
    let arguments = Arguments::parse();
    let outcome = actix_web::rt::System::new().block_on(async {
        match arguments.command {
            Command::Serve { with_worker } => cli::serve(with_worker).await,
            Command::Worker => cli::worker().await,
            Command::Migrate => cli::migrate().await,
            Command::Demo(options) => demo::run(options).await,
            Command::Config(command) => cli::config(&command),
            Command::Admin(command) => cli::admin(command).await,
            Command::Upload(options) => cli::upload(options).await,
            Command::VerifyReceipt(options) => cli::verify_receipt(options),
            Command::ReadPdf => virtual_faculty::agreements::read_from_stdin(),
            Command::VerifyBundle(options) => cli::verify_bundle(&options),
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(
                clippy::print_stderr,
                reason = "the last word of a program is for people"
            )]
            {
                eprintln!("faculty: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
