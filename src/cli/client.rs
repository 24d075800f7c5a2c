//! Speaks GraphQL with one server as the signed-in user, and keeps the session fresh. It must not know any command.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, Url, header, redirect::Policy};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    credentials::{Login, Vault},
    exit::Exit,
    failure::Failure,
};
use crate::{
    domain::invalid::quote,
    sys::{env, random},
};

/// Where a server listens when nobody says otherwise.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8000";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(3_600);
/// Bytes of an answer that are read at most, far above any honest page.
const MAX_ANSWER: usize = 64 << 20;

const REFRESH: &str = "mutation Refresh($input: RefreshSessionInput!) {
  session: refreshSession(input: $input) { user { email } accessToken refreshToken }
}";

/// What every way to a session answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    user: SessionUser,
    access_token: String,
    refresh_token: String,
}

#[derive(Deserialize)]
struct SessionUser {
    email: String,
}

impl From<Session> for Login {
    fn from(session: Session) -> Self {
        Self { email: session.user.email, access_token: session.access_token, refresh_token: session.refresh_token }
    }
}

/// The answer to a mutation that begins or goes on with a session, under the alias `session`.
#[derive(Deserialize)]
pub(super) struct SessionAnswer {
    pub(super) session: Session,
}

/// A connection's page.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    nodes: Vec<T>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    data: Option<Value>,
    #[serde(default)]
    errors: Vec<ApiError>,
}

#[derive(Deserialize)]
struct ApiError {
    message: String,
    #[serde(default)]
    extensions: Map<String, Value>,
}

/// One server, and who speaks with it.
pub(super) struct Client {
    http: reqwest::Client,
    server: String,
    vault: Vault,
    /// The token of a script; such a session is not refreshed.
    token: Option<String>,
}

impl Client {
    /// A client of the server that is named, or of the latest sign-in, or of this machine.
    pub(super) fn new(server: Option<&str>) -> Result<Self, Failure> {
        let vault = Vault::open()?;
        let server = match server {
            Some(server) => server.to_owned(),
            None => vault.current()?.unwrap_or_else(|| DEFAULT_SERVER.to_owned()),
        };
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            // A redirect would lose the request's body, or carry a token to somebody else.
            .redirect(Policy::none())
            .user_agent(concat!("reeve/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Failure::local("no connection can be made from this machine", cause(&error)))?;
        let token = env::var("REEVE_TOKEN").filter(|token| !token.is_empty());
        Ok(Self { http, server: address(&server)?, vault, token })
    }

    /// The server's address without a slash at its end; credentials are kept under it.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Where the credentials are.
    pub(super) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Reads, as the signed-in user.
    pub(super) async fn query<T: DeserializeOwned>(&self, document: &str, variables: Value) -> Result<T, Failure> {
        self.signed_in(None, document, variables).await.and_then(shape)
    }

    /// Changes something, as the signed-in user.
    pub(super) async fn mutate<T: DeserializeOwned>(&self, document: &str, input: Value) -> Result<T, Failure> {
        let key = random::token();
        self.signed_in(Some(&key), document, json!({ "input": input })).await.and_then(shape)
    }

    /// Changes something, as nobody: signing up and in.
    pub(super) async fn mutate_as_nobody<T: DeserializeOwned>(
        &self,
        document: &str,
        input: Value,
    ) -> Result<T, Failure> {
        let body = json!({ "query": document, "variables": { "input": input } });
        self.post(None, Some(&random::token()), &body).await.and_then(shape)
    }

    /// All nodes of the connection at this JSON pointer. The document takes the cursor as `$after`.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        document: &str,
        mut variables: Value,
        connection: &str,
    ) -> Result<Vec<T>, Failure> {
        let mut nodes = Vec::new();
        loop {
            let mut data: Value = self.query(document, variables.clone()).await?;
            let page = data.pointer_mut(connection).map(Value::take).unwrap_or_default();
            let page: Page<T> = shape(page)?;
            nodes.extend(page.nodes);
            match page.page_info.end_cursor {
                Some(cursor) if page.page_info.has_next_page => variables["after"] = cursor.into(),
                Some(_) | None => return Ok(nodes),
            }
        }
    }

    /// An address that the server names, which may be relative to its own.
    pub(super) fn resolve(&self, address: &str) -> Option<Url> {
        Url::parse(&self.server).ok()?.join(address).ok()
    }

    /// A request to any address, for the files of a deployment; it carries no token of the user.
    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.http.request(method, url)
    }

    /// Something long that the server sends piece by piece, as the signed-in user.
    pub(super) async fn download(&self, path: &str, query: &[(&str, String)]) -> Result<Response, Failure> {
        self.with_token(async |token| {
            let request = self.http.get(format!("{}{path}", self.server)).query(query).timeout(DOWNLOAD_TIMEOUT);
            let response = request.bearer_auth(token).send().await;
            let response = response.map_err(|error| unreachable(&self.server, &error))?;
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            Err(answer(&self.server, response).await.err().unwrap_or_else(|| stranger(&self.server, status)))
        })
        .await
    }

    /// The access token, for what does not go by request and answer. Whatever was asked just before has made it a fresh one.
    pub(super) fn token(&self) -> Result<String, Failure> {
        match &self.token {
            Some(token) => Ok(token.clone()),
            None => Ok(self.vault.login(&self.server)?.ok_or_else(|| self.nobody())?.access_token),
        }
    }

    async fn signed_in(&self, key: Option<&str>, document: &str, variables: Value) -> Result<Value, Failure> {
        let body = json!({ "query": document, "variables": variables });
        self.with_token(async |token| self.post(Some(token), key, &body).await).await
    }

    /// Asks with the token of the session, and once more with the next one if that has expired.
    async fn with_token<T>(&self, ask: impl AsyncFn(&str) -> Result<T, Failure>) -> Result<T, Failure> {
        if let Some(token) = &self.token {
            return ask(token).await;
        }
        let login = self.vault.login(&self.server)?.ok_or_else(|| self.nobody())?;
        match ask(&login.access_token).await {
            Err(failure) if failure.exit == Exit::NotSignedIn => ask(&self.refresh(&login.access_token).await?).await,
            answer => answer,
        }
    }

    /// The next access token. Whoever holds the lock refreshes; who waited for it finds the work done.
    async fn refresh(&self, stale: &str) -> Result<String, Failure> {
        let locked = self.vault.lock().await?;
        let login = locked.login(&self.server)?.ok_or_else(|| self.nobody())?;
        if login.access_token != stale {
            return Ok(login.access_token);
        }
        let input = json!({ "input": { "refreshToken": login.refresh_token } });
        let answer = self.post(None, None, &json!({ "query": REFRESH, "variables": input })).await;
        let answer: SessionAnswer = answer.and_then(shape).map_err(|failure| self.explain_end(failure))?;
        let next = Login::from(answer.session);
        let token = next.access_token.clone();
        locked.refresh(&self.server, next)?;
        Ok(token)
    }

    fn nobody(&self) -> Failure {
        let message = format!("you are not signed in to {}, sign in with `reeve login EMAIL`", quote(&self.server));
        Failure::new(Exit::NotSignedIn, message)
    }

    fn explain_end(&self, mut failure: Failure) -> Failure {
        if failure.exit == Exit::NotSignedIn {
            let server = quote(&self.server);
            failure.message = format!("your session on {server} has ended, sign in again with `reeve login EMAIL`");
        }
        failure
    }

    async fn post(&self, token: Option<&str>, key: Option<&str>, body: &Value) -> Result<Value, Failure> {
        let mut request = self.http.post(format!("{}/graphql", self.server)).json(body);
        request = request.header(header::ACCEPT, "application/json");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = request.send().await.map_err(|error| unreachable(&self.server, &error))?;
        answer(&self.server, response).await
    }
}

/// The data of an answer of the API, or its first error. An answer without a body is `null`.
pub(super) async fn answer(server: &str, mut response: Response) -> Result<Value, Failure> {
    let status = response.status();
    let request_id = response.headers().get("x-request-id").and_then(|it| it.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(server, &error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(Failure::new(Exit::Failed, format!("{} answers without end", quote(server))));
        }
        body.extend_from_slice(&chunk);
    }
    if body.is_empty() && status.is_success() {
        return Ok(Value::Null);
    }
    let Ok(envelope) = serde_json::from_slice::<Envelope>(&body) else {
        return Err(stranger(server, status));
    };
    if let Some(error) = envelope.errors.into_iter().next() {
        let mut failure = failure_of(error);
        if let Some(id) = request_id {
            failure.details.entry("requestId").or_insert_with(|| id.into());
        }
        return Err(failure);
    }
    envelope.data.ok_or_else(|| stranger(server, status))
}

fn failure_of(error: ApiError) -> Failure {
    let code = error.extensions.get("code").and_then(Value::as_str).unwrap_or("FAILED").to_owned();
    Failure { exit: Exit::of_code(&code), code, message: error.message, details: error.extensions }
}

/// The first of the API's errors in a list of them.
pub(super) fn error_of(errors: &Value) -> Option<Failure> {
    Some(failure_of(ApiError::deserialize(errors.get(0)?).ok()?))
}

/// The answer is none of the API: a proxy, another program, another path.
fn stranger(server: &str, status: reqwest::StatusCode) -> Failure {
    let server = quote(server);
    if status.is_server_error() {
        Failure::new(Exit::Unavailable, format!("{server} answers {status}, try again later"))
    } else if status.is_redirection() {
        Failure::usage(format!("{server} redirects to another address, give that one with `--server`"))
    } else {
        Failure::usage(format!("{server} answers {status} and does not speak this API, check `--server`"))
    }
}

/// No answer came.
pub(super) fn unreachable(server: &str, error: &reqwest::Error) -> Failure {
    let server = quote(server);
    let message = if error.is_timeout() {
        format!("{server} does not answer in time, try again later")
    } else if error.is_connect() {
        format!("{server} cannot be reached ({}), check `--server` and whether it runs", cause(error))
    } else {
        format!("the connection to {server} broke ({}), try again", cause(error))
    };
    Failure::new(Exit::Unavailable, message)
}

/// The innermost reason, which is the only one that helps people.
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn shape<T: DeserializeOwned>(data: Value) -> Result<T, Failure> {
    serde_json::from_value(data).map_err(|error| {
        let message =
            format!("the server's answer is not understood ({error}), use the version of `reeve` that it runs");
        Failure::new(Exit::Failed, message)
    })
}

/// One spelling for each server.
fn address(text: &str) -> Result<String, Failure> {
    let wrong = || {
        let message = format!("{} is no server's address, write such as `https://reeve.example.com`", quote(text));
        Failure::usage(message)
    };
    let url = Url::parse(text).map_err(|_| wrong())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if !matches!(url.scheme(), "http" | "https") || !plain || url.fragment().is_some() {
        return Err(wrong());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_one_spelling() {
        for text in ["https://Reeve.example.com", "https://reeve.example.com/", "https://reeve.example.com:443//"] {
            assert_eq!(address(text).ok().as_deref(), Some("https://reeve.example.com"), "{text}");
        }
        assert_eq!(address("http://h:1/base/").ok().as_deref(), Some("http://h:1/base"));
        for text in ["", "localhost:8000", "ftp://h", "http://u:p@h", "http://h/?a", "http://h/#a", "/x"] {
            assert!(address(text).is_err_and(|it| it.exit == Exit::Usage), "{text}");
        }
    }
}
