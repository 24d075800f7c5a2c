//! What the audit log keeps of an attempt. How it is stored is the store's matter.

use entities::ids::UserId;
use entities::values::ScopeKind;
use uuid::Uuid;

/// An attempt to change something, begun before it is known how it ends.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What is attempted, `resource.verb`.
    pub operation: &'static str,
    /// Who attempts it; none for nobody signed in, or the system itself.
    pub actor: Option<UserId>,
    /// The request that it came with.
    pub request_id: String,
    /// The kind of scope it concerns.
    pub scope_kind: ScopeKind,
    /// Key of the scope; nil for the console.
    pub scope_id: Uuid,
    /// Id of the object it concerns.
    pub subject: Option<String>,
    /// Ids of the bindings that allow it, the nearest first.
    pub bindings: Vec<String>,
    /// What else is worth keeping; never a secret.
    pub details: serde_json::Value,
}

impl Entry {
    /// An entry about the whole console until something narrows it.
    pub fn new(operation: &'static str, actor: Option<UserId>, request_id: String) -> Self {
        Self {
            operation,
            actor,
            request_id,
            scope_kind: ScopeKind::Console,
            scope_id: Uuid::nil(),
            subject: None,
            bindings: Vec::new(),
            details: serde_json::Value::Null,
        }
    }
}
