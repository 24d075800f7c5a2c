//! What visitors read when the edge itself answers: a page for browsers, JSON or one line of text for programs. Nothing
//! internal goes into them: no address, no path, no error text of a library.

use std::collections::HashMap;

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    header::{
        ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
        RETRY_AFTER, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    },
};

use super::body::{ResponseBody, full};

const PAGE: &str = include_str!("page.html");
/// Seconds until a waiting page asks again.
const WAIT: &str = "2";

/// Why the edge answers itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    BadRequest(&'static str),
    RequestTimeout,
    Misdirected,
    Locked,
    TooOften(u64),
    UnknownLink,
    UnknownDomain,
    NotFound,
    MethodNotAllowed,
    Starting,
    Failed(String),
    Stopped(String),
    Replaced,
    BadGateway,
    Timeout,
    Unreadable,
}

struct Words<'a> {
    title: &'static str,
    text: &'a str,
    advice: &'static str,
}

impl Problem {
    /// The status.
    pub(super) fn status(&self) -> StatusCode {
        self.told().0
    }

    /// The status, and the same in a word for programs.
    fn told(&self) -> (StatusCode, &'static str) {
        match self {
            Problem::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Problem::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
            Problem::Misdirected => (StatusCode::MISDIRECTED_REQUEST, "misdirected"),
            Problem::Locked => (StatusCode::UNAUTHORIZED, "locked"),
            Problem::TooOften(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
            Problem::UnknownLink => (StatusCode::NOT_FOUND, "unknown_host"),
            Problem::UnknownDomain => (StatusCode::NOT_FOUND, "unknown_host"),
            Problem::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Problem::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Problem::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
            Problem::Failed(_) => (StatusCode::SERVICE_UNAVAILABLE, "failed"),
            Problem::Stopped(_) => (StatusCode::SERVICE_UNAVAILABLE, "stopped"),
            Problem::Replaced => (StatusCode::SERVICE_UNAVAILABLE, "replaced"),
            Problem::BadGateway => (StatusCode::BAD_GATEWAY, "bad_gateway"),
            Problem::Timeout => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
            Problem::Unreadable => (StatusCode::INTERNAL_SERVER_ERROR, "unreadable"),
        }
    }

    fn words(&self) -> Words<'_> {
        let (title, text, advice) = match self {
            Problem::BadRequest(what) => {
                ("This request cannot be understood", *what, "Correct the request and send it again.")
            }
            Problem::RequestTimeout => (
                "The upload stopped",
                "The rest of the request did not arrive in time.",
                "Check the connection and send it again.",
            ),
            Problem::Misdirected => (
                "This connection is for another site",
                "The connection was made for one host name and the request names another.",
                "Send the request again on a connection of its own.",
            ),
            Problem::Locked => (
                "This site needs a password",
                "Whoever runs it has locked it.",
                "Send the password, with any user name.",
            ),
            Problem::TooOften(_) => {
                ("Too many requests", "Too many requests came from this address.", "Wait a moment, and send it again.")
            }
            Problem::UnknownLink => (
                "Nothing is deployed here",
                "No deployment has this address. It may have been deleted, or the link may be misspelled.",
                "Check the address. If it is yours, look at the environment's deployments in your console.",
            ),
            Problem::UnknownDomain => (
                "This domain is not connected yet",
                "The domain points to this server, but no environment has claimed it.",
                "If it is yours, add the domain to an environment in your console.",
            ),
            Problem::NotFound => (
                "Page not found",
                "This deployment has no file at this address.",
                "Check the address, or start from the home page.",
            ),
            Problem::MethodNotAllowed => (
                "Files can only be read",
                "This deployment is a static site; it answers GET and HEAD.",
                "Send the request to a deployment that runs a program.",
            ),
            Problem::Starting => (
                "Starting\u{2026}",
                "The deployment is being started.",
                "This page reloads by itself until it is ready.",
            ),
            Problem::Failed(message) => (
                "This deployment could not start",
                message.as_str(),
                "If it is yours, read its log in your console and deploy again, or roll back.",
            ),
            Problem::Stopped(message) => {
                ("This deployment is not running", message.as_str(), "If it is yours, start it again in your console.")
            }
            Problem::Replaced => (
                "A new version has taken over",
                "The version that worked on this request was replaced before it answered.",
                "Send the request again; the new version answers.",
            ),
            Problem::BadGateway => (
                "The deployment did not answer",
                "Its program refused the connection or broke it off.",
                "Try again in a moment. If it is yours, read its log in your console.",
            ),
            Problem::Timeout => (
                "The deployment took too long",
                "Its program accepted the request but did not begin to answer in time.",
                "Try again in a moment. If it is yours, read its log in your console.",
            ),
            Problem::Unreadable => (
                "This file cannot be read",
                "The server has the file on record but cannot read it.",
                "Tell the people who run this server, with the request's number.",
            ),
        };
        Words { title, text, advice }
    }

    fn retry_after(&self) -> Option<HeaderValue> {
        match self {
            Problem::Starting => Some(HeaderValue::from_static(WAIT)),
            Problem::Replaced => Some(HeaderValue::from_static("0")),
            Problem::TooOften(seconds) => Some(HeaderValue::from(*seconds)),
            Problem::BadRequest(_)
            | Problem::RequestTimeout
            | Problem::Misdirected
            | Problem::Locked
            | Problem::UnknownLink
            | Problem::UnknownDomain
            | Problem::NotFound
            | Problem::MethodNotAllowed
            | Problem::Failed(_)
            | Problem::Stopped(_)
            | Problem::BadGateway
            | Problem::Timeout
            | Problem::Unreadable => None,
        }
    }
}

/// What an answer of the edge takes from the request.
pub(super) struct Asked<'a> {
    pub(super) accept: Form,
    pub(super) host: &'a str,
    pub(super) request_id: &'a HeaderValue,
    /// Own pages of the host's owner, by status.
    pub(super) pages: Option<&'a HashMap<u16, Bytes>>,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Html,
    Json,
    Plain,
}

impl Form {
    /// A browser names HTML; whoever takes anything, as curl does, reads text.
    pub(super) fn wanted(headers: &HeaderMap) -> Self {
        let accepts = |kind: &str| {
            let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
            values
                .flat_map(|value| value.split(','))
                .any(|part| part.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(kind)))
        };
        if accepts("text/html") {
            Form::Html
        } else if accepts("application/json") {
            Form::Json
        } else {
            Form::Plain
        }
    }
}

/// The answer to a request that no deployment answers.
pub(super) fn page(problem: &Problem, asked: &Asked<'_>) -> Response<ResponseBody> {
    let words = problem.words();
    let (status, code) = problem.told();
    let request_id = asked.request_id.to_str().unwrap_or_default();
    let (kind, body) = match asked.accept {
        Form::Html => ("text/html; charset=utf-8", html(problem, &words, asked.host, request_id)),
        Form::Json => ("application/json", json(code, &words, asked.host, request_id)),
        Form::Plain => (
            "text/plain; charset=utf-8",
            format!("{}: {} {} (Reeve, {}, request {request_id})\n", words.title, words.text, words.advice, asked.host),
        ),
    };
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(CONTENT_TYPE, kind);
    set(CACHE_CONTROL, "no-store");
    set(VARY, "accept");
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
    if *problem == Problem::MethodNotAllowed {
        set(ALLOW, "GET, HEAD");
    }
    if *problem == Problem::Locked {
        set(WWW_AUTHENTICATE, "Basic realm=\"site\", charset=\"UTF-8\"");
    }
    if let Some(seconds) = problem.retry_after() {
        headers.insert(RETRY_AFTER, seconds);
    }
    let own = asked.pages.and_then(|pages| pages.get(&status.as_u16())).filter(|_| asked.accept == Form::Html);
    if let Some(html) = own {
        // Its styles and scripts are its owner's business, as they are on every other page of the site.
        headers.remove(CONTENT_SECURITY_POLICY);
        *response.body_mut() = full(html.clone());
    }
    response
}

fn html(problem: &Problem, words: &Words<'_>, host: &str, request_id: &str) -> String {
    let waits = matches!(problem, Problem::Starting | Problem::Replaced);
    let refresh = if waits { format!("\n<meta http-equiv=\"refresh\" content=\"{WAIT}\">") } else { String::new() };
    let values = [
        ("refresh", refresh),
        ("title", escape(words.title)),
        ("status", problem.told().0.as_u16().to_string()),
        ("text", escape(words.text)),
        ("advice", escape(words.advice)),
        ("host", escape(host)),
        ("request_id", escape(request_id)),
    ];
    let mut page = String::with_capacity(PAGE.len() + 512);
    let mut rest = PAGE;
    // Filled in one pass, so that a value that looks like a place is not filled again. A brace of the style sheet names
    // no value and stays.
    while let Some((before, after)) = rest.split_once('{') {
        page.push_str(before);
        match values.iter().find(|(name, _)| after.strip_prefix(name).is_some_and(|end| end.starts_with('}'))) {
            Some((name, value)) => {
                page.push_str(value);
                rest = &after[name.len() + 1..];
            }
            None => {
                page.push('{');
                rest = after;
            }
        }
    }
    page.push_str(rest);
    page
}

fn json(code: &str, words: &Words<'_>, host: &str, request_id: &str) -> String {
    serde_json::json!({
        "error": {
            "code": code,
            "message": format!("{}: {} {}", words.title, words.text, words.advice),
            "host": host,
            "requestId": request_id,
            "by": "reeve",
        }
    })
    .to_string()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
