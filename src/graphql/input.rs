//! Parses what clients send into values that cannot be wrong; several problems are reported at once.

use async_graphql::ID;
use entities::ids::Id;

use crate::domain::{Invalid, quote};
use crate::error::{Error, Result};

/// Reads an id of the wanted kind.
pub(super) fn id<T: Id + std::str::FromStr>(field: &str, text: &ID) -> Result<T> {
    text.parse::<T>().map_err(|_| {
        let expected = format!("{} is no id that begins with `{}_`", quote(text), T::PREFIX);
        Error::invalid(field, "not_an_id", expected)
    })
}

/// Collects problems, so that an answer names all of them.
#[derive(Default)]
pub(super) struct Problems(Vec<Invalid>);

impl Problems {
    /// The value, or a note of what is wrong with `field`.
    pub(super) fn take<T>(&mut self, field: &str, parsed: Result<T, Invalid>) -> Option<T> {
        parsed.map_err(|problem| self.0.push(problem.within(field))).ok()
    }

    /// The values, if none was wrong.
    pub(super) fn or<T>(self, values: Option<T>) -> Result<T> {
        match values {
            Some(values) if self.0.is_empty() => Ok(values),
            _ => Err(Error::InvalidInput(self.0)),
        }
    }
}

/// A text of at most `longest` characters without control characters but line breaks.
pub(super) fn text(field: &str, text: &str, longest: usize) -> Result<String, Invalid> {
    let trimmed = text.trim();
    let problem = |constraint, message: String| Err(Invalid::new(constraint, message).within(field));
    if trimmed.is_empty() {
        return problem("empty", format!("`{field}` has to say something"));
    }
    if trimmed.chars().count() > longest {
        return problem("too_long", format!("`{field}` has to be at most {longest} characters long"));
    }
    if trimmed.chars().any(|c| c.is_control() && c != '\n') {
        return problem("control_character", format!("`{field}` has a control character; leave it out"));
    }
    Ok(trimmed.to_owned())
}

/// A name for links, made of a display name: `My Shop` becomes `my-shop`.
pub(super) fn slug_of(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    slug.trim_end_matches('-').to_owned()
}
