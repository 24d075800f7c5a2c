//! Signing up, in and out, and who one is. Passwords are read without echo or from standard input, never from the command
//! line, where other users of the machine would see them.

use std::io::{self, Read};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    arguments::email,
    client::{Client, SessionAnswer},
    credentials::Login,
    exit::Exit,
    failure::Failure,
    output::{Output, Words, one_line},
};
use crate::domain::{email::EmailAddress, password::Password};

const SIGN_UP: &str = "mutation SignUp($input: SignUpInput!) {
  session: signUp(input: $input) { user { email } accessToken refreshToken }
}";

const SIGN_IN: &str = "mutation SignIn($input: SignInInput!) {
  session: signIn(input: $input) { user { email } accessToken refreshToken }
}";

const SIGN_OUT: &str = "mutation SignOut { signOut { signedOut } }";

const VIEWER: &str = "query Viewer {
  viewer { id email name teams(first: 100) { nodes { id name personal } } }
}";

/// Bytes of standard input that are read for a password.
const MAX_PASSWORD_INPUT: u64 = 64 << 10;

/// Arguments of `reeve signup`.
#[derive(Args, Debug)]
pub struct SignupArgs {
    /// Your e-mail address
    #[arg(value_parser = email)]
    email: EmailAddress,
    /// Your name [default: the part of the address before the `@`]
    #[arg(long)]
    name: Option<String>,
    /// Read the password from standard input instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

/// Arguments of `reeve login`.
#[derive(Args, Debug)]
pub struct LoginArgs {
    /// Your e-mail address
    #[arg(value_parser = email)]
    email: EmailAddress,
    /// Read the password from standard input instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Deserialize)]
struct ViewerAnswer {
    viewer: Viewer,
}

#[derive(Serialize, Deserialize)]
struct Viewer {
    id: String,
    email: String,
    name: String,
    teams: Teams,
}

#[derive(Serialize, Deserialize)]
struct Teams {
    nodes: Vec<Team>,
}

#[derive(Serialize, Deserialize)]
struct Team {
    id: String,
    name: String,
    personal: bool,
}

/// `reeve signup`
pub(super) async fn signup(client: &Client, output: Output, args: SignupArgs) -> Result<Exit, Failure> {
    let password = if args.password_stdin { password_from_stdin().await? } else { new_password(&args.email).await? };
    let name = args.name.unwrap_or_else(|| args.email.local().to_owned());
    let input = json!({ "email": args.email.as_str(), "name": name, "password": password });
    begin(client, output, client.mutate_as_nobody(SIGN_UP, input).await?).await
}

/// `reeve login`
pub(super) async fn login(client: &Client, output: Output, args: LoginArgs) -> Result<Exit, Failure> {
    let password = if args.password_stdin { password_from_stdin().await? } else { ask("password: ").await? };
    let input = json!({ "email": args.email.as_str(), "password": password });
    begin(client, output, client.mutate_as_nobody(SIGN_IN, input).await?).await
}

async fn begin(client: &Client, output: Output, answer: SessionAnswer) -> Result<Exit, Failure> {
    let login = Login::from(answer.session);
    let email = login.email.clone();
    client.vault().lock().await?.sign_in(client.server(), login)?;
    let text = format!("signed in to {} as {}", client.server(), one_line(&email));
    output.result(&json!({ "server": client.server(), "email": email }), &text)?;
    Ok(Exit::Ok)
}

/// `reeve logout`: the session is forgotten here, whether or not the server can be told.
pub(super) async fn logout(client: &Client, output: Output) -> Result<Exit, Failure> {
    let told: Result<serde_json::Value, Failure> = client.mutate(SIGN_OUT, json!(null)).await;
    client.vault().lock().await?.sign_out(client.server())?;
    match told {
        Err(failure) if failure.exit != Exit::NotSignedIn => {
            output.note("the session is forgotten here, but the server could not end it");
            return Err(failure);
        }
        Ok(_) | Err(_) => {}
    }
    output.result(&json!({ "server": client.server() }), &format!("signed out of {}", client.server()))?;
    Ok(Exit::Ok)
}

/// `reeve whoami`
pub(super) async fn whoami(client: &Client, output: Output) -> Result<Exit, Failure> {
    let ViewerAnswer { viewer } = client.query(VIEWER, json!({})).await?;
    let mut words = Words::default();
    words.say("user", &format!("{} <{}>", viewer.name, viewer.email));
    for team in &viewer.teams.nodes {
        words.say("team", &if team.personal { format!("{} (personal)", team.name) } else { team.name.clone() });
    }
    words.say("server", client.server());
    output.result(&json!({ "viewer": viewer, "server": client.server() }), &words.text())?;
    Ok(Exit::Ok)
}

async fn new_password(email: &EmailAddress) -> Result<String, Failure> {
    let first = ask("password: ").await?;
    // The server checks it as well; here it spares typing a bad one twice.
    Password::parse(&first, email.as_str()).map_err(|problem| Failure::invalid(vec![problem.within("password")]))?;
    if ask("the same password again: ").await? != first {
        return Err(Failure::usage("the passwords differ, try again"));
    }
    Ok(first)
}

async fn ask(prompt: &'static str) -> Result<String, Failure> {
    let nowhere = |error| Failure::usage(format!("the password cannot be asked for ({error}), use `--password-stdin`"));
    let asked = tokio::task::spawn_blocking(move || rpassword::prompt_password(prompt)).await;
    asked.map_err(io::Error::other).flatten().map_err(nowhere)
}

async fn password_from_stdin() -> Result<String, Failure> {
    let read = || {
        let mut text = String::new();
        io::stdin().lock().take(MAX_PASSWORD_INPUT).read_to_string(&mut text).map(|_| text)
    };
    let read = tokio::task::spawn_blocking(read).await;
    let text = read.map_err(io::Error::other).flatten();
    let text = text.map_err(|error| Failure::local("the password cannot be read from standard input", error))?;
    // Exactly the line end that `echo` and files add; further ones may be meant.
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let password = line.strip_suffix('\r').unwrap_or(line);
    if password.is_empty() {
        return Err(Failure::usage("standard input holds no password, write it there"));
    }
    Ok(password.to_owned())
}
