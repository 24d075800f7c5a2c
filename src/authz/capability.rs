//! The capabilities: every verb on a resource that anybody can be allowed, and the kind of scope each is judged on.
//!
//! The names and levels are written here, so that code names a capability and the compiler knows it; a test proves
//! that `policy/capabilities.csv` says the same. What describes them (area, sentence, aliases) is read from that file.
//! It must not know who holds a capability, nor that roles exist.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::csv;
use super::mask::Mask;

/// The kind of a scope, and so the kind of scope on which a capability is judged (column `on`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The whole installation.
    Console,
    /// A team of people.
    Team,
    /// An organization, also called company, tenant or account.
    Organization,
    /// A project of an organization.
    Project,
    /// An environment of a project.
    Environment,
}

impl Level {
    /// Every level, from the widest to the narrowest.
    pub const ALL: [Self; 5] = [Self::Console, Self::Team, Self::Organization, Self::Project, Self::Environment];

    /// The word that the policy files use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Team => "team",
            Self::Organization => "organization",
            Self::Project => "project",
            Self::Environment => "environment",
        }
    }

    /// The level with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }

    /// Whether a scope of the `other` level can be, or lie below, a scope of this level.
    #[must_use]
    pub fn spans(self, other: Self) -> bool {
        match self {
            Self::Console => true,
            Self::Team => other == Self::Team,
            Self::Organization | Self::Project | Self::Environment => self <= other,
        }
    }
}

/// A type that stands for one capability, so that a signature can demand it.
pub trait Held: Send + Sync + 'static {
    /// The capability that the type stands for.
    const CAPABILITY: Capability;
}

macro_rules! capabilities {
    ($($variant:ident = $name:literal on $level:ident,)+) => {
        /// A verb on a resource, judged on one kind of scope. The order is that of `policy/capabilities.csv`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Capability {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
        }

        impl Capability {
            /// Every capability, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The dotted name, resource first.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The kind of scope on which it is judged.
            #[must_use]
            pub const fn level(self) -> Level {
                match self { $(Self::$variant => Level::$level,)+ }
            }
        }

        /// One type per capability, for signatures such as `Permit<cap::DeploymentCreate>`.
        pub mod cap {
            $(
                #[doc = concat!("Stands for `", $name, "`.")]
                #[derive(Debug, Clone, Copy)]
                pub struct $variant;

                impl super::Held for $variant {
                    const CAPABILITY: super::Capability = super::Capability::$variant;
                }
            )+
        }
    };
}

capabilities! {
    ConsoleView = "console.view" on Console,
    FeatureManage = "feature.manage" on Console,
    UserManage = "user.manage" on Console,
    OrganizationCreate = "organization.create" on Console,
    TeamView = "team.view" on Team,
    TeamUpdate = "team.update" on Team,
    TeamDelete = "team.delete" on Team,
    TeamMemberManage = "team.member.manage" on Team,
    TeamBillingView = "team.billing.view" on Team,
    TeamBillingManage = "team.billing.manage" on Team,
    TeamOrganizationCreate = "team.organization.create" on Team,
    OrganizationView = "organization.view" on Organization,
    OrganizationUpdate = "organization.update" on Organization,
    OrganizationDelete = "organization.delete" on Organization,
    OrganizationTransfer = "organization.transfer" on Organization,
    ProjectCreate = "project.create" on Organization,
    ProviderView = "provider.view" on Organization,
    ProviderManage = "provider.manage" on Organization,
    ClusterView = "cluster.view" on Organization,
    ClusterManage = "cluster.manage" on Organization,
    TemplateManage = "template.manage" on Organization,
    MarketplaceView = "marketplace.view" on Organization,
    MarketplaceManage = "marketplace.manage" on Organization,
    BillingView = "billing.view" on Organization,
    BillingManage = "billing.manage" on Organization,
    ReportView = "report.view" on Organization,
    MailView = "mail.view" on Organization,
    MailManage = "mail.manage" on Organization,
    AuditView = "audit.view" on Organization,
    MemberView = "member.view" on Project,
    MemberInvite = "member.invite" on Project,
    MemberRemove = "member.remove" on Project,
    AccessManage = "access.manage" on Project,
    ServiceAccountManage = "service_account.manage" on Project,
    ProjectView = "project.view" on Project,
    ProjectUpdate = "project.update" on Project,
    ProjectDelete = "project.delete" on Project,
    ProjectTransfer = "project.transfer" on Project,
    ConfigurationUpdate = "configuration.update" on Project,
    RepositoryCreate = "repository.create" on Project,
    GitRepair = "git.repair" on Project,
    EnvironmentCreate = "environment.create" on Project,
    EnvironmentView = "environment.view" on Environment,
    EnvironmentUpdate = "environment.update" on Environment,
    EnvironmentDelete = "environment.delete" on Environment,
    EnvironmentFreeze = "environment.freeze" on Environment,
    VariableView = "variable.view" on Environment,
    VariableManage = "variable.manage" on Environment,
    SecretView = "secret.view" on Environment,
    SecretManage = "secret.manage" on Environment,
    DeploymentView = "deployment.view" on Environment,
    DeploymentCreate = "deployment.create" on Environment,
    DeploymentRedeploy = "deployment.redeploy" on Environment,
    DeploymentRollback = "deployment.rollback" on Environment,
    DeploymentCancel = "deployment.cancel" on Environment,
    DeploymentRetire = "deployment.retire" on Environment,
    DeploymentRevive = "deployment.revive" on Environment,
    DeploymentDelete = "deployment.delete" on Environment,
    InstanceRestart = "instance.restart" on Environment,
    JobManage = "job.manage" on Environment,
    LogView = "log.view" on Environment,
    DebugUse = "debug.use" on Environment,
    DashboardView = "dashboard.view" on Environment,
    DashboardManage = "dashboard.manage" on Environment,
    DomainView = "domain.view" on Environment,
    DomainCreate = "domain.create" on Environment,
    DomainUpdate = "domain.update" on Environment,
    DomainDelete = "domain.delete" on Environment,
    EdgeManage = "edge.manage" on Environment,
    DeployHookView = "deploy_hook.view" on Environment,
    DeployHookCreate = "deploy_hook.create" on Environment,
    DeployHookUpdate = "deploy_hook.update" on Environment,
    DeployHookDelete = "deploy_hook.delete" on Environment,
    BackupView = "backup.view" on Environment,
    BackupManage = "backup.manage" on Environment,
}

/// The columns of `policy/capabilities.csv` that only describe.
#[derive(Default)]
struct Description {
    area: String,
    allows: String,
    aliases: Vec<String>,
}

static DESCRIPTIONS: LazyLock<FxHashMap<String, Description>> = LazyLock::new(|| {
    let lines = include_str!("../../policy/capabilities.csv").lines().skip(1);
    let mut descriptions = FxHashMap::default();
    for [name, _level, area, allows, aliases] in lines.filter_map(csv::fields) {
        let aliases = aliases.split(';').filter(|alias| !alias.is_empty());
        let aliases = aliases.map(str::to_owned).collect();
        let description = Description { area, allows, aliases };
        descriptions.insert(name, description);
    }
    descriptions
});

static UNDESCRIBED: Description = Description { area: String::new(), allows: String::new(), aliases: Vec::new() };

/// Names and aliases together: a policy may use either.
static BY_NAME: LazyLock<FxHashMap<&'static str, Capability>> = LazyLock::new(|| {
    let mut by_name = FxHashMap::default();
    for &capability in Capability::ALL {
        by_name.insert(capability.name(), capability);
        for alias in capability.aliases() {
            by_name.insert(alias.as_str(), capability);
        }
    }
    by_name
});

impl Capability {
    /// The capability with this name, or the one that other consoles document under it.
    #[must_use]
    pub fn parse(name_or_alias: &str) -> Option<Self> {
        BY_NAME.get(name_or_alias).copied()
    }

    /// The part of the product that it belongs to.
    #[must_use]
    pub fn area(self) -> &'static str {
        &self.description().area
    }

    /// What it allows, as the end of the sentence "allows to".
    #[must_use]
    pub fn allows(self) -> &'static str {
        &self.description().allows
    }

    /// The permission keys under which other consoles document it.
    #[must_use]
    pub fn aliases(self) -> &'static [String] {
        &self.description().aliases
    }

    /// The set of this capability alone.
    #[must_use]
    pub const fn mask(self) -> Mask {
        Mask::of(&[self])
    }

    fn description(self) -> &'static Description {
        DESCRIPTIONS.get(self.name()).unwrap_or(&UNDESCRIBED)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_enum_is_the_specification() {
        let lines = include_str!("../../policy/capabilities.csv").lines().skip(1);
        let rows: Vec<[String; 5]> = lines.map(|line| csv::fields(line).unwrap()).collect();
        assert_eq!(rows.len(), Capability::ALL.len());
        for ([name, level, area, allows, aliases], &capability) in rows.iter().zip(Capability::ALL) {
            assert_eq!(capability.name(), name);
            assert_eq!(capability.level().name(), level);
            assert_eq!(capability.area(), area);
            assert_eq!(capability.allows(), allows);
            assert_eq!(&capability.aliases().join(";"), aliases);
        }
    }

    #[test]
    fn a_name_and_each_alias_mean_one_capability_only() {
        let mut seen = std::collections::BTreeSet::new();
        for &capability in Capability::ALL {
            let aliases = capability.aliases().iter().map(String::as_str);
            for name in aliases.chain([capability.name()]) {
                assert!(seen.insert(name), "`{name}` is ambiguous");
                assert_eq!(Capability::parse(name), Some(capability));
            }
        }
        assert_eq!(Capability::parse("deployment.creat"), None);
    }

    #[test]
    fn a_marker_stands_for_the_capability_of_its_name() {
        assert_eq!(cap::DeploymentCreate::CAPABILITY, Capability::DeploymentCreate);
    }
}
