//! Signing up, in, out, and staying signed in. Whether an address has an account shows neither in the answer to a sign-in nor
//! in its timing.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Semaphore;

use entities::ids::{SessionId, TeamId, UserId};
use entities::values::{TeamRole, UserKind};
use entities::{refresh_token, session, team, team_member, user};

use super::{App, blocking};
use crate::authn::opaque::RefreshToken;
use crate::authn::rate_limit::Limiter;
use crate::authn::{passwords, tokens};
use crate::domain::email::EmailAddress;
use crate::domain::name::DisplayName;
use crate::domain::password::Password;
use crate::error::{Error, Result};
use crate::op::{Actor, Op};
use crate::store::{self, Store, Write};
use crate::sys::{clock, ids};

/// A session ends after this long, however often it was refreshed.
const SESSION: TimeDelta = TimeDelta::days(30);

/// Calls of one webhook or deploy hook, and from one client address.
const HOOK_CALLS_PER_MINUTE: NonZeroU32 = NonZeroU32::MIN.saturating_add(59);

/// Limits on attempts: what guessing passwords costs, in time of others and of this machine.
pub struct Limits {
    by_client: Limiter,
    by_email: Limiter,
    by_hook: Limiter,
    pub(super) hashing: Arc<Semaphore>,
}

impl Limits {
    /// At most so many attempts a minute from one client address; a third of it for one account.
    pub fn new(attempts_per_minute: NonZeroU32) -> Option<Self> {
        let minute = Duration::from_secs(60);
        let for_one_account = NonZeroU32::new(attempts_per_minute.get().div_ceil(3))?;
        Some(Self {
            by_client: Limiter::per(minute, attempts_per_minute)?,
            by_email: Limiter::per(minute, for_one_account)?,
            by_hook: Limiter::per(minute, HOOK_CALLS_PER_MINUTE)?,
            // Each hash takes 19 MiB and a processor: more at once would only be slower.
            hashing: Arc::new(Semaphore::new(2)),
        })
    }

    /// Counts a call of a webhook or a deploy hook, by who calls or by what is called.
    ///
    /// # Errors
    /// `RateLimited` when there were too many.
    pub fn hook(&self, key: &str) -> Result<()> {
        self.by_hook.check(key).map_err(|retry_after_seconds| Error::RateLimited { retry_after_seconds })
    }

    fn check(&self, client: &str, email: &str) -> Result<()> {
        let limited = |retry_after_seconds| Error::RateLimited { retry_after_seconds };
        self.by_client.check(client).map_err(limited)?;
        self.by_email.check(email).map_err(limited)
    }
}

/// Who signs up.
pub struct SignUp {
    /// Their address.
    pub email: EmailAddress,
    /// Their name.
    pub name: DisplayName,
    /// Their password.
    pub password: Password,
}

/// What a session is used with.
pub struct Tokens {
    /// Whose session.
    pub user: user::Model,
    /// Sent with every request.
    pub access_token: String,
    /// When the access token ends.
    pub access_token_expires_at: DateTime<Utc>,
    /// Exchanged once for the next pair.
    pub refresh_token: String,
}

/// Makes an account, its personal team, and a session.
///
/// # Errors
/// `Conflict` when the address is in use, `RateLimited`.
pub async fn sign_up(app: &App, op: &Op, client: &str, input: SignUp) -> Result<Tokens> {
    app.limits.check(client, input.email.as_str())?;
    let hash = {
        let _turn = app.limits.hashing.acquire().await.map_err(|e| Error::Internal(e.to_string()))?;
        let password = input.password.clone();
        blocking(move || passwords::hash(&password)).await?.map_err(|_| Error::Internal("hashing failed".into()))?
    };
    let now = clock::now();
    let row = user::Model {
        id: ids::new(),
        email: input.email.as_str().to_owned(),
        name: input.name.as_str().to_owned(),
        kind: UserKind::Person,
        password_hash: Some(hash),
        suspended_at: None,
        created_at: now,
        version: 1,
    };
    let mut write = op.write_access("user.sign_up").await?;
    write.entry().actor = Some(row.id);
    write.entry().subject = Some(row.id.to_string());
    let row = store::user::create(&mut write, row).await?;
    add_personal_team(app, &mut write, &row).await?;
    let tokens = begin(app, &mut write, row).await?;
    write.commit().await?;
    Ok(tokens)
}

async fn add_personal_team(app: &App, write: &mut Write, user: &user::Model) -> Result<()> {
    let now = clock::now();
    let row = team::Model {
        id: ids::new::<TeamId>(),
        name: user.name.clone(),
        personal_user_id: Some(user.id),
        created_at: now,
        version: 1,
    };
    let member = team_member::Model { team_id: row.id, user_id: user.id, role: TeamRole::Owner, created_at: now };
    let scope = row.id.into();
    store::team::create(write, row, member).await?;
    store::binding::create_for_maker(write, user.id, &app.config.policy.team_creator, scope).await?;
    Ok(())
}

/// Begins a session.
///
/// # Errors
/// `Unauthenticated` when address or password is wrong, whichever; `RateLimited`.
pub async fn sign_in(app: &App, op: &Op, client: &str, email: &str, password: String) -> Result<Tokens> {
    let wrong = || Error::Unauthenticated("the e-mail address or the password is wrong".to_owned());
    app.limits.check(client, &email.to_lowercase())?;
    let found = match EmailAddress::parse(email) {
        Ok(email) => store::user::find_by_email(op.store(), &email).await?,
        Err(_) => None,
    };
    let hash = found.as_ref().and_then(|user| user.password_hash.clone());
    let good = {
        let _turn = app.limits.hashing.acquire().await.map_err(|e| Error::Internal(e.to_string()))?;
        blocking(move || passwords::verify_or_dummy(hash.as_deref(), &password)).await?
    };
    let user = found.filter(|user| good && user.suspended_at.is_none()).ok_or_else(wrong)?;
    let mut write = op.write("session.sign_in").await?;
    write.entry().actor = Some(user.id);
    write.entry().subject = Some(user.id.to_string());
    let tokens = begin(app, &mut write, user).await?;
    write.commit().await?;
    Ok(tokens)
}

async fn begin(app: &App, write: &mut Write, user: user::Model) -> Result<Tokens> {
    let now = clock::now();
    let session = session::Model {
        id: ids::new::<SessionId>(),
        user_id: user.id,
        created_at: now,
        expires_at: now + SESSION,
        ended_at: None,
        ended_reason: None,
    };
    let id = session.id;
    store::session::create(write, session).await?;
    next_tokens(app, write, user, id).await
}

async fn next_tokens(app: &App, write: &mut Write, user: user::Model, session: SessionId) -> Result<Tokens> {
    let now = clock::now();
    let refresh = RefreshToken::generate();
    let row = refresh_token::Model { hash: refresh.hash(), session_id: session, created_at: now, used_at: None };
    store::session::add_token(write, row).await?;
    let ring = app.keys.ring();
    let access = tokens::issue_access(&ring, &user.id.to_string(), &session.to_string(), now)
        .map_err(|_| Error::Internal("an access token could not be signed".to_owned()))?;
    Ok(Tokens {
        user,
        access_token: access,
        access_token_expires_at: now + tokens::ACCESS_LIFETIME,
        refresh_token: refresh.reveal().to_owned(),
    })
}

/// Exchanges a refresh token for the next pair. A token that was exchanged before has been stolen by one of the two who had
/// it: the whole session ends.
///
/// # Errors
/// `Unauthenticated` when the token is not good any more.
pub async fn refresh(app: &App, op: &Op, token: &str) -> Result<Tokens> {
    let over = || Error::Unauthenticated("the session has ended; sign in again".to_owned());
    let token = RefreshToken::parse(token).ok_or_else(over)?;
    let mut write = op.write("session.refresh").await?;
    let (row, session) = store::session::find_token(&write, &token.hash()).await?.ok_or_else(over)?;
    write.entry().actor = Some(session.user_id);
    write.entry().subject = Some(session.id.to_string());
    if session.ended_at.is_some() || session.expires_at < clock::now() {
        return Err(over());
    }
    if row.used_at.is_some() || !store::session::use_token(&mut write, &row.hash).await? {
        write.entry().operation = "session.replayed";
        store::session::end(&mut write, session.id, "replayed").await?;
        write.commit().await?;
        return Err(over());
    }
    let user = store::user::find(&write, session.user_id).await?;
    let user = user.filter(|user| user.suspended_at.is_none()).ok_or_else(over)?;
    let tokens = next_tokens(app, &mut write, user, session.id).await?;
    write.commit().await?;
    Ok(tokens)
}

/// Ends the session that the request came with.
///
/// # Errors
/// `Unauthenticated` when there is none.
pub async fn sign_out(op: &Op) -> Result<()> {
    let (_, session) = op.session()?;
    let mut write = op.write("session.sign_out").await?;
    write.entry().subject = Some(session.to_string());
    store::session::end(&mut write, session, "signed_out").await?;
    write.commit().await
}

/// Who an access token speaks for. The session is looked up every time, so that signing out counts at once.
///
/// # Errors
/// `Unauthenticated` when the token or its session is not good any more.
pub async fn authenticate(app: &App, store: &Store, token: &str) -> Result<Actor> {
    let refused = |text: &str| Error::Unauthenticated(text.to_owned());
    let claims = tokens::verify_access(&app.keys.ring(), token, clock::now()).map_err(|error| match error {
        tokens::TokenError::Expired => refused("the access token has expired; refresh the session"),
        tokens::TokenError::Invalid => refused("the access token is not valid; sign in again"),
    })?;
    let parsed = (claims.sid.parse::<SessionId>(), claims.sub.parse::<UserId>());
    let (Ok(session), Ok(id)) = parsed else {
        return Err(refused("the access token is not valid; sign in again"));
    };
    let user = store::session::live_user(store, session).await?;
    if user == Some(id) {
        Ok(Actor::User { id, session })
    } else {
        Err(refused("the session has ended; sign in again"))
    }
}
