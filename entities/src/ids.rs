//! Typed, prefixed, sortable ids: `prj_01k8…`. One spelling everywhere: API, URLs, logs, command line, audit log.
//! Making a new one needs the clock and is therefore not here.

use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};
use sea_orm::DeriveValueType;
use uuid::Uuid;

/// Crockford's base32 in lower case; sorts like the bytes and reads without `i`, `l`, `o`, `u`.
static CROCKFORD: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    #[expect(clippy::expect_used, reason = "the alphabet is a constant that a test encodes with")]
    specification.encoding().expect("a valid alphabet")
});

/// Why a text is no id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidId {
    /// The prefix that was expected, e.g. `prj`.
    pub expected: &'static str,
}

fn encode(prefix: &str, id: Uuid) -> String {
    format!("{prefix}_{}", CROCKFORD.encode(id.as_bytes()))
}

fn decode(prefix: &'static str, text: &str) -> Result<Uuid, InvalidId> {
    let invalid = InvalidId { expected: prefix };
    let body = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).ok_or_else(|| invalid.clone())?;
    let bytes = CROCKFORD.decode(body.as_bytes()).map_err(|_| invalid.clone())?;
    Uuid::from_slice(&bytes).map_err(|_| invalid)
}

/// An id with a prefix of its own.
pub trait Id: Copy + Eq + std::hash::Hash + std::fmt::Display + Send + Sync + 'static {
    /// The letters before the underscore.
    const PREFIX: &'static str;
    /// The id of this kind with these bits.
    fn from_uuid(id: Uuid) -> Self;
    /// The bits without the kind.
    fn uuid(self) -> Uuid;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, DeriveValueType)]
        pub struct $name(pub Uuid);

        impl Id for $name {
            const PREFIX: &'static str = $prefix;
            fn from_uuid(id: Uuid) -> Self { Self(id) }
            fn uuid(self) -> Uuid { self.0 }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(&encode($prefix, self.0)) }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(&encode($prefix, self.0)) }
        }
        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> { decode($prefix, text).map(Self) }
        }
        impl sea_orm::TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, sea_orm::DbErr> {
                Err(sea_orm::DbErr::ConvertFromU64(stringify!($name)))
            }
        }
        impl From<$name> for u128 {
            fn from(id: $name) -> u128 { id.0.as_u128() }
        }
        impl From<u128> for $name {
            fn from(id: u128) -> Self { Self(Uuid::from_u128(id)) }
        }
    )* };
}

ids! {
    /// A person or a bot.
    UserId = "usr";
    /// A team of people.
    TeamId = "team";
    /// A session family: one sign-in and all its refreshes.
    SessionId = "ses";
    /// A role binding.
    BindingId = "bnd";
    /// An organization.
    OrganizationId = "org";
    /// A project.
    ProjectId = "prj";
    /// An environment.
    EnvironmentId = "env";
    /// A deployment.
    DeploymentId = "dep";
    /// Something that happened to a deployment.
    DeploymentEventId = "dpe";
    /// A durable deployment action.
    ActionId = "act";
    /// An entry of the audit log.
    AuditEntryId = "aud";
    /// A role that was made or imported here.
    RoleId = "rol";
    /// A role that can be activated for a while.
    EligibleRoleId = "elr";
    /// An assertion about access.
    PolicyTestId = "pts";
    /// An invitation.
    InvitationId = "inv";
    /// A key of a user or service account.
    ApiKeyId = "key";
    /// An offer of an organization to a team.
    TransferId = "trf";
    /// Something that a user is told.
    NoticeId = "ntc";
    /// A variable of a project or an environment.
    VariableId = "var";
    /// A custom domain of an environment.
    DomainId = "dom";
    /// The repository of a project.
    GitConnectionId = "git";
    /// A deployment that was asked of a repository.
    GitRequestId = "grq";
    /// An address that deploys.
    DeployHookId = "hok";
    /// An address that is told of events.
    WebhookId = "whk";
    /// Something that is on its way to a webhook, or to somebody by mail.
    DeliveryId = "dlv";
    /// One attempt to deliver.
    DeliveryAttemptId = "dla";
    /// Something that happened, and that others are told of.
    EventId = "evt";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_sorts_like_its_bits() {
        let small = ProjectId(Uuid::from_u128(1 << 100));
        let large = ProjectId(Uuid::from_u128(1 << 101));
        assert_eq!(small.to_string().parse(), Ok(small));
        assert!(small.to_string() < large.to_string());
        assert_eq!("org_00".parse::<ProjectId>(), Err(InvalidId { expected: "prj" }));
        assert_eq!("prj_".parse::<ProjectId>(), Err(InvalidId { expected: "prj" }));
        assert_eq!(format!("{small}0").parse::<ProjectId>(), Err(InvalidId { expected: "prj" }));
    }
}
