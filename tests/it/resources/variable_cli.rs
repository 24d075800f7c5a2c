//! Variables on the command line: what is set, imported and shown, and that a value need not stand in the list of processes.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::harness::{Client, TestServer};

/// Runs `reeve variables …` as somebody, with something on its standard input: how it ends and what it says.
async fn reeve(client: &Client, arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reeve"));
    command.env_clear().env("REEVE_TOKEN", client.token.as_ref().unwrap()).env("REEVE_CONFIG_DIR", "/nonexistent");
    command.args(["--server", &client.base, "variables"]).args(arguments).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who reads nothing has closed it already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes()).await;
    let ended = child.wait_with_output().await.unwrap();
    (ended.status.code(), String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap())
}

#[tokio::test]
async fn variables_are_set_listed_revealed_and_unset() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    ada.create_site().await;
    let (project, production) = ("acme/site", "acme/site/production");
    let done = async |arguments: &[&str], input: &str| {
        let (code, said) = reeve(&ada, arguments, input).await;
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
        said
    };
    assert_eq!(done(&["set", project, "LEVEL=info", "NAME=a=b"], "").await, "set LEVEL, NAME\n");
    done(&["set", project, "LEVEL=warn", "--environments", "production"], "").await;
    done(&["set", production, "TOKEN", "--secret"], "hunter2\n").await;
    done(&["import", production, "-", "--secret"], "# from a file\nKEY=\"two\\nlines\"\nexport OTHER='x'\n").await;
    let listed = done(&["list", production], "").await;
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "VALUE", "ENVIRONMENTS", "SET"]);
    assert!(lines.contains(&vec!["LEVEL", "warn", "production", "project"]), "{listed}");
    assert!(lines.contains(&vec!["TOKEN", "(secret)", "any", "here"]) && !listed.contains("hunter2"), "{listed}");
    assert_eq!(done(&["reveal", production, "TOKEN"], "").await, "hunter2\n");
    assert_eq!(done(&["reveal", production, "KEY"], "").await, "two\nlines\n");
    assert_eq!(done(&["unset", production, "TOKEN", "KEY"], "").await, "unset TOKEN, KEY\n");
    for (arguments, input, code, says) in [
        (&["reveal", production, "TOKEN"][..], "", 5, "no variable `TOKEN`"),
        (&["unset", production, "TOKEN"], "", 5, "variable `TOKEN`"),
        (&["set", "acme", "A=1"], "", 2, "a project or an environment"),
        (&["list", "acme"], "", 2, "a project or an environment"),
        (&["set", project, "A", "B"], "", 2, "NAME=VALUE"),
        (&["set", project, "PORT=1"], "", 2, "set by the platform"),
        (&["import", project, "-"], "A=1\nhunter2", 2, "line 2 has no `=`"),
    ] {
        let (ended, said) = reeve(&ada, arguments, input).await;
        assert!(
            ended == Some(code) && said.contains(says) && !said.contains("hunter2"),
            "{arguments:?}: {ended:?} {said}"
        );
    }
}
