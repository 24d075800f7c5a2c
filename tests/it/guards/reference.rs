//! The reference of operations and the capabilities that they need, made from the schema: what it says is what holds.

use expect_test::expect_file;

use super::schema::{argument, fields, read, requires, types};

const HEAD: &str = "# Operations and the capabilities that they need

Made from `schema.graphql`: `UPDATE_EXPECT=1 cargo test --test it guards::reference` writes it anew. *On* is the argument or
field that names what the capability is needed on. Whoever may not view that is told `NOT_FOUND`; whoever may, but lacks the
capability, is told `FORBIDDEN` with its name.
";

/// The first sentence of a description.
fn sentence(description: &str) -> String {
    let flat = description.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = flat.find(". ").map_or(flat.len(), |end| end + 1);
    flat.get(..end).unwrap_or(&flat).replace('|', "\\|")
}

#[test]
fn the_reference_is_made_from_the_schema() {
    let types = types();
    let mut page = HEAD.to_owned();
    let roots = ["Query", "Mutation", "Subscription"];
    let all = fields(&types);
    let listed = |object: &str, with: bool| {
        let rows = all.iter().filter(|(name, field)| *name == object && requires(field).next().is_some() == with);
        rows.map(|(_, field)| *field).collect::<Vec<_>>()
    };
    let told = |field: &async_graphql::parser::types::FieldDefinition| {
        field.description.as_ref().map_or_else(String::new, |text| sentence(&text.node))
    };
    for root in roots {
        page += &format!("\n## {root}\n\n| operation | capability | on | what it does |\n| --- | --- | --- | --- |\n");
        for field in listed(root, true) {
            for directive in requires(field) {
                let (capability, on) = (argument(directive, "capability"), argument(directive, "on"));
                page += &format!("| `{}` | `{capability}` | `{on}` | {} |\n", field.name.node, told(field));
            }
        }
    }
    page += "\n## Fields of objects\n\n| field | capability |\n| --- | --- |\n";
    for (object, field) in all.iter().filter(|(object, _)| !roots.contains(object)) {
        for directive in requires(field) {
            page += &format!("| `{object}.{}` | `{}` |\n", field.name.node, argument(directive, "capability"));
        }
    }
    page +=
        "\n## Open to everybody who is signed in, or to nobody in particular\n\n| operation | why |\n| --- | --- |\n";
    for line in read("tests/it/guards/open_fields.txt").lines().filter(|line| !line.starts_with('#')) {
        if let Some((field, why)) = line.split_once(char::is_whitespace) {
            page += &format!("| `{field}` | {} |\n", why.trim());
        }
    }
    expect_file!["../../../docs/operations-reference.md"].assert_eq(&page);
}
