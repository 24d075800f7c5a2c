//! `reeve serve`: reads the configuration, starts everything, and stops it when told to. `reeve edge`: the part of it that
//! goes on.

use std::io::IsTerminal;
use std::process::ExitCode;

use nix::sys::stat::{Mode, umask};
use nix::unistd::setsid;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::output::say;
use super::{demo, report};
use crate::cli::{EdgeArgs, IsolationArg, LogFormat, ServeArgs};
use crate::config::{Config, Isolation, Layer, Password};
use crate::domain::quote;
use crate::error::{Error, Result};
use crate::server::{self, EdgePlace};
use crate::sys::env;

/// Runs until SIGTERM or SIGINT; then takes nothing new and lets what is under way end. The edge and the programs go on, but
/// for those of a demo.
pub async fn serve(args: ServeArgs) -> ExitCode {
    report(served(args).await)
}

async fn served(args: ServeArgs) -> Result<()> {
    log(args.log_format)?;
    // Programs read their releases as users of their own; the data folder around them is closed to everybody else.
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    let with_demo = args.demo;
    let config = configured(args)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| Error::Internal(e.to_string()))?;
    let data = config.data.clone();
    let server = server::start(config, EdgePlace::Apart).await?;
    say(&format!("api listening on http://{}", server.api_address()));
    say(&format!("edge listening on http://{}", server.edge_address()));
    let demo = async {
        if with_demo {
            demo::run(&format!("http://{}", server.api_address()), &data).await?;
        }
        std::future::pending::<Result<()>>().await
    };
    tokio::select! {
        outcome = demo => outcome?,
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    say("stopping");
    server.shutdown().await;
    if with_demo {
        return server::stop(&data).await.map(|_| ());
    }
    let folder = data.display();
    say(&format!(
        "the edge and the programs go on; `reeve serve` takes them over again, `reeve stop --data {folder}` stops them"
    ));
    Ok(())
}

/// Serves deployments, with or without a server, until it is stopped or replaced.
pub async fn edge(args: EdgeArgs) -> ExitCode {
    // Out of the server's session: a signal to its terminal or group is not for visitors. It fails only for a group leader,
    // which is out already.
    let _ = setsid();
    let serves = async {
        log(None)?;
        crate::edge::process::run(&args.folder).await.map_err(|e| Error::Unavailable(format!("the edge's socket: {e}")))
    };
    report(serves.await)
}

fn configured(args: ServeArgs) -> Result<Config> {
    let file = match &args.config {
        None => Layer::default(),
        Some(path) => {
            let failed =
                |e| Error::invalid("config", "unreadable", format!("`{}` cannot be read ({e})", path.display()));
            Layer::parse(&std::fs::read_to_string(path).map_err(failed)?)?
        }
    };
    let flags = Layer {
        data: args.storage.data,
        database_url: args.storage.database_url,
        listen: args.listen.as_deref().map(|text| address("--listen", text)).transpose()?,
        edge_listen: args.edge_listen.as_deref().map(|text| address("--edge-listen", text)).transpose()?,
        base_domain: args.base_domain,
        public_url: args.public_url,
        edge_url: args.edge_url,
        production: args.production.then_some(true),
        isolation: args.isolation.map(|how| match how {
            IsolationArg::Auto => Isolation::Auto,
            IsolationArg::None => Isolation::None,
        }),
        ..Layer::default()
    };
    let config = Config::defaults("data".into())?.with(file)?.with(flags)?;
    let (master_key, smtp_password) = (env::var("REEVE_MASTER_KEY"), env::var("REEVE_SMTP_PASSWORD").map(Password));
    Ok(Config { master_key, smtp_password, ..config })
}

fn address(flag: &str, text: &str) -> Result<std::net::SocketAddr> {
    let expected = || format!("{} is no address such as `127.0.0.1:8000`", quote(text));
    text.parse().map_err(|_| Error::invalid(flag, "not_an_address", expected()))
}

/// What is said goes to standard error: text for people, JSON for machines. `RUST_LOG` chooses how much.
fn log(format: Option<LogFormat>) -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,reeve=info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    let set = match format {
        LogFormat::Text => builder.with_ansi(terminal).with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    set.map_err(|e| Error::Internal(format!("logging: {e}")))
}
