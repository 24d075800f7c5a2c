//! Places in logs, as texts that mean nothing to whoever keeps them: up to which line of which instance somebody has read. A place is
//! found again after a restart, and after the log was turned over.

use std::collections::BTreeMap;

use entities::ids::DeploymentEventId;

use crate::error::{Error, Result};

/// Longest text that is looked at, and most places in it.
const LONGEST: usize = 8192;
const MOST_PLACES: usize = 64;

/// How far somebody has read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// In the log of an environment: the switch to the deployment that is read.
    pub(super) switch: Option<DeploymentEventId>,
    /// The number of the last line, by instance.
    places: BTreeMap<String, u64>,
    /// The instances, the one that was read last at the end.
    order: Vec<String>,
}

impl Cursor {
    /// Up to where an instance was read.
    pub(super) fn place(&self, instance: &str) -> Option<u64> {
        self.places.get(instance).copied()
    }

    /// Notes how far an instance was read. The one that was read longest ago is forgotten when there are too many.
    pub(super) fn reach(&mut self, instance: &str, line: u64) {
        self.places.insert(instance.to_owned(), line);
        if self.order.last().is_none_or(|last| last != instance) {
            self.order.retain(|other| other != instance);
            self.order.push(instance.to_owned());
        }
        if self.order.len() > MOST_PLACES {
            let oldest = self.order.remove(0);
            self.places.remove(&oldest);
        }
    }

    /// The instances that were read.
    pub(super) fn instances(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(String::as_str)
    }

    pub(super) fn text(&self) -> String {
        let switch = self.switch.map(|id| id.to_string()).unwrap_or_default();
        let places = self.order.iter().filter_map(|name| Some(format!("{name}={}", self.places.get(name)?)));
        let parts: Vec<String> = std::iter::once(switch).chain(places).collect();
        data_encoding::BASE64URL_NOPAD.encode(parts.join(" ").as_bytes())
    }

    /// Reads what [`Cursor::text`] wrote.
    ///
    /// # Errors
    /// `InvalidInput` for anything else.
    pub(super) fn parse(field: &str, text: &str) -> Result<Self> {
        let wrong = || Error::invalid(field, "not_a_cursor", "this is no `cursor` of a line; take one as it was given");
        let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok().filter(|_| text.len() <= LONGEST);
        let plain = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)?;
        let mut parts = plain.split(' ');
        let switch = match parts.next() {
            None | Some("") => None,
            Some(id) => Some(id.parse().map_err(|_| wrong())?),
        };
        let mut cursor = Self { switch, ..Self::default() };
        for part in parts {
            let (instance, line) = part.split_once('=').ok_or_else(wrong)?;
            let line = line.parse().ok().filter(|line| *line < u64::MAX).ok_or_else(wrong)?;
            cursor.reach(instance, line);
        }
        Ok(cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_again_and_nothing_else_is_one() {
        let mut cursor = Cursor::default();
        for number in 0..160 {
            cursor.reach(&format!("dep_{number}"), number);
            cursor.reach("dep_0", number);
        }
        assert_eq!(cursor.instances().count(), MOST_PLACES);
        assert_eq!(
            (cursor.place("dep_0"), cursor.place("dep_159"), cursor.place("dep_1")),
            (Some(159), Some(159), None)
        );
        assert!(Cursor::parse("after", &cursor.text()).is_ok_and(|read| read == cursor));
        let encoded = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
        for bad in ["", "?", "AAA", &encoded("x dep_1=1"), &encoded(" dep_1"), &encoded(" dep_1=-1"), &"A".repeat(9000)]
        {
            let empty = bad.is_empty();
            assert_eq!(Cursor::parse("after", bad).is_ok(), empty, "{bad}");
        }
    }
}
