//! Signing up, in, out, and staying signed in.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use crate::domain::email::EmailAddress;
use crate::domain::name::DisplayName;
use crate::domain::password::Password;
use crate::error::Result;
use crate::graphql::context::{op, request};
use crate::graphql::input::Problems;
use crate::graphql::types::User;
use crate::service::session::{self, Tokens};

/// Who signs up.
#[derive(InputObject)]
struct SignUpInput {
    /// E-mail address.
    email: String,
    /// Display name.
    name: String,
    /// 12 characters or more.
    #[graphql(secret)]
    password: String,
}

/// Who signs in.
#[derive(InputObject)]
struct SignInInput {
    /// E-mail address.
    email: String,
    /// Password.
    #[graphql(secret)]
    password: String,
}

/// A session to go on with.
#[derive(InputObject)]
struct RefreshSessionInput {
    /// The refresh token that came last; it is good for one exchange.
    #[graphql(secret)]
    refresh_token: String,
}

/// A session.
#[derive(SimpleObject)]
struct SessionPayload {
    /// Whose.
    user: User,
    /// Goes with every request: `Authorization: Bearer …`.
    access_token: String,
    /// When the access token ends.
    access_token_expires_at: DateTime<Utc>,
    /// Exchanged once, by `refreshSession`, for the next pair.
    refresh_token: String,
}

impl From<Tokens> for SessionPayload {
    fn from(tokens: Tokens) -> Self {
        Self {
            user: User(tokens.user),
            access_token: tokens.access_token,
            access_token_expires_at: tokens.access_token_expires_at,
            refresh_token: tokens.refresh_token,
        }
    }
}

/// The end of a session.
#[derive(SimpleObject)]
struct SignOutPayload {
    /// Always true: the session has ended.
    signed_out: bool,
}

#[derive(Default)]
pub(super) struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Makes an account, its personal team, and a session.
    async fn sign_up(&self, ctx: &Context<'_>, input: SignUpInput) -> Result<SessionPayload> {
        let mut problems = Problems::default();
        let email = problems.take("email", EmailAddress::parse(&input.email));
        let name = problems.take("name", DisplayName::parse(&input.name));
        let password = problems.take("password", Password::parse(&input.password, &input.email));
        let values = email.zip(name).zip(password);
        let ((email, name), password) = problems.or(values)?;
        let request = request(ctx);
        let input = session::SignUp { email, name, password };
        Ok(session::sign_up(&request.app, &request.op, &request.client, input).await?.into())
    }

    /// Begins a session.
    async fn sign_in(&self, ctx: &Context<'_>, input: SignInInput) -> Result<SessionPayload> {
        let request = request(ctx);
        let tokens = session::sign_in(&request.app, &request.op, &request.client, &input.email, input.password).await?;
        Ok(tokens.into())
    }

    /// Exchanges a refresh token for the next pair of tokens. A second exchange of the same token ends the session.
    async fn refresh_session(&self, ctx: &Context<'_>, input: RefreshSessionInput) -> Result<SessionPayload> {
        let request = request(ctx);
        Ok(session::refresh(&request.app, &request.op, &input.refresh_token).await?.into())
    }

    /// Ends the session that the request came with, at once.
    async fn sign_out(&self, ctx: &Context<'_>) -> Result<SignOutPayload> {
        session::sign_out(op(ctx)).await?;
        Ok(SignOutPayload { signed_out: true })
    }
}
