//! The lines of the policy files. It must not know what a column means.

/// The `N` fields of one line, or nothing when the line has another number of them or a quote out of place. A field
/// stands in double quotes when it contains a comma; a double quote inside is written twice.
pub(super) fn fields<const N: usize>(line: &str) -> Option<[String; N]> {
    let mut fields = Vec::with_capacity(N);
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => plain_field(rest)?,
        };
        fields.push(field);
        if after.is_empty() {
            return fields.try_into().ok();
        }
        rest = after.strip_prefix(',')?;
    }
}

fn plain_field(text: &str) -> Option<(String, &str)> {
    let (field, after) = text.split_at(text.find(',').unwrap_or(text.len()));
    (!field.contains('"')).then(|| (field.to_owned(), after))
}

fn quoted_field(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"')?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fields;

    #[test]
    fn splits_at_commas_outside_quotes() {
        let expected = ["a".into(), "b, \"c\"".into(), String::new()];
        assert_eq!(fields("a,\"b, \"\"c\"\"\","), Some(expected));
    }

    #[test]
    fn refuses_what_is_not_whole() {
        assert_eq!(fields::<2>("a"), None);
        assert_eq!(fields::<1>("a,b"), None);
        assert_eq!(fields::<1>("\"a"), None);
        assert_eq!(fields::<1>("\"a\"b"), None);
        assert_eq!(fields::<1>("a\"b"), None);
    }
}
