//! Relay's paging arguments and connections, the same for every list.

use async_graphql::OutputType;
use async_graphql::connection::{Connection, Edge, EmptyFields};
use entities::ids::Id;

use crate::error::{Error, Result};
use crate::store::page::{Page, Rows};

/// Rows of a page nobody said the size of.
pub const USUAL: i32 = 20;
/// Rows that one page may have.
pub const MOST: i32 = 100;

/// A connection whose cursors are the ids of its nodes.
pub(super) type Listed<T> = Connection<String, T, EmptyFields, EmptyFields>;

/// Reads the arguments; the cursors are ids of the kind that is listed.
pub(super) fn page<I: Id + std::str::FromStr>(
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
    newest_first: bool,
) -> Result<Page> {
    if first.is_some() && last.is_some() {
        return Err(Error::invalid("last", "exclusive", "give `first` or `last`, not both"));
    }
    let size = |field: &str, value: i32| match u64::try_from(value) {
        Ok(limit) if value <= MOST => Ok(limit),
        _ => Err(Error::invalid(field, "out_of_range", format!("`{field}` has to be from 0 to {MOST}"))),
    };
    let limit = match (first, last) {
        (Some(first), _) => size("first", first)?,
        (None, Some(last)) => size("last", last)?,
        (None, None) => size("first", USUAL)?,
    };
    let cursor = |field: &str, text: Option<String>| match text {
        None => Ok(None),
        Some(text) => match text.parse::<I>() {
            Ok(id) => Ok(Some(id.uuid())),
            Err(_) => Err(Error::invalid(field, "not_a_cursor", format!("`{field}` is no cursor of this list"))),
        },
    };
    let (after, before) = (cursor("after", after)?, cursor("before", before)?);
    Ok(Page { limit, after, before, from_end: last.is_some(), newest_first })
}

/// A page as a connection.
pub(super) fn connection<M, I: Id, T: OutputType>(
    rows: Rows<M>,
    id: impl Fn(&M) -> I,
    wrap: impl Fn(M) -> T,
) -> Listed<T> {
    let mut connection = Connection::new(rows.has_previous, rows.has_next);
    connection.edges.extend(rows.rows.into_iter().map(|row| Edge::new(id(&row).to_string(), wrap(row))));
    connection
}
