//! How two sets of named things differ; it must not know what the things are.

use std::collections::BTreeMap;

/// How something differs from what it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// It is new.
    Added,
    /// It is another.
    Changed,
    /// It is gone.
    Removed,
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing<V> {
    /// Its name.
    pub name: String,
    /// What it was; `None` when it is new.
    pub before: Option<V>,
    /// What it is; `None` when it is gone.
    pub after: Option<V>,
}

impl<V> Differing<V> {
    /// How it differs.
    #[must_use]
    pub fn difference(&self) -> Difference {
        match (&self.before, &self.after) {
            (None, _) => Difference::Added,
            (Some(_), Some(_)) => Difference::Changed,
            (Some(_), None) => Difference::Removed,
        }
    }
}

/// What differs, by name; things are the same by `same`.
pub fn between<V>(
    mut before: BTreeMap<String, V>,
    after: BTreeMap<String, V>,
    same: impl Fn(&V, &V) -> bool,
) -> Vec<Differing<V>> {
    let mut found: Vec<Differing<V>> = after
        .into_iter()
        .map(|(name, after)| Differing { before: before.remove(&name), name, after: Some(after) })
        .filter(|it| !matches!((&it.before, &it.after), (Some(before), Some(after)) if same(before, after)))
        .collect();
    found.extend(before.into_iter().map(|(name, gone)| Differing { name, before: Some(gone), after: None }));
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(entries: &[(&str, i32)]) -> BTreeMap<String, i32> {
        entries.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn what_is_new_other_or_gone_is_told_by_name() {
        let found = between(set(&[("a", 1), ("b", 2), ("d", 4)]), set(&[("b", 3), ("c", 1), ("d", 4)]), i32::eq);
        let told: Vec<(&str, Difference)> = found.iter().map(|it| (it.name.as_str(), it.difference())).collect();
        assert_eq!(told, [("a", Difference::Removed), ("b", Difference::Changed), ("c", Difference::Added)]);
    }
}
