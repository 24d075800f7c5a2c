//! What a suspended organization and a frozen environment leave open: the words of rules 5 and 6 as sets.
//!
//! It must not know when they count.

use std::sync::LazyLock;

use crate::authz::capability::Capability;
use crate::authz::mask::Mask;

/// Rule 5: what still counts in a suspended organization. By pattern, as the rule is: a new `*.view` is open too.
pub(super) static OPEN_WHILE_SUSPENDED: LazyLock<Mask> = LazyLock::new(|| {
    let open = |capability: &Capability| match capability {
        Capability::SecretView => false,
        Capability::OrganizationTransfer => true,
        other => other.name().ends_with(".view") || other.name().starts_with("billing."),
    };
    Capability::ALL.iter().copied().filter(open).collect()
});

/// Rule 6: what does not count in a frozen environment.
pub(super) const CLOSED_WHILE_FROZEN: Mask = Mask::of(&[
    Capability::DeploymentCreate,
    Capability::DeploymentRedeploy,
    Capability::EnvironmentUpdate,
    Capability::EnvironmentDelete,
]);
