//! Measures what a gateway adds: `upstream` answers at once with canned text and true counts, `load` asks.
//!
//! Both speak plain HTTP/1.1 over sockets of their own, so that what they cost stays small beside what is measured.

mod http;
mod load;
mod upstream;

use std::net::SocketAddr;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answers every chat request with the same text; a stream in one event for each token.
    Upstream {
        #[arg(long, default_value = "127.0.0.1:9100")]
        bind: SocketAddr,
        /// Tokens of each answer.
        #[arg(long, default_value_t = 20)]
        tokens: u32,
    },
    /// Asks for some time and prints how long answers took.
    Load(load::Options),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // One thread: what is left of the machine is the gateway's.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match arguments.command {
            Command::Upstream { bind, tokens } => upstream::serve(bind, tokens).await,
            Command::Load(options) => load::run(options).await,
        }
    })
}
