//! How `reeve --help` reads: commands in groups, examples, exit codes. It must not know what the commands do.

use clap::CommandFactory;

use super::{Cli, exit::Exit};

/// Every visible command, by what people come for.
const GROUPS: [(&str, &[&str]); 7] = [
    ("Account", &["signup", "login", "logout", "whoami"]),
    (
        "Deploy",
        &[
            "deploy",
            "rollback",
            "promote",
            "redeploy",
            "restart",
            "instances",
            "retire",
            "revive",
            "cancel",
            "delete",
            "deployments",
            "log",
            "variables",
            "webhooks",
        ],
    ),
    ("Organize", &["create", "organizations", "projects", "environments"]),
    ("People", &["team", "invite", "accept", "key", "service-account"]),
    ("Access", &["grant", "revoke", "bindings", "roles", "explain", "who-can", "review", "audit"]),
    ("Server", &["serve", "stop", "migrate", "bootstrap", "rotate-keys", "rotate-master-key", "schema"]),
    ("Shell", &["completions", "help"]),
];

const EXAMPLES: &str = "\
Examples:
  reeve signup ada@example.com
  reeve create organization acme
  reeve create project acme/site
  reeve create environment acme/site/production --production
  reeve deploy ./public --environment acme/site/production
  reeve rollback acme/site/production --reason \"checkout is broken\"
  reeve grant bob@example.com ROLE acme/site --until 2030-12-31T18:00:00Z
  reeve explain bob@example.com deployment.create acme/site/production";

const ENVIRONMENT: &str = "\
Environment:
  REEVE_SERVER      the server's address
  REEVE_TOKEN       a key or an access token, instead of the stored session
  REEVE_CONFIG_DIR  where credentials are kept [default: $XDG_CONFIG_HOME/reeve or ~/.config/reeve]";

/// The whole command line with its help.
pub(super) fn command() -> clap::Command {
    let command = Cli::command();
    let mut template = String::from("{about-with-newline}\n{usage-heading} {usage}\n");
    for (group, names) in GROUPS {
        template.push_str(&format!("\n{group}:\n"));
        for name in names {
            template.push_str(&format!("  {name:<17}  {}\n", about(&command, name)));
        }
    }
    template.push_str("\nOptions:\n{options}{after-help}");
    let codes: String = Exit::ALL.map(|exit| format!("\n  {:<5}{}", exit as u8, exit.meaning())).concat();
    command.help_template(template).after_help(format!("{EXAMPLES}\n\n{ENVIRONMENT}\n\nExit codes:{codes}"))
}

fn about(command: &clap::Command, name: &str) -> String {
    let found = command.find_subcommand(name).and_then(clap::Command::get_about);
    // clap adds the command `help` itself, later.
    found.map_or_else(|| "Show this help, or that of a command".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds_together() {
        command().debug_assert();
    }

    #[test]
    fn every_visible_command_is_in_one_group() {
        let command = command();
        let mut listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let mut visible: Vec<&str> =
            command.get_subcommands().filter(|it| !it.is_hide_set()).map(|it| it.get_name()).collect();
        visible.push("help");
        listed.sort_unstable();
        visible.sort_unstable();
        assert_eq!(listed, visible);
    }

    #[test]
    fn the_help_tells_all_exit_codes() {
        let help = command().render_help().to_string();
        for exit in Exit::ALL {
            assert!(help.contains(&format!("  {:<5}{}", exit as u8, exit.meaning())), "{exit:?} in {help}");
        }
    }
}
