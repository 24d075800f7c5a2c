//! The command line is read by people and called by scripts: every change of it shows here.

use std::process::Command;

use expect_test::expect_file;

/// The help of a command and, one after another, of all commands below it. Without the environment, whose values the help
/// would show.
fn help(path: &[String]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reeve"));
    let output = command.env_clear().args(path).arg("--help").output().unwrap();
    assert!(output.status.success(), "{path:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    // Commands stand between the usage and the options, under several titles: their name, then what they do.
    let listed = text.lines().skip_while(|line| !line.starts_with("Usage:")).take_while(|line| *line != "Options:");
    let names = listed.filter_map(|line| line.strip_prefix("  ")?.split_once("  ")).map(|(name, _)| name);
    let names = names.filter(|name| name.starts_with(|first: char| first.is_ascii_lowercase()) && *name != "help");
    let names: Vec<String> = names.map(str::to_owned).collect();
    let title = [&["reeve".to_owned()], path].concat().join(" ");
    let mut all = format!("$ {title} --help\n{}\n", text.trim_end());
    for name in names {
        all.push('\n');
        all.push_str(&help(&[path, &[name]].concat()));
    }
    all
}

#[test]
fn the_help_is_what_was_agreed() {
    let help = help(&[]);
    assert!(
        help.contains("$ reeve serve --help") && help.contains("$ reeve create project --help"),
        "the commands were not found in: {help}"
    );
    // `UPDATE_EXPECT=1 cargo test help` writes the file anew.
    expect_file!["help.txt"].assert_eq(&help);
}
