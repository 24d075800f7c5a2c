//! Refuses documents that would cost too much, before anything validates them: in time linear in the document, whatever its
//! fragments multiply to.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, OperationType, Selection, SelectionSet};
use async_graphql::{Name, Positioned};

use crate::error::{Error, Result};

/// Bytes of a document; variables come apart.
const LONGEST: usize = 64 * 1024;
/// Selections of a document with its fragments written out.
const MOST_SELECTIONS: u64 = 3_000;
/// Operations and fragments of a document.
const MOST_DEFINITIONS: usize = 50;
/// Levels of a document with its fragments written out.
const DEEPEST: u64 = 32;

/// What executing a document would do.
pub(super) struct Inspected {
    /// It changes something.
    pub(super) mutation: bool,
    /// Names of the fields at its root.
    pub(super) roots: Vec<String>,
    /// The document, parsed once.
    pub(super) document: ExecutableDocument,
}

/// Parses a document and refuses one that asks for too much.
pub(super) fn inspect(text: &str, operation_name: Option<&str>) -> Result<Inspected> {
    if text.len() > LONGEST {
        return Err(Error::TooComplex(format!("the document is longer than {LONGEST} bytes; send less at once")));
    }
    let document = async_graphql::parser::parse_query(text).map_err(|error| unreadable(&error))?;
    if document.fragments.len() + document.operations.iter().count() > MOST_DEFINITIONS {
        return Err(Error::TooComplex(format!("the document has more than {MOST_DEFINITIONS} definitions")));
    }
    let mut weigher = Weigher { document: &document, fragments: HashMap::new() };
    let mut total = 0u64;
    for (_, operation) in document.operations.iter() {
        let weight = weigher.set(&operation.node.selection_set)?;
        total = total.saturating_add(weight.selections);
        if total > MOST_SELECTIONS {
            let text = format!("the document asks for more than {MOST_SELECTIONS} fields; ask for less at once");
            return Err(Error::TooComplex(text));
        }
        if weight.depth > DEEPEST {
            return Err(Error::TooComplex(format!("the document nests deeper than {DEEPEST} levels")));
        }
    }
    let chosen: Vec<_> = document
        .operations
        .iter()
        .filter(|(name, _)| operation_name.is_none() || name.map(Name::as_str) == operation_name)
        .collect();
    let mutation = chosen.iter().any(|(_, operation)| operation.node.ty == OperationType::Mutation);
    let roots = chosen.iter().flat_map(|(_, operation)| roots(&operation.node.selection_set)).collect();
    Ok(Inspected { mutation, roots, document })
}

/// Where and why a document cannot be read, without repeating it: the parser quotes whole lines.
fn unreadable(error: &async_graphql::parser::Error) -> Error {
    let at =
        error.positions().next().map_or_else(String::new, |at| format!(" at line {}, column {}", at.line, at.column));
    let full = error.to_string();
    let why = full.lines().last().unwrap_or_default().trim_start_matches([' ', '=']);
    let why: String = why.chars().take(200).collect();
    Error::invalid("query", "syntax", format!("the document cannot be read{at}: {why}"))
}

fn roots(set: &Positioned<SelectionSet>) -> Vec<String> {
    let fields = set.node.items.iter().map(|item| match &item.node {
        Selection::Field(field) => field.node.name.node.to_string(),
        // What stands in a fragment at the root is not looked for: it counts as unknown.
        Selection::FragmentSpread(_) | Selection::InlineFragment(_) => "…".to_owned(),
    });
    fields.collect()
}

#[derive(Clone, Copy, Default)]
struct Weight {
    selections: u64,
    depth: u64,
}

/// Weighs each fragment once.
struct Weigher<'a> {
    document: &'a ExecutableDocument,
    /// None while it is being weighed: a fragment that leads back to itself.
    fragments: HashMap<Name, Option<Weight>>,
}

impl Weigher<'_> {
    fn set(&mut self, set: &Positioned<SelectionSet>) -> Result<Weight> {
        let mut weight = Weight::default();
        for item in &set.node.items {
            let below = match &item.node {
                Selection::Field(field) => self.set(&field.node.selection_set)?,
                Selection::InlineFragment(fragment) => self.set(&fragment.node.selection_set)?,
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node)?,
            };
            weight.selections = weight.selections.saturating_add(below.selections).saturating_add(1);
            weight.depth = weight.depth.max(below.depth.saturating_add(1));
        }
        Ok(weight)
    }

    fn fragment(&mut self, name: &Name) -> Result<Weight> {
        match self.fragments.get(name) {
            Some(Some(weight)) => return Ok(*weight),
            Some(None) => {
                let text = format!("the fragment `{name}` leads back to itself");
                return Err(Error::invalid("query", "cycle", text));
            }
            None => {}
        }
        let Some(fragment) = self.document.fragments.get(name) else {
            return Ok(Weight::default());
        };
        self.fragments.insert(name.clone(), None);
        let weight = self.set(&fragment.node.selection_set)?;
        self.fragments.insert(name.clone(), Some(weight));
        Ok(weight)
    }
}

#[cfg(test)]
#[expect(clippy::panic, reason = "a test ends at the first thing that is not as it should be")]
mod tests {
    use super::*;

    fn bomb(levels: usize) -> String {
        let mut text = "query { ...f0 }".to_owned();
        for level in 0..levels {
            let next = level + 1;
            text += &format!(" fragment f{level} on Query {{ ...f{next} ...f{next} }}");
        }
        text + &format!(" fragment f{levels} on Query {{ __typename }}")
    }

    #[test]
    fn fragments_that_multiply_are_refused_at_once() {
        assert!(inspect(&bomb(4), None).is_ok());
        assert!(matches!(inspect(&bomb(20), None), Err(Error::TooComplex(_))));
        assert!(matches!(inspect(&bomb(60), None), Err(Error::TooComplex(_))));
    }

    #[test]
    fn what_cannot_be_read_is_not_repeated() {
        let Err(error) = inspect(&"{".repeat(1_000), None) else { panic!("it was read") };
        assert_eq!(error.message(), "the document cannot be read at line 1, column 2: expected selection");
    }

    #[test]
    fn a_fragment_within_itself_is_refused() {
        let text = "query { ...a } fragment a on Query { ...b } fragment b on Query { ...a }";
        assert!(matches!(inspect(text, None), Err(Error::InvalidInput(_))));
    }

    #[test]
    fn the_operation_that_is_chosen_says_what_it_is() {
        let text = "query a { viewer { id } } mutation b { signOut { signedOut } }";
        assert!(inspect(text, Some("a")).is_ok_and(|inspected| !inspected.mutation));
        assert!(inspect(text, Some("b")).is_ok_and(|inspected| inspected.mutation && inspected.roots == ["signOut"]));
    }
}
