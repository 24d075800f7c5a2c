//! The binary: finds out what is asked and hands it over.

use std::path::Path;
use std::process::ExitCode;

use reeve::cli::{self, Command};
use reeve::{command, runtime};

fn main() -> ExitCode {
    let parsed = cli::parse();
    // The shim is small and outlives the server: no threads, no log, nothing else.
    if let Command::Shim(args) = &parsed.command {
        let folder = args.arguments.first().map_or(Path::new(""), Path::new);
        return runtime::shim::run(folder, args.arguments.get(1).and_then(|argument| argument.to_str()));
    }
    let threads = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(threads) => threads,
        Err(_) => return ExitCode::FAILURE,
    };
    threads.block_on(async move {
        match parsed.command {
            Command::Serve(args) => command::serve(args).await,
            Command::Stop(args) => command::stop(args).await,
            Command::Edge(args) => command::edge(args).await,
            Command::Migrate(args) => command::migrate(args).await,
            Command::Schema(_) => command::schema(),
            Command::RotateKeys(args) => command::rotate_keys(args).await,
            Command::RotateMasterKey(args) => command::rotate_master_key(args).await,
            Command::Bootstrap(args) => command::bootstrap(args).await,
            Command::Sample(_) => command::sample::serve().await,
            Command::Client(client) => cli::run_client(client, parsed.global).await,
            Command::Shim(_) => ExitCode::FAILURE,
        }
    })
}
