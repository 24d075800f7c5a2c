//! The arguments of the commands that run or prepare a server; the commands themselves are not here. Every value is
//! optional, so that a configuration file can lie under the flags.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, ValueEnum};

/// Where a server keeps its things.
#[derive(Args, Clone, Debug, Default)]
pub struct StorageArgs {
    /// Folder with the database, the artifacts and the keys [default: ./data]
    #[arg(long, value_name = "DIR", env = "REEVE_DATA", hide_env_values = true)]
    pub data: Option<PathBuf>,
    /// Database [default: SQLite in the data folder]
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

/// Arguments of `reeve serve`.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeArgs {
    /// Configuration file (TOML); flags and environment variables lie above it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where things are kept.
    #[command(flatten)]
    pub storage: StorageArgs,
    /// Where the API listens [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Where deployments are served [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub edge_listen: Option<String>,
    /// Domain that all links lie below [default: localhost]
    #[arg(long, value_name = "DOMAIN")]
    pub base_domain: Option<String>,
    /// Address of the API as clients see it [default: made from --listen]
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Address of the edge as visitors see it; links are made from it [default: made from --edge-listen]
    #[arg(long, value_name = "URL")]
    pub edge_url: Option<String>,
    /// Refuse to start where programs cannot be isolated completely
    #[arg(long, env = "REEVE_PRODUCTION", hide_env_values = true)]
    pub production: bool,
    /// Whether programs are isolated [default: auto, as well as this machine can]
    #[arg(long, value_name = "HOW", env = "REEVE_ISOLATION", hide_env_values = true)]
    pub isolation: Option<IsolationArg>,
    /// How log lines are written [default: text on a terminal, json otherwise]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Begin with example users, projects and deployments
    #[arg(long)]
    pub demo: bool,
}

/// Whether programs are isolated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IsolationArg {
    /// As well as this machine can
    Auto,
    /// Not at all: programs run as you, and see all that you see
    None,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Arguments of `reeve migrate`.
#[derive(Args, Clone, Debug, Default)]
pub struct MigrateArgs {
    /// Where things are kept.
    #[command(flatten)]
    pub storage: StorageArgs,
    /// Undo the newest N migrations instead
    #[arg(long, value_name = "N", conflicts_with = "status")]
    pub down: Option<u32>,
    /// Show which migrations are applied, and change nothing
    #[arg(long)]
    pub status: bool,
}

/// Arguments of `reeve schema`.
#[derive(Args, Clone, Debug, Default)]
pub struct SchemaArgs {}

/// Arguments of `reeve rotate-keys`.
#[derive(Args, Clone, Debug, Default)]
pub struct RotateKeysArgs {
    /// Where things are kept.
    #[command(flatten)]
    pub storage: StorageArgs,
}

/// Arguments of `reeve rotate-master-key`.
#[derive(Args, Clone, Debug, Default)]
pub struct RotateMasterKeyArgs {
    /// Where things are kept.
    #[command(flatten)]
    pub storage: StorageArgs,
}

/// Arguments of `reeve bootstrap`.
#[derive(Args, Clone, Debug)]
pub struct BootstrapArgs {
    /// E-mail address of somebody who has signed up
    pub email: String,
    /// The role that they get on the console
    #[arg(long, default_value = "mia-console/console-super-user")]
    pub role: String,
    /// Where things are kept.
    #[command(flatten)]
    pub storage: StorageArgs,
}

/// Arguments of the hidden `reeve shim`, which the server starts deployments with.
#[derive(Args, Clone, Debug, Default)]
pub struct ShimArgs {
    /// Passed on as they are.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}

/// Arguments of `reeve stop`.
#[derive(Args, Clone, Debug, Default)]
pub struct StopArgs {
    /// Where things are kept.
    #[command(flatten)]
    pub storage: StorageArgs,
}

/// Arguments of the hidden `reeve edge`, which the server starts to serve deployments.
#[derive(Args, Clone, Debug)]
pub struct EdgeArgs {
    /// The data folder.
    pub folder: PathBuf,
}

/// Arguments of the hidden `reeve sample`, a program to deploy in demonstrations and tests.
#[derive(Args, Clone, Debug, Default)]
pub struct SampleArgs {}
