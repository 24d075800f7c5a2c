//! How others are told of what happens: by webhooks, and by mail. It must not know what they are told.

use serde::Deserialize;

use crate::error::{Error, Result};

/// A password, which is printed nowhere.
#[derive(Clone)]
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(redacted)")
    }
}

/// How others are told of what happens.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outbox {
    /// Whether webhooks may be on this machine, or in a network that is not public.
    pub private_addresses: bool,
    /// After so many seconds, an answer is not waited for any more.
    pub timeout_seconds: u64,
    /// So many seconds after the first attempt comes the second; each later one is waited for about four times as long as
    /// the one before.
    pub retry_seconds: f64,
}

impl Default for Outbox {
    fn default() -> Self {
        // The eighth attempt comes about a day after the first.
        Self { private_addresses: false, timeout_seconds: 15, retry_seconds: 12.0 }
    }
}

impl Outbox {
    /// Refuses what cannot be.
    pub(super) fn check(&self) -> Result<()> {
        // Half a minute is enough for the last attempt to come two days later.
        if self.retry_seconds > 0.0 && self.retry_seconds <= 30.0 {
            return Ok(());
        }
        let text = "`outbox.retry_seconds` has to be above 0 and at most 30";
        Err(Error::invalid("outbox.retry_seconds", "out_of_range", text))
    }
}

/// How mail is sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    /// The mail server, as `smtps://host` or `smtp://host:587?tls=required`; a folder below the data folder takes the mails
    /// where there is none.
    pub smtp: Option<String>,
    /// Who signs in there.
    pub user: Option<String>,
    /// Who mails are from.
    pub from: String,
}

impl Default for Mail {
    fn default() -> Self {
        Self { smtp: None, user: None, from: "Reeve <reeve@localhost>".to_owned() }
    }
}
