//! The keys that sign tokens: made at the first start, kept sealed, rotated without signing anybody out.

use std::sync::Arc;

use arc_swap::ArcSwap;
use chrono::TimeDelta;

use entities::signing_key::Model;

use crate::audit::Entry;
use crate::authn::keys::{KeyRing, SigningKey};
use crate::authn::master_key::MasterKey;
use crate::error::{Error, Result};
use crate::store::{Store, signing_key};
use crate::sys::clock;

/// A key signs this long before the next one takes over.
const ROTATE_AFTER: TimeDelta = TimeDelta::days(30);

/// The ring in force, replaced as a whole.
pub struct Keys {
    ring: ArcSwap<KeyRing>,
    master: MasterKey,
    issuer: String,
}

impl Keys {
    /// Opens the stored keys, or makes the first one.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer or the master key does not open what is stored.
    pub async fn open(store: &Store, master: MasterKey, issuer: String) -> Result<Self> {
        if signing_key::all(store).await?.is_empty() {
            add(store, &master).await?;
        }
        let ring = ArcSwap::from(open(signing_key::all(store).await?, &master, &issuer)?);
        Ok(Self { ring, master, issuer })
    }

    /// The ring to sign and verify with.
    pub fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// Signs with a new key from now on; what the old one signed stays good until it expires.
    ///
    /// # Errors
    /// As [`Keys::open`].
    pub async fn rotate(&self, store: &Store) -> Result<String> {
        let kid = add(store, &self.master).await?;
        self.take(signing_key::all(store).await?)?;
        Ok(kid)
    }

    /// Takes over what another process rotated, and rotates when it is time.
    ///
    /// # Errors
    /// As [`Keys::open`].
    pub async fn keep(&self, store: &Store) -> Result<()> {
        let keys = signing_key::all(store).await?;
        if keys.last().is_none_or(|newest| newest.created_at + ROTATE_AFTER < clock::now()) {
            self.rotate(store).await.map(|_| ())
        } else {
            self.take(keys)
        }
    }

    fn take(&self, keys: Vec<Model>) -> Result<()> {
        self.ring.store(open(keys, &self.master, &self.issuer)?);
        Ok(())
    }
}

async fn add(store: &Store, master: &MasterKey) -> Result<String> {
    let key = SigningKey::generate(clock::now());
    let row = Model {
        kid: key.kid().to_owned(),
        sealed_private_key: key
            .seal(master)
            .map_err(|_| Error::Internal("a signing key could not be sealed".into()))?,
        created_at: key.created_at(),
        retired_at: None,
    };
    let mut write = store.write(Entry::new("signing_key.rotate", None, "-".to_owned())).await?;
    write.entry().subject = Some(row.kid.clone());
    signing_key::add(&mut write, row).await?;
    write.commit().await?;
    Ok(key.kid().to_owned())
}

fn open(rows: Vec<Model>, master: &MasterKey, issuer: &str) -> Result<Arc<KeyRing>> {
    let keys = rows.into_iter().map(|row| {
        SigningKey::open(master, &row.kid, &row.sealed_private_key, row.created_at, row.retired_at).map_err(|_| {
            Error::Unavailable(
                "the master key does not open the signing keys; start with the one they were made with".into(),
            )
        })
    });
    let keys = keys.collect::<Result<Vec<_>>>()?;
    let ring = KeyRing::new(issuer, keys).ok_or_else(|| Error::Internal("no key may sign".to_owned()))?;
    Ok(Arc::new(ring))
}
