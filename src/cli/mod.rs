//! The command line: a client of the GraphQL API like any other. It must not know the server's insides; the commands that
//! run a server are only named here, and `main.rs` carries them out.

mod access;
mod arguments;
mod audit;
mod client;
mod create;
mod credentials;
mod deploy;
mod deployment;
mod exit;
mod failure;
mod follow;
mod help;
mod instances;
mod key;
mod lifecycle;
mod list;
mod measure;
mod output;
mod people;
mod rollback;
mod serve;
mod session;
mod variables;
mod webhooks;
mod who;

use std::process::ExitCode;

use clap::{Args, FromArgMatches, Parser, Subcommand};

pub use self::{
    access::{BindingsArgs, ExplainArgs, GrantArgs, RevokeArgs},
    audit::AuditArgs,
    create::CreateCommand,
    deploy::DeployArgs,
    exit::Exit,
    key::{KeyCommand, ServiceAccountCommand},
    lifecycle::{DeploymentArgs, PromoteArgs},
    list::{DeploymentsArgs, EnvironmentsArgs, LogArgs, ProjectsArgs},
    people::{AcceptArgs, InviteArgs, TeamCommand},
    rollback::RollbackArgs,
    serve::{
        BootstrapArgs, EdgeArgs, IsolationArg, LogFormat, MigrateArgs, RotateKeysArgs, RotateMasterKeyArgs, SampleArgs,
        SchemaArgs, ServeArgs, ShimArgs, StopArgs, StorageArgs,
    },
    session::{LoginArgs, SignupArgs},
    variables::VariablesCommand,
    webhooks::WebhooksCommand,
    who::{ReviewArgs, WhoCanArgs},
};
use self::{client::Client, failure::Failure, lifecycle::Verb, output::Output};

/// An open control plane for deployment platforms
#[derive(Parser, Debug)]
#[command(name = "reeve", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
}

/// What every command takes.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The server's address [default: the one you signed in to last, or http://127.0.0.1:8000]
    #[arg(long, global = true, value_name = "URL", env = "REEVE_SERVER", hide_env_values = true)]
    pub server: Option<String>,
    /// Write the result as one JSON document
    #[arg(long, global = true)]
    pub json: bool,
    /// Write nothing but the result and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// Everything that the program does.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the control plane and the edge
    Serve(ServeArgs),
    /// Stop the edge and the programs, which go on when the server ends
    Stop(StopArgs),
    /// Bring the database to this version's schema
    Migrate(MigrateArgs),
    /// Print the GraphQL schema
    Schema(SchemaArgs),
    /// Sign access tokens with a new key from now on
    RotateKeys(RotateKeysArgs),
    /// Seal all secrets with a new master key, while no server runs
    RotateMasterKey(RotateMasterKeyArgs),
    /// Give somebody a role on the console, on the server's own machine
    Bootstrap(BootstrapArgs),
    /// Hold the program of one deployment
    #[command(hide = true)]
    Shim(ShimArgs),
    /// Serve deployments, also while no server runs
    #[command(hide = true)]
    Edge(EdgeArgs),
    /// Serve a small sample page on `$PORT`
    #[command(hide = true)]
    Sample(SampleArgs),
    /// What a client does.
    #[command(flatten)]
    Client(ClientCommand),
}

/// Everything that [`run_client`] does.
#[derive(Subcommand, Debug)]
pub enum ClientCommand {
    /// Make an account and sign in
    Signup(SignupArgs),
    /// Sign in
    Login(LoginArgs),
    /// Sign out
    Logout,
    /// Show who is signed in, and where
    Whoami,
    /// Create an organization, a project, or an environment
    #[command(subcommand)]
    Create(CreateCommand),
    /// List organizations
    Organizations,
    /// List projects
    Projects(ProjectsArgs),
    /// List the environments of a project
    Environments(EnvironmentsArgs),
    /// List the deployments of an environment
    Deployments(DeploymentsArgs),
    /// Show what a deployment printed, or its build
    #[command(alias = "logs")]
    Log(LogArgs),
    /// Deploy a folder
    Deploy(DeployArgs),
    /// Go back to an earlier deployment
    Rollback(RollbackArgs),
    /// Bring the same version up again, with today's variables, on a link of its own
    Redeploy(DeploymentArgs),
    /// Bring a deployment's version to another environment of its project
    Promote(PromoteArgs),
    /// Put a new program in the place of each instance of a deployment, so that nobody waits
    Restart(DeploymentArgs),
    /// List the instances of a deployment: what each does, how it ended, what it uses
    Instances(DeploymentArgs),
    /// Stop a deployment that is not the active one, and keep its code and assets
    Retire(DeploymentArgs),
    /// Start a retired deployment again
    Revive(DeploymentArgs),
    /// Stop what is under way on a deployment, and leave nothing behind
    Cancel(DeploymentArgs),
    /// Remove a deployment that is not the active one, with its code and assets, for ever
    Delete(DeploymentArgs),
    /// List, set and unset variables of a project or an environment
    #[command(subcommand)]
    Variables(VariablesCommand),
    /// Have addresses told of what happens in a project, and see what they were told
    #[command(subcommand)]
    Webhooks(WebhooksCommand),
    /// Make a team, or change who is in it
    #[command(subcommand)]
    Team(TeamCommand),
    /// Invite people to something with a role
    Invite(InviteArgs),
    /// Accept an invitation, or list those that wait for you
    Accept(AcceptArgs),
    /// Make, list and end keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Make and end service accounts
    #[command(subcommand)]
    ServiceAccount(ServiceAccountCommand),
    /// Give somebody a role
    Grant(GrantArgs),
    /// Take a role away
    Revoke(RevokeArgs),
    /// List who has which role on something
    Bindings(BindingsArgs),
    /// List the roles that can be given
    Roles,
    /// Tell whether somebody may do something, and why
    Explain(ExplainArgs),
    /// List everybody who can do something, and through what
    WhoCan(WhoCanArgs),
    /// List who holds what on something, what of it they use, and which role would be enough
    Review(ReviewArgs),
    /// List what was attempted, and what allowed or refused it
    Audit(AuditArgs),
    /// Print completions for a shell
    Completions(CompletionsArgs),
}

/// Arguments of `reeve completions`.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

/// Reads the command line of this process; shows the help or what is wrong with it and ends, where that is all there is to do.
#[must_use]
pub fn parse() -> Cli {
    Cli::from_arg_matches(&help::command().get_matches()).unwrap_or_else(|error| error.exit())
}

/// Carries out a command of the client. Results go to standard output, everything else to standard error.
pub async fn run_client(command: ClientCommand, global: Global) -> ExitCode {
    let output = Output { json: global.json, quiet: global.quiet };
    let exit = run(command, global.server.as_deref(), output).await.unwrap_or_else(|failure| {
        output.failure(&failure);
        failure.exit
    });
    exit.into()
}

async fn run(command: ClientCommand, server: Option<&str>, output: Output) -> Result<Exit, Failure> {
    if let ClientCommand::Completions(args) = &command {
        return completions(output, args);
    }
    let client = &Client::new(server)?;
    match command {
        ClientCommand::Signup(args) => session::signup(client, output, args).await,
        ClientCommand::Login(args) => session::login(client, output, args).await,
        ClientCommand::Logout => session::logout(client, output).await,
        ClientCommand::Whoami => session::whoami(client, output).await,
        ClientCommand::Create(command) => create::run(client, output, command).await,
        ClientCommand::Organizations => list::organizations(client, output).await,
        ClientCommand::Projects(args) => list::projects(client, output, args).await,
        ClientCommand::Environments(args) => list::environments(client, output, args).await,
        ClientCommand::Deployments(args) => list::deployments(client, output, args).await,
        ClientCommand::Log(args) => list::log(client, output, args).await,
        ClientCommand::Deploy(args) => deploy::run(client, output, args).await,
        ClientCommand::Rollback(args) => rollback::run(client, output, args).await,
        ClientCommand::Redeploy(args) => lifecycle::run(client, output, Verb::Redeploy, args).await,
        ClientCommand::Promote(args) => lifecycle::promote(client, output, args).await,
        ClientCommand::Restart(args) => lifecycle::run(client, output, Verb::Restart, args).await,
        ClientCommand::Instances(args) => instances::run(client, output, args).await,
        ClientCommand::Retire(args) => lifecycle::run(client, output, Verb::Retire, args).await,
        ClientCommand::Revive(args) => lifecycle::run(client, output, Verb::Revive, args).await,
        ClientCommand::Cancel(args) => lifecycle::run(client, output, Verb::Cancel, args).await,
        ClientCommand::Delete(args) => lifecycle::run(client, output, Verb::Delete, args).await,
        ClientCommand::Variables(command) => variables::run(client, output, command).await,
        ClientCommand::Webhooks(command) => webhooks::run(client, output, command).await,
        ClientCommand::Team(command) => people::team(client, output, command).await,
        ClientCommand::Invite(args) => people::invite(client, output, args).await,
        ClientCommand::Accept(args) => people::accept(client, output, args).await,
        ClientCommand::Key(command) => key::key(client, output, command).await,
        ClientCommand::ServiceAccount(command) => key::service_account(client, output, command).await,
        ClientCommand::Grant(args) => access::grant(client, output, args).await,
        ClientCommand::Revoke(args) => access::revoke(client, output, args).await,
        ClientCommand::Bindings(args) => access::bindings(client, output, args).await,
        ClientCommand::Roles => access::roles(client, output).await,
        ClientCommand::Explain(args) => access::explain(client, output, args).await,
        ClientCommand::WhoCan(args) => who::who_can(client, output, args).await,
        ClientCommand::Review(args) => who::review(client, output, args).await,
        ClientCommand::Audit(args) => audit::audit(client, output, args).await,
        ClientCommand::Completions(args) => completions(output, &args),
    }
}

fn completions(output: Output, args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut help::command(), "reeve", &mut script);
    Output { json: false, ..output }.result(&(), String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Ok)
}
