//! The contract: `schema.graphql` is what the program says, and every field says what it takes to read it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use async_graphql::Value;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{ConstDirective, FieldDefinition, TypeDefinition, TypeKind, TypeSystemDefinition};

use super::sources::refuse;

/// Fields of these types tell of access, of variables, or of what programs print: they need a capability wherever they stand.
const SENSITIVE: &[&str] = &["LogLine", "RoleBinding", "AuditEntry", "Variable", "PendingVariableChange"];

pub(super) fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_default()
}

pub(super) fn types() -> Vec<TypeDefinition> {
    let definitions = parse_schema(read("schema.graphql")).unwrap().definitions.into_iter();
    let types = definitions.filter_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) => Some(definition.node),
        TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
    });
    let types: Vec<TypeDefinition> = types.collect();
    assert!(types.len() > 20, "the schema has hardly any type: the guard reads the wrong file");
    types
}

/// Every field of an object, with the object's name in front.
pub(super) fn fields(types: &[TypeDefinition]) -> Vec<(&str, &FieldDefinition)> {
    let objects = types.iter().filter_map(|definition| match &definition.kind {
        TypeKind::Object(object) => Some((definition.name.node.as_str(), object)),
        TypeKind::Scalar
        | TypeKind::Interface(_)
        | TypeKind::Union(_)
        | TypeKind::Enum(_)
        | TypeKind::InputObject(_) => None,
    });
    objects.flat_map(|(name, object)| object.fields.iter().map(move |field| (name, &field.node))).collect()
}

pub(super) fn requires(field: &FieldDefinition) -> impl Iterator<Item = &ConstDirective> {
    field.directives.iter().map(|directive| &directive.node).filter(|directive| directive.name.node == "requires")
}

pub(super) fn argument<'a>(directive: &'a ConstDirective, name: &str) -> &'a str {
    match directive.get_argument(name).map(|value| &value.node) {
        Some(Value::String(text)) => text,
        other => panic!("`@requires` without a text for `{name}`: {other:?}"),
    }
}

/// The name of a field's type without lists and `!`.
fn named(field: &FieldDefinition) -> String {
    field.ty.node.to_string().replace(['[', ']', '!'], "")
}

#[test]
fn the_schema_file_is_what_the_program_says() {
    let output = Command::new(env!("CARGO_BIN_EXE_reeve")).env_clear().arg("schema").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let file = read("schema.graphql");
    let differing = said.lines().zip(file.lines()).position(|(said, file)| said != file);
    let line = differing.unwrap_or(said.lines().count().min(file.lines().count())) + 1;
    assert!(said == file, "line {line} differs; `cargo run -- schema > schema.graphql` writes the contract anew");
}

/// `open_fields.txt` lists exactly those that need no capability, so that one that is annotated leaves the list, and one
/// that is new is seen in review.
#[test]
fn every_field_says_what_it_takes_or_is_known_to_be_open() {
    let types = types();
    let open: BTreeSet<String> = fields(&types)
        .into_iter()
        .filter(|(object, field)| {
            let root = matches!(*object, "Query" | "Mutation" | "Subscription");
            let kind = named(field);
            // What stands within these was asked for by the field that gives them.
            let within = ["Connection", "Edge", "Payload", "AccessReviewEntry"].iter().any(|end| object.ends_with(end));
            root || (!within && (kind.ends_with("Connection") || SENSITIVE.contains(&kind.as_str())))
        })
        .filter(|(_, field)| requires(field).next().is_none())
        .map(|(object, field)| format!("{object}.{}", field.name.node))
        .collect();
    let list = read("tests/it/guards/open_fields.txt");
    let listed = list.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_whitespace().next());
    let listed: BTreeSet<String> = listed.map(str::to_owned).collect();
    let unlisted = open.difference(&listed).map(|field| format!("{field}: say `@requires`"));
    let stale = listed.difference(&open).map(|field| format!("{field}: erase it from `open_fields.txt`"));
    refuse("the list of open fields may only shrink", unlisted.chain(stale));
}

#[test]
fn what_is_required_exists() {
    let capabilities = read("policy/capabilities.csv");
    let known: BTreeSet<&str> = capabilities.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    let types = types();
    let inputs = |name: &str| -> Vec<String> {
        let found = types.iter().find(|definition| definition.name.node == name);
        match found.map(|definition| &definition.kind) {
            Some(TypeKind::InputObject(input)) => input.fields.iter().map(|it| it.node.name.node.to_string()).collect(),
            _ => Vec::new(),
        }
    };
    let mut findings = Vec::new();
    for (object, field) in fields(&types) {
        // The console is one; whatever is asked of it needs no name.
        let mut places: Vec<String> = vec!["id".to_owned(), "console".to_owned()];
        for argument in &field.arguments {
            places.push(argument.node.name.node.to_string());
            places.extend(inputs(&argument.node.ty.node.to_string().replace('!', "")));
        }
        for directive in requires(field) {
            let (capability, on) = (argument(directive, "capability"), argument(directive, "on"));
            if !known.contains(capability) {
                findings.push(format!("{object}.{}: there is no capability `{capability}`", field.name.node));
            }
            if !places.iter().any(|place| place == on) {
                findings.push(format!(
                    "{object}.{}: `{on}` is neither `id`, nor `console`, nor an argument",
                    field.name.node
                ));
            }
        }
    }
    assert!(fields(&types).iter().any(|(_, field)| requires(field).next().is_some()), "nothing requires anything");
    refuse("`@requires` promises what is not there", findings);
}

#[test]
fn everything_is_described() {
    let types = types();
    let silent_types = types
        .iter()
        .filter(|definition| definition.description.is_none() && !matches!(definition.kind, TypeKind::Scalar))
        .map(|definition| definition.name.node.to_string());
    let silent_fields = fields(&types)
        .into_iter()
        .filter(|(_, field)| field.description.is_none())
        .map(|(object, field)| format!("{object}.{}", field.name.node));
    refuse("say what it gives", silent_types.chain(silent_fields).collect::<Vec<_>>());
}
