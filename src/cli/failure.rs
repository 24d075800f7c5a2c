//! Why a command could not do what was asked, in words for people and in a shape for programs; it must not know where
//! either is written.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::exit::Exit;
use crate::domain::invalid::Invalid;

/// A failure of a command.
#[derive(Debug)]
pub(super) struct Failure {
    /// How the process ends.
    pub(super) exit: Exit,
    /// The error code, one of the API's where there is one.
    pub(super) code: String,
    /// What is wrong and what to do.
    pub(super) message: String,
    /// What else is known: the extensions of the API's error, such as `problems`, `capability`, or `requestId`.
    pub(super) details: Map<String, Value>,
}

/// One problem of one input value, as the API reports it.
#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    field: String,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    constraint: String,
}

impl Failure {
    /// A failure that no server reported.
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, code: exit.code().to_owned(), message: message.into(), details: Map::new() }
    }

    /// A failure of this machine: a file, a terminal.
    pub(super) fn local(what: impl std::fmt::Display, error: impl std::fmt::Display) -> Self {
        Self::new(Exit::Failed, format!("{what}: {error}"))
    }

    /// A wrong value on the command line or in a file that it names.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Values that the domain refuses, all at once.
    pub(super) fn invalid(problems: Vec<Invalid>) -> Self {
        let message = problems.iter().map(|it| it.message.as_str()).collect::<Vec<_>>().join("; ");
        let problems = problems
            .into_iter()
            .map(|it| json!({ "field": it.field, "constraint": it.constraint, "message": it.message }))
            .collect::<Vec<_>>();
        Self::usage(message).with("problems", problems.into())
    }

    /// The same failure with one more detail.
    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        self.details.insert(key.to_owned(), value);
        self
    }

    /// For programs: `{"error": {"code": ..., "message": ..., ...}}`.
    pub(super) fn to_json(&self) -> Value {
        let mut error = self.details.clone();
        error.insert("code".to_owned(), self.code.clone().into());
        error.insert("message".to_owned(), self.message.clone().into());
        json!({ "error": error })
    }

    /// For people, over several lines when there is more than one thing to say.
    pub(super) fn to_text(&self) -> String {
        let mut text = match &self.problems()[..] {
            [] => format!("error: {} ({})", self.message, self.code),
            [problem] if problem.field.is_empty() => format!("error: {} ({})", self.message, self.code),
            [problem] => format!("error: {} ({}, field `{}`)", problem.text(), self.code, problem.field),
            problems => {
                let lines = problems.iter().map(|it| format!("\n  {}: {}", it.field, it.text())).collect::<String>();
                format!("error: {} values are wrong ({}){lines}", problems.len(), self.code)
            }
        };
        if let (true, Some(id)) = (self.code == "INTERNAL", self.details.get("requestId").and_then(Value::as_str)) {
            text.push_str(&format!("\n  request id: {id}"));
        }
        for line in self.details.get("log").and_then(Value::as_array).into_iter().flatten() {
            if let Some(line) = line.get("text").and_then(Value::as_str) {
                text.push_str("\n  | ");
                text.push_str(line);
            }
        }
        text
    }

    fn problems(&self) -> Vec<Problem> {
        let listed = self.details.get("problems").cloned();
        let single = || self.details.contains_key("field").then(|| Value::Array(vec![self.details.clone().into()]));
        listed.or_else(single).and_then(|it| serde_json::from_value(it).ok()).unwrap_or_default()
    }
}

impl Problem {
    fn text(&self) -> &str {
        self.message.as_deref().unwrap_or(&self.constraint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_problem_is_one_line_and_more_are_a_list() {
        let one = Failure::invalid(vec![Invalid::new("empty", "it is empty, write a name").within("name")]);
        assert_eq!(one.to_text(), "error: it is empty, write a name (INVALID_INPUT, field `name`)");
        let two = vec![Invalid::new("a", "bad a").within("x"), Invalid::new("b", "bad b").within("y")];
        assert_eq!(
            Failure::invalid(two).to_text(),
            "error: 2 values are wrong (INVALID_INPUT)\n  x: bad a\n  y: bad b"
        );
    }

    #[test]
    fn only_an_internal_error_asks_for_its_request_id() {
        let mut failure = Failure::new(Exit::Failed, "it broke").with("requestId", "r1".into());
        assert_eq!(failure.to_text(), "error: it broke (FAILED)");
        failure.code = "INTERNAL".to_owned();
        assert_eq!(failure.to_text(), "error: it broke (INTERNAL)\n  request id: r1");
        assert_eq!(
            failure.to_json(),
            json!({ "error": { "code": "INTERNAL", "message": "it broke", "requestId": "r1" } })
        );
    }
}
