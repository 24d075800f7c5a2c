//! What is wrong with an input, in a form that lets an answer name every problem at once; it must not know the wire.

/// How much of an input a message repeats, in characters.
const QUOTED_CHARACTERS: usize = 60;

/// One problem of one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Where it is, with dots between the parts (`files.3.path`); empty when the whole input is meant.
    pub field: String,
    /// A word for programs, such as `too_long`.
    pub constraint: &'static str,
    /// A sentence for people: what is wrong and what to do.
    pub message: String,
}

impl Invalid {
    /// A problem of the whole input.
    #[must_use]
    pub fn new(constraint: &'static str, message: impl Into<String>) -> Self {
        Self { field: String::new(), constraint, message: message.into() }
    }

    /// The same problem seen from outside: `field` is put in front of where it is.
    #[must_use]
    pub fn within(mut self, field: &str) -> Self {
        self.field = if self.field.is_empty() { field.to_owned() } else { format!("{field}.{}", self.field) };
        self
    }
}

/// User input for a message: in backticks, on one line, and shortened, since it may be hostile or huge.
#[must_use]
pub fn quote(text: &str) -> String {
    let shown: String = text.chars().take(QUOTED_CHARACTERS).flat_map(char::escape_debug).collect();
    let more = if text.chars().nth(QUOTED_CHARACTERS).is_some() { "…" } else { "" };
    format!("`{shown}{more}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_nest_from_the_inside_out() {
        let problem = Invalid::new("empty", "x").within("path").within("3").within("files");
        assert_eq!(problem.field, "files.3.path");
    }

    #[test]
    fn quoted_input_stays_short_and_on_one_line() {
        assert_eq!(quote("a\nb\u{202e}"), "`a\\nb\\u{202e}`");
        assert_eq!(quote(&"x".repeat(100)).chars().count(), 63);
    }
}
