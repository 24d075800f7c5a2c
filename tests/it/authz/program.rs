//! The trap of crepe: in a rule, a variable bound by `for` is bound again by a later atom, which makes a cross product
//! of a join and grants too much. Nothing warns of it, so this reads the programs and refuses it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

/// Splits at a separator that stands outside all brackets.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (place, each) in text.char_indices() {
        match each {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ if each == separator && depth == 0 => {
                parts.push(text[start..place].trim());
                start = place + each.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|each: char| !each.is_alphanumeric() && each != '_');
    words.filter(|word| word.starts_with(|first: char| first.is_ascii_lowercase()))
}

/// The rules in which a later positive atom uses a variable bound by `for`.
fn trapped(program: &str) -> Vec<String> {
    let lines = program.lines().map(|line| line.split("//").next().unwrap());
    let program = lines.collect::<Vec<_>>().join(" ");
    let mut trapped = Vec::new();
    for rule in split(&program, ';') {
        let Some((_, body)) = rule.split_once("<-") else {
            continue;
        };
        let mut bound = Vec::new();
        for clause in split(body, ',') {
            let is_atom = clause.starts_with(|first: char| first.is_ascii_uppercase());
            if let Some(binds) = clause.strip_prefix("for ") {
                bound.extend(words(binds.split(" in ").next().unwrap()));
            } else if is_atom && words(clause).any(|word| bound.contains(&word)) {
                trapped.push(rule.to_owned());
            }
        }
    }
    trapped
}

#[test]
fn no_variable_of_a_for_is_joined() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/authz/program");
    let mut rules = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for program in source.split("crepe! {").skip(1) {
            let program = program.split_once("\n}\n").unwrap().0;
            rules += program.matches("<-").count();
            assert_eq!(trapped(program), Vec::<String>::new());
        }
    }
    assert!(rules > 70, "{rules}");
}

#[test]
fn the_reader_sees_the_trap() {
    assert_eq!(trapped("A(x) <- B(y), for &(x, z) in f(y), C(x);").len(), 1);
    assert_eq!(trapped("A(x) <- B(y), for (z, x) in f(y), (x > 0), C(S::T(x));").len(), 1);
    assert!(trapped("A(x) <- B(y), for x in f(y), !C(x);").is_empty());
    assert!(trapped("A(x) <- B(y), for x0 in f(y), let x = x0, C(x);").is_empty());
}
