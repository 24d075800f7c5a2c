//! Who may do what: the capabilities, the role packs, and the Datalog program that decides.
//!
//! The specification is `policy/README.md`. Nothing here knows the database, the API or the clock: facts come in,
//! decisions with their witnesses go out.

mod binding;
pub mod capability;
mod csv;
pub mod decide;
pub mod explain;
pub mod facts;
pub mod give;
pub mod mask;
pub mod pack_file;
pub mod packs;
pub mod permit;
mod program;
mod scope;
mod suggest;
mod terms;
mod violation;

pub use capability::{Capability, Held, Level, cap};
pub use decide::{Authority, VisibleScopes, allows};
pub use explain::{Decision, Environments, Reason, Refusal, Witness, explain};
pub use facts::{ActorFacts, Binding, EnvironmentKind, Facts, Grant, Kinds, Narrowing, Scope, ScopeFact, Subject};
pub use give::{missing_to_define, missing_to_give, missing_to_invite, missing_to_join};
pub use mask::{Mask, Masks};
pub use pack_file::{BadLine, RowWords};
pub use packs::{Packs, Reach, RoleIndex, Row};
pub use permit::{Decided, Permit, Sight, Visible};
pub use suggest::smallest_roles;
pub use violation::{Guarded, TeamFact, Violation, missing_to_change_kind, violations};
