//! Puts the schema together, with the limits that hold for every document.

use async_graphql::{EmptySubscription, SDLExportOptions, Schema};

use super::mutation::Mutation;
use super::query::Query;
use super::types::NodeInterface;

/// The schema.
pub type ReeveSchema = Schema<Query, Mutation, EmptySubscription>;

/// Selections may nest so deep; a page with its permissions needs 12.
const DEPTH: usize = 24;
/// Fields that a document may ask for, counted where they stand.
const COMPLEXITY: usize = 1_000;
/// Aliases that a document may use.
const ALIASES: usize = 50;
/// Directives at one place.
const DIRECTIVES: usize = 10;

/// The schema with its limits.
pub fn build() -> ReeveSchema {
    Schema::build(Query, Mutation::default(), EmptySubscription)
        .register_output_type::<NodeInterface>()
        .limit_depth(DEPTH)
        .limit_recursive_depth(DEPTH + 8)
        .limit_complexity(COMPLEXITY)
        .limit_aliases(ALIASES)
        .limit_directives(DIRECTIVES)
        .finish()
}

/// The schema as text, sorted: the contract.
pub fn sdl() -> String {
    let options = SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items().include_specified_by();
    build().sdl_with_options(options)
}
