//! Connecting repositories and deploying from them.

use async_graphql::{Context, ID, InputObject, Object, OneofObject, SimpleObject};

use entities::ids::{EnvironmentId, ProjectId};

use crate::domain::git::{GitRef, RepositoryUrl};
use crate::error::{Error, Result};
use crate::graphql::context::{app, op};
use crate::graphql::directive::requires;
use crate::graphql::input;
use crate::graphql::types::Environment;
use crate::graphql::types::git::{GitConnection, GitDeploy};
use crate::service::git;

/// Characters of a user's name and of a token.
const LONGEST_CREDENTIAL: usize = 4_000;

/// What a repository is read with, where not everybody may.
#[derive(InputObject)]
struct GitCredentialInput {
    /// The user; many forges take any name beside a token.
    username: String,
    /// Their token or password. It is kept sealed and never shown.
    token: String,
}

impl GitCredentialInput {
    fn parse(self) -> Result<String> {
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let (username, token) = (self.username, self.token);
        if !plain(&username)
            || !plain(&token)
            || username.contains(':')
            || username.len() + token.len() > LONGEST_CREDENTIAL
        {
            let text = "a credential is a user without `:` and a token, both of printable ASCII and not empty";
            return Err(Error::invalid("credential", "characters", text));
        }
        Ok(format!("{username}:{token}"))
    }
}

/// A repository to connect.
#[derive(InputObject)]
struct ConnectRepositoryInput {
    /// To which project.
    project_id: ID,
    /// Where it is, e.g. `https://github.com/acme/site.git`.
    url: String,
    /// What it is read with, where not everybody may.
    credential: Option<GitCredentialInput>,
}

/// The connected repository.
#[derive(SimpleObject)]
struct ConnectRepositoryPayload {
    /// It.
    git_connection: GitConnection,
    /// What its forge signs pushes with. It is shown this once.
    webhook_secret: Option<String>,
}

/// A project to take the repository from.
#[derive(InputObject)]
struct DisconnectRepositoryInput {
    /// Which.
    project_id: ID,
}

/// The project without a repository.
#[derive(SimpleObject)]
struct DisconnectRepositoryPayload {
    /// Its id.
    project_id: ID,
}

/// A repository to try again.
#[derive(InputObject)]
struct RepairGitConnectionInput {
    /// Of which project.
    project_id: ID,
    /// What it is read with from now on; the one before if it is left out.
    credential: Option<GitCredentialInput>,
    /// Whether pushes are signed with a new secret from now on.
    #[graphql(default)]
    rotate_webhook_secret: bool,
}

/// The repository, which can be read.
#[derive(SimpleObject)]
struct RepairGitConnectionPayload {
    /// It.
    git_connection: GitConnection,
    /// The new secret, if one was wanted. It is shown this once.
    webhook_secret: Option<String>,
}

/// What of a repository is wanted.
#[derive(OneofObject)]
enum GitRefInput {
    /// The newest commit of this branch.
    Branch(String),
    /// What this tag names.
    Tag(String),
    /// This commit, by its whole id.
    Commit(String),
}

/// A deployment from a repository.
#[derive(InputObject)]
struct DeployFromGitInput {
    /// Where it is to run.
    environment_id: ID,
    /// What of the repository of its project.
    from: GitRefInput,
}

/// What was asked for.
#[derive(SimpleObject)]
struct DeployFromGitPayload {
    /// It.
    git_deploy: GitDeploy,
}

/// What an environment follows.
#[derive(InputObject)]
struct SetAutoDeployInput {
    /// Which environment.
    environment_id: ID,
    /// The branch whose pushes are deployed; none if it is left out.
    branch: Option<String>,
}

/// The environment.
#[derive(SimpleObject)]
struct SetAutoDeployPayload {
    /// It.
    environment: Environment,
}

#[derive(Default)]
pub(super) struct GitMutation;

#[Object]
impl GitMutation {
    /// Connects a repository to a project, in place of the one before. What followed that one by itself, auto-deploys and
    /// deploy hooks, ends with it. Requires `configuration.update`.
    #[graphql(directive = requires::apply("configuration.update".into(), "projectId".into()))]
    async fn connect_repository(
        &self,
        ctx: &Context<'_>,
        input: ConnectRepositoryInput,
    ) -> Result<ConnectRepositoryPayload> {
        let project_id = input::id::<ProjectId>("projectId", &input.project_id)?;
        let url = RepositoryUrl::parse(&input.url, &app(ctx).config.git.protocols);
        let url = url.map_err(|problem| problem.within("url"))?;
        let credential = input.credential.map(GitCredentialInput::parse).transpose()?;
        let connect = git::Connect { project_id, url, credential };
        let connected = git::connect(app(ctx), op(ctx), connect).await?;
        let git_connection = GitConnection(connected.row);
        Ok(ConnectRepositoryPayload { git_connection, webhook_secret: connected.webhook_secret })
    }

    /// Takes the repository from a project. Requires `configuration.update`.
    #[graphql(directive = requires::apply("configuration.update".into(), "projectId".into()))]
    async fn disconnect_repository(
        &self,
        ctx: &Context<'_>,
        input: DisconnectRepositoryInput,
    ) -> Result<DisconnectRepositoryPayload> {
        git::disconnect(op(ctx), input::id::<ProjectId>("projectId", &input.project_id)?).await?;
        Ok(DisconnectRepositoryPayload { project_id: input.project_id })
    }

    /// Tries the repository of a project again, with another credential if one is given. Requires `git.repair`.
    #[graphql(directive = requires::apply("git.repair".into(), "projectId".into()))]
    async fn repair_git_connection(
        &self,
        ctx: &Context<'_>,
        input: RepairGitConnectionInput,
    ) -> Result<RepairGitConnectionPayload> {
        let project = input::id::<ProjectId>("projectId", &input.project_id)?;
        let credential = input.credential.map(GitCredentialInput::parse).transpose()?;
        let repaired = git::repair(app(ctx), op(ctx), project, credential, input.rotate_webhook_secret).await?;
        let git_connection = GitConnection(repaired.row);
        Ok(RepairGitConnectionPayload { git_connection, webhook_secret: repaired.webhook_secret })
    }

    /// Asks for a deployment of a branch, a tag or a commit. Its files are fetched, and deployed as if they had been
    /// uploaded, in the background and in the name of whoever asks. Requires `deployment.create`.
    #[graphql(directive = requires::apply("deployment.create".into(), "environmentId".into()))]
    async fn deploy_from_git(&self, ctx: &Context<'_>, input: DeployFromGitInput) -> Result<DeployFromGitPayload> {
        let id = input::id::<EnvironmentId>("environmentId", &input.environment_id)?;
        let wanted = match &input.from {
            GitRefInput::Branch(name) => GitRef::branch(name),
            GitRefInput::Tag(name) => GitRef::tag(name),
            GitRefInput::Commit(id) => GitRef::commit(id),
        };
        let wanted = wanted.map_err(|problem| problem.within("from"))?;
        Ok(DeployFromGitPayload { git_deploy: GitDeploy(git::request(app(ctx), op(ctx), id, &wanted).await?) })
    }

    /// Has every push to a branch deployed, in the name of whoever sets it, or none any more. A rollback pins the environment:
    /// no push overtakes it. Requires `environment.update`, and `deployment.create` to follow a branch.
    #[graphql(directive = requires::apply("environment.update".into(), "environmentId".into()))]
    async fn set_auto_deploy(&self, ctx: &Context<'_>, input: SetAutoDeployInput) -> Result<SetAutoDeployPayload> {
        let id = input::id::<EnvironmentId>("environmentId", &input.environment_id)?;
        let branch = match &input.branch {
            Some(name) => match GitRef::branch(name).map_err(|problem| problem.within("branch"))? {
                GitRef::Branch(name) | GitRef::Tag(name) | GitRef::Commit(name) => Some(name),
            },
            None => None,
        };
        let row = git::follow(op(ctx), id, branch).await?;
        Ok(SetAutoDeployPayload { environment: Environment(row) })
    }
}
