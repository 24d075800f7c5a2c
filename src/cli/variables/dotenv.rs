//! Reads `.env` files: `NAME=VALUE` on each line, as the tools that write them understand it. It must not know where the
//! variables go.

/// Names and values, in the order of the file; what is wrong with the first line that is none, without repeating it.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut variables = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}');
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            rest = after;
            continue;
        }
        let problem = |what: &str| Err(format!("line {number} {what}"));
        let Some((name, _)) = line.split_once('=') else { return problem("has no `=`, write `NAME=VALUE`") };
        let begin = rest.get(name.len() + 1..).unwrap_or_default().trim_start_matches([' ', '\t']);
        let name = name.trim();
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        let quote = begin.chars().next().filter(|first| matches!(first, '"' | '\''));
        let (value, after) = match quote {
            Some(quote) => match quoted(begin.get(1..).unwrap_or_default(), quote) {
                Some(read) => read,
                None => return problem("begins a quoted value that does not end"),
            },
            None => {
                let (line, after) = begin.split_once('\n').unwrap_or((begin, ""));
                let line = line.find(" #").map_or(line, |at| line.get(..at).unwrap_or(line));
                (line.trim().to_owned(), after)
            }
        };
        if quote.is_some() {
            let (left, _) = after.split_once('\n').unwrap_or((after, ""));
            if !(left.trim().is_empty() || left.trim().starts_with('#')) {
                return problem("goes on after its quoted value");
            }
            number += rest
                .len()
                .checked_sub(after.len())
                .and_then(|read| rest.get(..read))
                .unwrap_or_default()
                .matches('\n')
                .count();
            rest = after.split_once('\n').map_or("", |(_, after)| after);
        } else {
            rest = after;
        }
        variables.push((name.to_owned(), value));
    }
    Ok(variables)
}

/// A value up to its closing quote, and what comes after that. Between single quotes everything stands for itself.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        if character == quote {
            return Some((value, text.get(at + 1..).unwrap_or_default()));
        }
        if character != '\\' || quote == '\'' {
            value.push(character);
            continue;
        }
        match characters.next()?.1 {
            'n' => value.push('\n'),
            'r' => value.push('\r'),
            't' => value.push('\t'),
            same @ ('\\' | '"' | '$' | '`') => value.push(same),
            other => value.extend(['\\', other]),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_tools_write() {
        let text = "\u{feff}# comment\r\nA=1\r\nexport B = two words # not this\n\nC='raw \\n $x'\nD=\"a\\nb \\\"q\\\"\" # c\n\
                    E=\"two\nlines\"\nF=\nG=a#b=c\n  H=x  \nI=\"\"";
        let found = parse(text).unwrap();
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "raw \\n $x"),
            ("D", "a\nb \"q\""),
            ("E", "two\nlines"),
            ("F", ""),
            ("G", "a#b=c"),
            ("H", "x"),
            ("I", ""),
        ];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn tells_the_line_and_not_what_stands_there() {
        for (text, line) in [("A=1\nhunter2", 2), ("A='x\ny'\nB=\"hunter2", 3), ("A=\"x\" hunter2", 1)] {
            let problem = parse(text).unwrap_err();
            assert!(problem.starts_with(&format!("line {line} ")) && !problem.contains("hunter2"), "{problem}");
        }
    }
}
