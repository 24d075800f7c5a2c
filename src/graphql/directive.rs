//! The directive that says what a field needs, in the schema itself.

use async_graphql::TypeDirective;

/// The field answers only to those who hold `capability` on what the argument or field `on` names; others get `FORBIDDEN`,
/// or `NOT_FOUND` when they may not view it.
#[TypeDirective(location = "FieldDefinition")]
pub fn requires(capability: String, on: String) {}
