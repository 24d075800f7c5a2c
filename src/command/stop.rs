//! `reeve stop`: ends what goes on when a server has ended, the edge and the programs.

use std::process::ExitCode;

use super::output::say;
use super::{configured, report};
use crate::cli::StopArgs;
use crate::error::Result;
use crate::server;

/// Stops the edge and the programs of a data folder. The next `reeve serve` starts them again.
pub async fn stop(args: StopArgs) -> ExitCode {
    report(stopped(args).await)
}

async fn stopped(args: StopArgs) -> Result<()> {
    let (edge, programs) = server::stop(&configured(args.storage)?.data).await?;
    let edge = if edge { "stopped the edge" } else { "no edge was running" };
    say(&match programs {
        0 => edge.to_owned(),
        1 => format!("{edge}, stopped 1 program"),
        more => format!("{edge}, stopped {more} programs"),
    });
    Ok(())
}
