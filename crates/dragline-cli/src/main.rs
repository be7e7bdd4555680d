//! Starts the `dragline` program: reads the command line and ends with a documented exit code.

mod args;
mod config;
mod crawl;
mod demo;
mod exit;
mod explain;
mod export;
mod fetch;
mod live;
mod log;
mod look;
mod output;
mod progress;
mod signals;
mod simulate;
mod state;
mod status;

use clap::Parser;

use crate::args::{Cli, Command};

/// The crawl allocates many small things on many threads; mimalloc was measured to be the faster allocator for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    let ended = match cli.command {
        Command::Run(args) => crawl::run(&args),
        Command::Fetch(args) => fetch::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Config { command } => config::run(&command),
        Command::Demo(args) => demo::run(&args),
        Command::Simulate(args) => simulate::run(&args),
    };
    match ended {
        Ok(exit) => exit.code(),
        Err(fault) => {
            output::complain(&fault);
            fault.exit.code()
        }
    }
}
