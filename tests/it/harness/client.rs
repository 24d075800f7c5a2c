//! Somebody who speaks the API, as a console does: by HTTP and nothing else.

use std::net::SocketAddr;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{PATIENCE, unique};

/// The documented codes; no other may appear.
const CODES: [&str; 12] = [
    "UNAUTHENTICATED",
    "FORBIDDEN",
    "NOT_FOUND",
    "INVALID_INPUT",
    "CONFLICT",
    "FAILED_PRECONDITION",
    "QUOTA_EXCEEDED",
    "RATE_LIMITED",
    "IDEMPOTENCY_KEY_REUSED",
    "TOO_COMPLEX",
    "UNAVAILABLE",
    "INTERNAL",
];

/// What an account is used with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) refresh_token: String,
}

/// A client of the API; cloning gives another handle of the same person.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) token: Option<String>,
    pub(crate) account: Account,
    headers: Vec<(String, String)>,
}

/// An answer of the API.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) request_id: String,
    pub(crate) data: Value,
    pub(crate) errors: Vec<Value>,
}

/// The one error of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
    /// What else the answer says, without the request's id.
    pub(crate) extensions: Value,
}

impl Client {
    /// Nobody yet, at this server.
    pub(crate) fn new(server: SocketAddr) -> Self {
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().unwrap();
        Self { http, base: format!("http://{server}"), token: None, account: Account::default(), headers: Vec::new() }
    }

    /// The same person with another access token.
    pub(crate) fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// The same person at another server, or at one that was started again.
    pub(crate) fn at(&self, server: SocketAddr) -> Self {
        Self { base: format!("http://{server}"), ..self.clone() }
    }

    /// The same person, sending one more header.
    pub(crate) fn with_header(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    /// Signs up under an address that nobody has.
    pub(crate) async fn sign_up(&self, name: &str) -> Self {
        let email = format!("{}-{}@example.com", name.to_lowercase(), unique());
        let password = format!("a long secret of {}", unique());
        let input = json!({ "email": email, "name": name, "password": password });
        let data = self.ok(SIGN_UP, json!({ "input": input })).await;
        let mut client = self.holding(&data["signUp"]);
        client.account.password = password;
        client
    }

    /// The same person with the tokens of a session payload.
    pub(crate) fn holding(&self, session: &Value) -> Self {
        let account = Account {
            id: text(&session["user"]["id"]),
            email: text(&session["user"]["email"]),
            password: self.account.password.clone(),
            refresh_token: text(&session["refreshToken"]),
        };
        Self { token: Some(text(&session["accessToken"])), account, ..self.clone() }
    }

    /// Sends a document, whatever comes back.
    pub(crate) async fn query(&self, document: &str, variables: Value) -> Response {
        self.send(&json!({ "query": document, "variables": variables })).await
    }

    /// Sends a body, whatever comes back.
    pub(crate) async fn send(&self, body: &Value) -> Response {
        let mut request = self.http.post(format!("{}/graphql", self.base)).json(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let request_id = response.headers().get("x-request-id").map(|id| id.to_str().unwrap().to_owned());
        let request_id = request_id.unwrap_or_else(|| panic!("an answer without `x-request-id`: {response:?}"));
        let body = response.text().await.unwrap();
        let value: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{status}, not JSON: {body}"));
        let errors = value["errors"].as_array().cloned().unwrap_or_default();
        for error in &errors {
            let (code, id) = (&error["extensions"]["code"], &error["extensions"]["requestId"]);
            assert!(CODES.iter().any(|known| code == known), "an undocumented code: {value}");
            assert_eq!(id, &request_id, "an error under another request's id: {value}");
        }
        Response { status, request_id, data: value["data"].clone(), errors }
    }

    /// The data of an answer without errors.
    pub(crate) async fn ok(&self, document: &str, variables: Value) -> Value {
        let response = self.query(document, variables).await;
        assert!(response.errors.is_empty(), "{document}\n{response:#?}");
        response.data
    }

    /// The one error of an answer.
    pub(crate) async fn refusal(&self, document: &str, variables: Value) -> Refusal {
        self.query(document, variables).await.refusal()
    }

    /// The code of the one error.
    pub(crate) async fn code(&self, document: &str, variables: Value) -> String {
        self.refusal(document, variables).await.code
    }
}

impl Response {
    /// The one error.
    pub(crate) fn refusal(self) -> Refusal {
        let [error] = self.errors.as_slice() else { panic!("not exactly one error: {self:#?}") };
        let mut extensions = error["extensions"].clone();
        extensions.as_object_mut().unwrap().remove("requestId");
        let code = text(&extensions["code"]);
        Refusal { code, message: text(&error["message"]), extensions }
    }
}

/// A text that has to be there.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text but {value}")).to_owned()
}

pub(crate) const SIGN_UP: &str = "mutation($input: SignUpInput!) {
    signUp(input: $input) { accessToken refreshToken accessTokenExpiresAt user { id email name } } }";
