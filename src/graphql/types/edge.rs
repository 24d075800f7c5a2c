//! What the edge does for an environment beside serving it.

use async_graphql::SimpleObject;

use crate::domain::edge_settings::EdgeSettings as Settings;

/// What the edge does for an environment beside serving it: on its link, its custom domains and the links of its deployments.
#[derive(SimpleObject)]
pub(in crate::graphql) struct EdgeSettings {
    /// Where requests for some paths are sent instead; the first that fits counts.
    redirects: Vec<EdgeRedirect>,
    /// Whether visitors need a password.
    password_protected: bool,
    /// Own pages in place of the edge's, for browsers.
    error_pages: Vec<EdgeErrorPage>,
    /// Requests that one client address may make in a minute; null for any number.
    requests_per_minute: Option<i64>,
    /// Whether answers are compressed for clients that ask for it.
    compression: bool,
    /// Grows with every change, 0 while nothing was set; give it back as `expectedVersion`.
    version: i32,
}

/// A redirect.
#[derive(SimpleObject)]
struct EdgeRedirect {
    /// A path, or everything below one (`/blog/*`).
    from: String,
    /// A path or an address; `/*` at its end takes over what stands in place of it.
    to: String,
    /// Whether clients may remember it.
    permanent: bool,
}

/// An own page for an answer of the edge.
#[derive(SimpleObject)]
struct EdgeErrorPage {
    /// The status that it goes with.
    status: i32,
    /// The page.
    html: String,
}

impl From<(Settings, i32)> for EdgeSettings {
    fn from((settings, version): (Settings, i32)) -> Self {
        let redirects = settings.redirects.iter().map(|redirect| EdgeRedirect {
            from: redirect.from().to_owned(),
            to: redirect.to().to_owned(),
            permanent: redirect.permanent(),
        });
        let pages = settings.error_pages.into_iter();
        Self {
            redirects: redirects.collect(),
            password_protected: settings.password_hash.is_some(),
            error_pages: pages.map(|(status, html)| EdgeErrorPage { status: status.into(), html }).collect(),
            requests_per_minute: settings.requests_per_minute.map(|requests| requests.get().into()),
            compression: settings.compression,
            version,
        }
    }
}
