//! Closed sets of words in columns. What a state allows is decided elsewhere.

use sea_orm::{DeriveActiveEnum, EnumIter, prelude::StringLen};

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? })*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
        #[sea_orm(rs_type = "String", db_type = "String(StringLen::N(32))")]
        pub enum $name { $($(#[$vdoc])* #[sea_orm(string_value = $text)] $variant),* }

        impl $name {
            /// The word in columns.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }
    )* };
}

words! {
    /// A person or a program.
    UserKind {
        /// A person.
        Person = "person",
        /// A program.
        Bot = "bot",
    }
    /// What somebody is within a team.
    TeamRole {
        /// Manages the team.
        Owner = "owner",
        /// Belongs to it.
        Member = "member",
    }
    /// Who a binding is for.
    SubjectKind {
        /// One user.
        User = "user",
        /// Every member of a team.
        Team = "team",
    }
    /// Where a binding sits.
    ScopeKind {
        /// The whole console.
        Console = "console",
        /// A team.
        Team = "team",
        /// An organization.
        Organization = "organization",
        /// A project.
        Project = "project",
        /// An environment.
        Environment = "environment",
    }
    /// How a deployment runs.
    DeploymentKind {
        /// Files.
        Static = "static",
        /// A program that listens on `$PORT`.
        Process = "process",
    }
    /// Where a deployment stands in its life.
    DeploymentState {
        /// Files are being uploaded.
        Draft = "draft",
        /// Waits for its turn.
        Queued = "queued",
        /// Its release is being made.
        Building = "building",
        /// It starts, and its health is checked.
        Starting = "starting",
        /// Serves on its own link.
        Ready = "ready",
        /// Serves the environment's link.
        Active = "active",
        /// It did not come to serve.
        Failed = "failed",
        /// Somebody stopped it.
        Cancelled = "cancelled",
        /// A newer one was queued behind it.
        Skipped = "skipped",
        /// Stopped, its code and assets kept.
        Retired = "retired",
        /// A retired one that starts again.
        Reviving = "reviving",
        /// Gone with its code and assets.
        Deleted = "deleted",
    }
    /// What a durable action does.
    ActionKind {
        /// Makes a deployment the active one for the first time.
        Deploy = "deploy",
        /// Brings the same version up again on a link of its own, with today's variables.
        Redeploy = "redeploy",
        /// Makes an earlier deployment the active one.
        Rollback = "rollback",
        /// Stops a deployment and keeps its code and assets.
        Retire = "retire",
        /// Starts a retired one again.
        Revive = "revive",
        /// Removes a deployment with its code and assets.
        Delete = "delete",
        /// Removes what is left of one that was stopped before it was ready.
        Cancel = "cancel",
        /// Puts a new program in the place of each of its instances.
        Restart = "restart",
    }
    /// What an event of a deployment tells.
    DeploymentEventKind {
        /// It came to a state.
        State = "state",
        /// An instance failed its health checks.
        Unhealthy = "unhealthy",
        /// An instance answers its health checks again.
        Recovered = "recovered",
        /// An instance ended by itself.
        Crashed = "crashed",
        /// An instance ended as it wanted more memory than it may have.
        OutOfMemory = "out_of_memory",
        /// An instance was started again.
        Restarted = "restarted",
    }
    /// Where a durable action stands.
    ActionState {
        /// Accepted, waits for its turn.
        Queued = "queued",
        /// Steps are being run.
        Running = "running",
        /// A step failed, and the steps before it are being undone.
        Undoing = "undoing",
        /// All steps are done.
        Succeeded = "succeeded",
        /// All effects are undone.
        Failed = "failed",
        /// Somebody stopped it; all effects are undone.
        Cancelled = "cancelled",
        /// It was not begun, since a newer one was queued behind it.
        Skipped = "skipped",
    }
    /// Why something happens to a deployment.
    Cause {
        /// Somebody wanted it.
        User = "user",
        /// Somebody visited its link.
        Visit = "visit",
        /// Its project's retention says so.
        Policy = "policy",
        /// Its program ended by itself or was sick.
        Upkeep = "upkeep",
    }
    /// For which environments of a project something counts.
    CountsFor {
        /// All of them.
        Any = "any",
        /// The production ones.
        Production = "production",
        /// The others.
        Nonproduction = "nonproduction",
    }
    /// What of a repository is wanted.
    GitRefKind {
        /// The newest commit of a branch.
        Branch = "branch",
        /// What a tag names.
        Tag = "tag",
        /// This commit.
        Commit = "commit",
    }
    /// What asked for a deployment from a repository.
    GitOrigin {
        /// Somebody, by the API.
        Request = "request",
        /// A push.
        Push = "push",
        /// A deploy hook.
        Hook = "hook",
    }
    /// Where a deployment from a repository stands.
    GitRequestState {
        /// Waits for its turn.
        Queued = "queued",
        /// Its files are being fetched.
        Running = "running",
        /// It was handed over to be deployed.
        Deployed = "deployed",
        /// Nothing came of it.
        Failed = "failed",
        /// Nothing was to be done.
        Skipped = "skipped",
    }
    /// Something that others are told of.
    EventKind {
        /// A deployment serves: it became the active one, or was re-deployed.
        DeploymentSucceeded = "deployment.succeeded",
        /// A deployment did not come to serve.
        DeploymentFailed = "deployment.failed",
        /// An earlier deployment is the active one again.
        DeploymentRolledBack = "deployment.rolled_back",
        /// A deployment was stopped, its code and assets kept.
        DeploymentRetired = "deployment.retired",
        /// A retired deployment serves again.
        DeploymentRevived = "deployment.revived",
        /// Somebody stopped a deployment.
        DeploymentCancelled = "deployment.cancelled",
        /// A deployment was not begun, since a newer one was queued behind it.
        DeploymentSkipped = "deployment.skipped",
        /// A deployment is gone with its code and assets.
        DeploymentDeleted = "deployment.deleted",
        /// A custom domain is proved and leads here.
        DomainVerified = "domain.verified",
        /// A custom domain is proved no more, or leads elsewhere.
        DomainLost = "domain.lost",
        /// Somebody tries a webhook.
        Ping = "ping",
        /// Somebody is invited; by mail only.
        Invitation = "invitation",
    }
    /// Where a delivery stands.
    DeliveryState {
        /// It is to be sent, for the first time or again.
        Waiting = "waiting",
        /// It was taken.
        Delivered = "delivered",
        /// It was not, however often it was tried.
        Dead = "dead",
        /// Whoever it would have been sent for may not know of it.
        Withheld = "withheld",
    }
    /// How an attempt ended that the audit log tells of.
    AuditOutcome {
        /// It was done.
        Allowed = "allowed",
        /// It was refused.
        Refused = "refused",
    }
}
