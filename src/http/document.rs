//! Refuses documents that would cost too much, before anything validates them: in time linear in the document, whatever its
//! fragments multiply to.

use std::collections::HashMap;

use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, Value, Variables};

use crate::error::{Error, Result};
use crate::graphql::page;

/// Bytes of a document; variables come apart.
const LONGEST: usize = 64 * 1024;
/// Fields of a document with its fragments written out, those of a list as often as it may have rows: a page of 20 projects
/// with 20 environments each and 10 fields of those comes to 8,000.
const MOST_FIELDS: u64 = 20_000;
/// Operations and fragments of a document.
const MOST_DEFINITIONS: usize = 50;
/// Levels of a document with its fragments written out.
const DEEPEST: u64 = 32;

/// What executing a document would do.
pub(super) struct Inspected {
    /// It changes something.
    pub(super) mutation: bool,
    /// It follows something.
    pub(super) subscription: bool,
    /// Names of the fields at its root.
    pub(super) roots: Vec<String>,
    /// The document, parsed once.
    pub(super) document: ExecutableDocument,
}

/// Parses a document and refuses one that asks for too much.
pub(super) fn inspect(text: &str, operation_name: Option<&str>, variables: &Variables) -> Result<Inspected> {
    if text.len() > LONGEST {
        return Err(Error::TooComplex(format!("the document is longer than {LONGEST} bytes; send less at once")));
    }
    let document = async_graphql::parser::parse_query(text).map_err(|error| unreadable(&error))?;
    if document.fragments.len() + document.operations.iter().count() > MOST_DEFINITIONS {
        return Err(Error::TooComplex(format!("the document has more than {MOST_DEFINITIONS} definitions")));
    }
    let chosen: Vec<_> = document
        .operations
        .iter()
        .filter(|(name, _)| operation_name.is_none() || name.map(Name::as_str) == operation_name)
        .collect();
    let variables = with_defaults(variables, &chosen);
    let mut weigher = Weigher { document: &document, variables: &variables, fragments: HashMap::new() };
    let mut total = 0u64;
    for (_, operation) in document.operations.iter() {
        let weight = weigher.set(&operation.node.selection_set, rows(page::MOST))?;
        total = total.saturating_add(weight.fields);
        if total > MOST_FIELDS {
            let text = format!("the document asks for more than {MOST_FIELDS} fields; ask for less at once");
            return Err(Error::TooComplex(text));
        }
        if weight.depth > DEEPEST {
            return Err(Error::TooComplex(format!("the document nests deeper than {DEEPEST} levels")));
        }
    }
    let is = |wanted| chosen.iter().any(|(_, operation)| operation.node.ty == wanted);
    let (mutation, subscription) = (is(OperationType::Mutation), is(OperationType::Subscription));
    let roots = chosen.iter().flat_map(|(_, operation)| roots(&operation.node.selection_set)).collect();
    Ok(Inspected { mutation, subscription, roots, document })
}

/// The variables that are given, and the defaults of those that are not.
fn with_defaults(given: &Variables, chosen: &[(Option<&Name>, &Positioned<OperationDefinition>)]) -> Variables {
    let mut variables = given.clone();
    for definition in chosen.iter().flat_map(|(_, operation)| &operation.node.variable_definitions) {
        if let Some(default) = &definition.node.default_value {
            variables.entry(definition.node.name.node.clone()).or_insert_with(|| default.node.clone());
        }
    }
    variables
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

fn rows(size: i32) -> u64 {
    u64::try_from(size).unwrap_or(1)
}

#[derive(Clone, Copy, Default)]
struct Weight {
    fields: u64,
    depth: u64,
}

/// Weighs each fragment once.
struct Weigher<'a> {
    document: &'a ExecutableDocument,
    variables: &'a Variables,
    /// None while it is being weighed: a fragment that leads back to itself.
    fragments: HashMap<Name, Option<Weight>>,
}

impl Weigher<'_> {
    /// Weighs a selection; `rows` is how many rows there are if it is one of a list.
    fn set(&mut self, set: &Positioned<SelectionSet>, rows: u64) -> Result<Weight> {
        let mut weight = Weight::default();
        for item in &set.node.items {
            let (below, times) = match &item.node {
                Selection::Field(field) => {
                    let each = matches!(field.node.name.node.as_str(), "nodes" | "edges");
                    let size = self.page_size(&field.node);
                    (self.set(&field.node.selection_set, size)?, if each { rows } else { 1 })
                }
                Selection::InlineFragment(fragment) => (self.set(&fragment.node.selection_set, rows)?, 1),
                Selection::FragmentSpread(spread) => (self.fragment(&spread.node.fragment_name.node)?, 1),
            };
            let fields = below.fields.saturating_mul(times);
            weight.fields = weight.fields.saturating_add(fields).saturating_add(1);
            weight.depth = weight.depth.max(below.depth.saturating_add(1));
        }
        Ok(weight)
    }

    /// How many rows a field may have if it is a list. What cannot be told counts as the most.
    fn page_size(&self, field: &Field) -> u64 {
        let argument = |name: &str| field.get_argument(name).map(|value| value.node.clone());
        let Some(value) = argument("first").or_else(|| argument("last")) else { return rows(page::USUAL) };
        // A variable that is not given leaves the usual size.
        let given = |name: Name| Ok::<_, ()>(self.variables.get(&name).cloned().unwrap_or(Value::Null));
        match value.into_const_with(given) {
            Ok(Value::Null) => rows(page::USUAL),
            Ok(Value::Number(number)) => number.as_u64().unwrap_or(1).clamp(1, rows(page::MOST)),
            Ok(_) | Err(()) => rows(page::MOST),
        }
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
        // Weighed once for wherever it stands, so for the longest list that it may stand in.
        let weight = self.set(&fragment.node.selection_set, rows(page::MOST))?;
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
        assert!(inspect(&bomb(4), None, &Variables::default()).is_ok());
        assert!(matches!(inspect(&bomb(20), None, &Variables::default()), Err(Error::TooComplex(_))));
        assert!(matches!(inspect(&bomb(60), None, &Variables::default()), Err(Error::TooComplex(_))));
    }

    #[test]
    fn what_cannot_be_read_is_not_repeated() {
        let Err(error) = inspect(&"{".repeat(1_000), None, &Variables::default()) else { panic!("it was read") };
        assert_eq!(error.message(), "the document cannot be read at line 1, column 2: expected selection");
    }

    #[test]
    fn lists_within_lists_are_weighed_by_their_pages() {
        let page = |first: &str, inner: &str| {
            format!("query($n: Int) {{ a(first: {first}) {{ nodes {{ b(first: {inner}) {{ nodes {{ c d }} }} }} }} }}")
        };
        let inspect = |text: &str, n: i32| {
            let variables = Variables::from_json(serde_json::json!({ "n": n }));
            inspect(text, None, &variables).is_ok()
        };
        assert!(inspect(&page("20", "20"), 0));
        assert!(!inspect(&page("100", "100"), 0));
        assert!(inspect(&page("100", "$n"), 10));
        assert!(!inspect(&page("100", "$n"), 100));
        assert!(inspect(&page("100", "$unknown"), 10));
        assert!(!inspect(
            &page("100", "$n").replace("$n: Int", "$n: Int, $m: Int = 100").replace("first: $n", "first: $m"),
            1
        ));
    }

    #[test]
    fn a_fragment_within_itself_is_refused() {
        let text = "query { ...a } fragment a on Query { ...b } fragment b on Query { ...a }";
        assert!(matches!(inspect(text, None, &Variables::default()), Err(Error::InvalidInput(_))));
    }

    #[test]
    fn the_operation_that_is_chosen_says_what_it_is() {
        let text = "query a { viewer { id } } mutation b { signOut { signedOut } }";
        assert!(inspect(text, Some("a"), &Variables::default()).is_ok_and(|inspected| !inspected.mutation));
        assert!(
            inspect(text, Some("b"), &Variables::default())
                .is_ok_and(|inspected| inspected.mutation && inspected.roots == ["signOut"])
        );
    }
}
