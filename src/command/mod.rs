//! The commands that run on the server's own machine, on its data. Everything else is a client's.

use std::process::ExitCode;

use crate::audit::Entry;
use crate::cli::{BootstrapArgs, Exit, MigrateArgs, RotateKeysArgs, RotateMasterKeyArgs, StorageArgs};
use crate::config::{Config, Layer};
use crate::domain::email::EmailAddress;
use crate::error::{Error, Result};
use crate::server;
use crate::service::access;
use crate::service::keys::Keys;
use crate::store::Store;
use crate::sys::env;

mod demo;
mod output;
pub mod sample;
mod serve;
mod stop;

pub use serve::{edge, serve};
pub use stop::stop;

use output::say;

/// Prints the schema: the contract.
pub fn schema() -> ExitCode {
    say(crate::graphql::schema::sdl().trim_end());
    ExitCode::SUCCESS
}

/// Brings the schema of the database up to date, or takes migrations back, or tells what there is to do.
pub async fn migrate(args: MigrateArgs) -> ExitCode {
    report(migrated(args).await)
}

async fn migrated(args: MigrateArgs) -> Result<()> {
    let config = configured(args.storage)?;
    tokio::fs::create_dir_all(&config.data).await.map_err(|e| Error::Unavailable(format!("the data folder: {e}")))?;
    let store = Store::connect(&config.database(), server::packs()?).await?;
    let pending = store.pending_migrations().await?;
    if args.status {
        say(&if pending.is_empty() { "up to date".to_owned() } else { format!("to do: {}", pending.join(", ")) });
    } else if let Some(steps) = args.down {
        store.migrate_down(steps).await?;
        say(&format!("took back {steps} migrations"));
    } else {
        store.migrate().await?;
        say(&format!("ran {} migrations", pending.len()));
    }
    Ok(())
}

/// Signs with a new key from now on. A running server takes it over within seconds; nobody is signed out.
pub async fn rotate_keys(args: RotateKeysArgs) -> ExitCode {
    report(rotated(args).await)
}

async fn rotated(args: RotateKeysArgs) -> Result<()> {
    let config = configured(args.storage)?;
    let store = server::open_store(&config).await?;
    let keys = Keys::open(&store, server::master_key(&config)?, server::ISSUER.to_owned()).await?;
    let kid = keys.rotate(&store).await?;
    say(&format!("tokens are signed with `{kid}` from now on"));
    Ok(())
}

/// Seals everything with a new master key. Interrupted at any moment, it can be run again.
pub async fn rotate_master_key(args: RotateMasterKeyArgs) -> ExitCode {
    report(master_key_rotated(args).await)
}

async fn master_key_rotated(args: RotateMasterKeyArgs) -> Result<()> {
    let (resealed, id) = server::rotate_master_key(&configured(args.storage)?).await?;
    say(&format!("sealed {resealed} values anew; the master key is `{id}` now"));
    Ok(())
}

/// Gives somebody a role on the console: how the first administrator comes to be.
pub async fn bootstrap(args: BootstrapArgs) -> ExitCode {
    report(bootstrapped(args).await)
}

async fn bootstrapped(args: BootstrapArgs) -> Result<()> {
    let config = configured(args.storage)?;
    let store = server::open_store(&config).await?;
    let email = EmailAddress::parse(&args.email).map_err(|problem| problem.within("email"))?;
    access::bootstrap(&store, &server::packs()?, &email, &args.role, Entry::new("access.bootstrap", None, "-".into()))
        .await?;
    say(&format!("`{}` holds `{}` on the console", args.email, args.role));
    Ok(())
}

/// The configuration of a local command: defaults, environment, flags.
fn configured(storage: StorageArgs) -> Result<Config> {
    let config = Config::defaults("data".into())?;
    let layer = Layer { data: storage.data, database_url: storage.database_url, ..Layer::default() };
    let config = config.with(layer)?;
    Ok(Config { master_key: env::var("REEVE_MASTER_KEY"), ..config })
}

fn report(outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Error::Internal(text) = &error {
                output::complain(&format!("error: {text}"));
            } else {
                output::complain(&format!("error: {}", error.message()));
            }
            ExitCode::from(exit(&error))
        }
    }
}

fn exit(error: &Error) -> Exit {
    match error {
        Error::InvalidInput(_) | Error::IdempotencyKeyReused | Error::TooComplex(_) => Exit::Usage,
        Error::Unauthenticated(_) => Exit::NotSignedIn,
        Error::Forbidden { .. } | Error::AuthorityEnded { .. } => Exit::Refused,
        Error::NotFound { .. } => Exit::NotFound,
        Error::Conflict(_) | Error::FailedPrecondition { .. } => Exit::Conflict,
        Error::RateLimited { .. } | Error::Unavailable(_) => Exit::Unavailable,
        Error::Internal(_) => Exit::Failed,
    }
}
