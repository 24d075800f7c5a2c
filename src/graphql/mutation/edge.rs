//! Changing what the edge does for an environment.

use std::num::NonZeroU32;

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};

use entities::ids::EnvironmentId;

use crate::domain::edge_settings::{self, Redirect};
use crate::domain::password::Password;
use crate::error::{Error, Result};
use crate::graphql::context::{app, op};
use crate::graphql::directive::requires;
use crate::graphql::input::{self, Problems};
use crate::graphql::types::edge::EdgeSettings;
use crate::service::edge;

/// Changes of what the edge does; what is left out stays.
#[derive(InputObject)]
struct UpdateEdgeSettingsInput {
    /// The environment.
    environment_id: ID,
    /// All redirects, in the order in which they are tried.
    redirects: Option<Vec<EdgeRedirectInput>>,
    /// The password that visitors need, sent by HTTP's basic scheme with any user name; null lets everybody in again.
    password: MaybeUndefined<String>,
    /// All own error pages.
    error_pages: Option<Vec<EdgeErrorPageInput>>,
    /// Requests that one client address may make in a minute; null for any number.
    requests_per_minute: MaybeUndefined<i64>,
    /// Whether answers are compressed for clients that ask for it.
    compression: Option<bool>,
    /// The version that the client has seen; 0 while nothing was set.
    expected_version: i32,
}

/// A redirect.
#[derive(InputObject)]
struct EdgeRedirectInput {
    /// A path, or everything below one (`/blog/*`).
    from: String,
    /// A path or an address; `/*` at its end takes over what stands in place of it.
    to: String,
    /// Whether clients may remember it.
    #[graphql(default = false)]
    permanent: bool,
}

/// An own page for an answer of the edge.
#[derive(InputObject)]
struct EdgeErrorPageInput {
    /// The status that it goes with, such as 404 or 503.
    status: i32,
    /// The page, at most 64 KiB.
    html: String,
}

/// The changed settings.
#[derive(SimpleObject)]
struct UpdateEdgeSettingsPayload {
    /// They.
    settings: EdgeSettings,
}

#[derive(Default)]
pub(super) struct EdgeMutation;

#[Object]
impl EdgeMutation {
    /// Changes what the edge does for an environment beside serving it. Requires `edge.manage`.
    #[graphql(directive = requires::apply("edge.manage".into(), "environmentId".into()))]
    async fn update_edge_settings(
        &self,
        ctx: &Context<'_>,
        input: UpdateEdgeSettingsInput,
    ) -> Result<UpdateEdgeSettingsPayload> {
        let id = input::id::<EnvironmentId>("environmentId", &input.environment_id)?;
        let expected = input.expected_version;
        let settings = edge::update(app(ctx), op(ctx), id, parse(input)?, expected).await?;
        Ok(UpdateEdgeSettingsPayload { settings: settings.into() })
    }
}

fn parse(input: UpdateEdgeSettingsInput) -> Result<edge::Update> {
    let mut problems = Problems::default();
    let redirects = input.redirects.map(|redirects| {
        let parse = |(number, it): (usize, EdgeRedirectInput)| {
            problems.take(&format!("redirects.{number}"), Redirect::parse(&it.from, &it.to, it.permanent))
        };
        redirects.into_iter().enumerate().filter_map(parse).collect::<Vec<_>>()
    });
    let pages = input.error_pages.map(|pages| pages.into_iter().map(|page| (page.status, page.html)));
    let error_pages = pages.map(edge_settings::error_pages).transpose()?;
    let password = maybe(input.password, |text| Ok(Password::parse(&text, "").map_err(|it| it.within("password"))?))?;
    let requests_per_minute = maybe(input.requests_per_minute, |requests| {
        let whole = u32::try_from(requests).ok().and_then(NonZeroU32::new);
        whole.ok_or_else(|| {
            let message = "`requestsPerMinute` has to be at least 1, or null for any number";
            Error::invalid("requestsPerMinute", "out_of_range", message)
        })
    })?;
    problems.or(Some(edge::Update {
        redirects,
        password,
        error_pages,
        requests_per_minute,
        compression: input.compression,
    }))
}

/// Left out, null, or a value.
fn maybe<T, U>(given: MaybeUndefined<T>, parse: impl FnOnce(T) -> Result<U>) -> Result<Option<Option<U>>> {
    match given {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Null => Ok(Some(None)),
        MaybeUndefined::Value(value) => parse(value).map(|value| Some(Some(value))),
    }
}
