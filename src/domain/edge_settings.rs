//! What the edge does for an environment beside serving it: redirects, a password, own error pages, a rate limit,
//! compression. Pure: it must not know requests.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::invalid::{Invalid, quote};

const MAX_REDIRECTS: usize = 200;
const MAX_PATH: usize = 2048;
/// Bytes of one page, and of all.
const MAX_PAGE: usize = 64 << 10;
const MAX_PAGES: usize = 8;
/// Answers that the edge itself gives.
const PAGES: [u16; 8] = [401, 404, 429, 500, 502, 503, 504, 405];
/// What stands at the end of a path for everything below it.
const REST: &str = "/*";

/// What the edge does for an environment. It is read back from storage without a second check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EdgeSettings {
    /// The first that fits counts.
    pub redirects: Vec<Redirect>,
    /// Hash of the password that visitors need.
    pub password_hash: Option<String>,
    /// HTML by the status that it goes with.
    pub error_pages: BTreeMap<u16, String>,
    /// Requests that one client address may make in a minute.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Whether answers are compressed for clients that ask for it.
    pub compression: bool,
}

impl Default for EdgeSettings {
    fn default() -> Self {
        Self {
            redirects: Vec::new(),
            password_hash: None,
            error_pages: BTreeMap::new(),
            requests_per_minute: None,
            compression: true,
        }
    }
}

/// Where requests for a path are sent instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    from: String,
    to: String,
    permanent: bool,
}

impl Redirect {
    /// From a path, or from everything below one (`/blog/*`), to a path or an address; the same `/*` at its end takes over
    /// what stands in place of it.
    ///
    /// # Errors
    /// When either is malformed, or it leads to itself.
    pub fn parse(from: &str, to: &str, permanent: bool) -> Result<Self, Invalid> {
        path(from).map_err(|problem| problem.within("from"))?;
        let address = to.strip_prefix("https://").or_else(|| to.strip_prefix("http://"));
        match address {
            None => path(to).map_err(|problem| problem.within("to"))?,
            Some(rest) => {
                plain(to).map_err(|problem| problem.within("to"))?;
                if rest.is_empty() || rest.starts_with('/') {
                    let message = format!("{} names no host, write it as `https://www.example.com/`", quote(to));
                    return Err(Invalid::new("not_a_url", message).within("to"));
                }
            }
        }
        if to.ends_with(REST) && !from.ends_with(REST) {
            let message = format!("{} ends in `/*`, and {} does not; both or neither", quote(to), quote(from));
            return Err(Invalid::new("no_rest", message).within("to"));
        }
        let within = from.strip_suffix(REST).filter(|_| address.is_none());
        if from == to || within.is_some_and(|folder| to.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
        {
            return Err(Invalid::new("circle", format!("{} leads to itself", quote(from))).within("to"));
        }
        Ok(Self { from: from.to_owned(), to: to.to_owned(), permanent })
    }

    /// The path, or the path and `/*`.
    #[must_use]
    pub fn from(&self) -> &str {
        &self.from
    }

    /// The path or address.
    #[must_use]
    pub fn to(&self) -> &str {
        &self.to
    }

    /// Whether clients may remember it.
    #[must_use]
    pub fn permanent(&self) -> bool {
        self.permanent
    }

    /// Where a request for `path` is sent, if it is. What is taken over never makes the address of another host.
    #[must_use]
    pub fn target(&self, path: &str) -> Option<String> {
        let Some(folder) = self.from.strip_suffix(REST) else {
            return (path == self.from).then(|| self.to.clone());
        };
        let rest = path.strip_prefix(folder).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        Some(match self.to.strip_suffix(REST) {
            None => self.to.clone(),
            Some(to) => format!("{to}/{}", rest.trim_start_matches(['/', '\\'])),
        })
    }
}

/// A path from the root, without a query, that no browser takes for another host.
fn path(text: &str) -> Result<(), Invalid> {
    plain(text)?;
    let other_host = text.starts_with("//") || text.contains('\\');
    if !text.starts_with('/') || other_host || text.contains(['?', '#']) {
        let message = format!("{} is no path, write it as `/old` or `/old/*`", quote(text));
        return Err(Invalid::new("not_a_path", message));
    }
    Ok(())
}

/// What can stand in a header as it is.
fn plain(text: &str) -> Result<(), Invalid> {
    if text.len() > MAX_PATH {
        return Err(Invalid::new("too_long", format!("{} is too long, use {MAX_PATH} bytes at most", quote(text))));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("{} has spaces or letters outside ASCII, write them as `%20` and the like", quote(text));
        return Err(Invalid::new("characters", message));
    }
    Ok(())
}

/// Refuses more redirects than one may have.
///
/// # Errors
/// When there are too many.
pub fn check_redirects(redirects: &[Redirect]) -> Result<(), Invalid> {
    if redirects.len() > MAX_REDIRECTS {
        return Err(Invalid::new("too_many", format!("have at most {MAX_REDIRECTS} redirects")).within("redirects"));
    }
    Ok(())
}

/// Reads own error pages.
///
/// # Errors
/// For a status that the edge does not answer with, and pages that are too large or too many.
pub fn error_pages(pages: impl IntoIterator<Item = (i32, String)>) -> Result<BTreeMap<u16, String>, Invalid> {
    let mut read = BTreeMap::new();
    for (number, (status, html)) in pages.into_iter().enumerate() {
        let within = |problem: Invalid| problem.within(&number.to_string()).within("errorPages");
        let Some(status) = u16::try_from(status).ok().filter(|status| PAGES.contains(status)) else {
            let known = PAGES.map(|status| status.to_string()).join(", ");
            let message = format!("the edge never answers with `{status}`, only with {known}");
            return Err(within(Invalid::new("unknown", message).within("status")));
        };
        if html.len() > MAX_PAGE {
            let message = format!("the page is too long, use {MAX_PAGE} bytes at most");
            return Err(within(Invalid::new("too_long", message).within("html")));
        }
        if read.len() >= MAX_PAGES || read.insert(status, html).is_some() {
            return Err(within(Invalid::new("twice", format!("there are two pages for `{status}`"))));
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(from: &str, to: &str, path: &str) -> Option<String> {
        Redirect::parse(from, to, true).ok().and_then(|redirect| redirect.target(path))
    }

    #[test]
    fn a_redirect_takes_its_path_and_what_is_below_if_it_says_so() {
        assert_eq!(target("/old", "/new", "/old"), Some("/new".to_owned()));
        assert_eq!(target("/old", "/new", "/old/"), None);
        assert_eq!(target("/blog/*", "/news/*", "/blog/a/b"), Some("/news/a/b".to_owned()));
        assert_eq!(target("/blog/*", "/news/*", "/blog"), Some("/news/".to_owned()));
        assert_eq!(target("/blog/*", "/news/*", "/blogs"), None);
        assert_eq!(target("/*", "https://example.com/*", "/a"), Some("https://example.com/a".to_owned()));
        assert_eq!(target("/gone/*", "/", "/gone/x"), Some("/".to_owned()));
    }

    #[test]
    fn nothing_that_a_visitor_writes_names_another_host() {
        for path in ["/out//evil.example", "/out/\\evil.example", "/out///evil.example"] {
            assert_eq!(target("/out/*", "/*", path), Some("/evil.example".to_owned()), "{path}");
        }
    }

    #[test]
    fn malformed_redirects_are_refused() {
        for (from, to, constraint) in [
            ("old", "/new", "not_a_path"),
            ("/old?x=1", "/new", "not_a_path"),
            ("//old", "/new", "not_a_path"),
            ("/old", "//evil.example", "not_a_path"),
            ("/old", "/\\evil.example", "not_a_path"),
            ("/old", "javascript:alert(1)", "not_a_path"),
            ("/old", "https://", "not_a_url"),
            ("/old", "https:///x", "not_a_url"),
            ("/old", "/new/*", "no_rest"),
            ("/old", "/a b", "characters"),
            ("/old", "/a\r\nSet-Cookie: x", "characters"),
            ("/same", "/same", "circle"),
            ("/*", "/new", "circle"),
            ("/a/*", "/a/b/*", "circle"),
        ] {
            let refused = Redirect::parse(from, to, false).map_err(|problem| problem.constraint);
            assert_eq!(refused, Err(constraint), "{from} {to}");
        }
    }

    #[test]
    fn only_answers_of_the_edge_have_pages() {
        assert!(error_pages([(404, "<p>".to_owned()), (503, String::new())]).is_ok());
        assert!(error_pages([(200, String::new())]).is_err());
        assert!(error_pages([(-1, String::new())]).is_err());
        assert!(error_pages([(404, String::new()), (404, String::new())]).is_err());
        assert!(error_pages([(404, "x".repeat(MAX_PAGE + 1))]).is_err());
    }
}
