//! What the audit log keeps of an attempt. How it is stored is the store's matter.

use entities::ids::{BindingId, UserId};
use entities::values::ScopeKind;
use uuid::Uuid;

use crate::authz::{Capability, Decision, Reason, Witness};

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
    /// It is known what scope it concerns: that of the first decision which it took.
    pub placed: bool,
    /// The organization that the scope is or belongs to.
    pub organization_id: Option<Uuid>,
    /// The project that the scope is or belongs to.
    pub project_id: Option<Uuid>,
    /// Id of the object it concerns.
    pub subject: Option<String>,
    /// Ids of the bindings that allow it, the nearest first; not kept when it is refused.
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
            placed: false,
            organization_id: None,
            project_id: None,
            subject: None,
            bindings: Vec::new(),
            details: serde_json::Value::Null,
        }
    }

    /// Keeps the bindings that allow it: those of the first decision that it takes.
    pub fn is_allowed_by(&mut self, decision: Option<&Decision>) {
        if !self.bindings.is_empty() {
            return;
        }
        let because = decision.map_or(&[][..], |decision| &decision.because);
        self.bindings = because.iter().map(binding).collect();
        // Several rows of one role stand side by side.
        self.bindings.dedup();
    }

    /// Keeps what stands against it: the capability that is missing, the nearest reason, and the binding that this applies
    /// to. Without a decision there is nothing that it could be held on.
    pub fn is_refused_for(&mut self, capability: Capability, decision: Option<&Decision>) {
        let refusal = decision.and_then(|decision| decision.refusal.as_ref());
        let reason = match (decision, refusal) {
            (_, Some(refusal)) => refusal.reason.name(),
            // It is held as the environment is, but not as the change would make it (rule 9).
            (Some(_), None) => Reason::OtherEnvironmentKind.name(),
            (None, None) => "NOT_THERE",
        };
        let nearest = refusal.and_then(|refusal| refusal.witness.as_ref()).map(binding);
        self.details = serde_json::json!({ "capability": capability.name(), "reason": reason, "binding": nearest });
    }
}

fn binding(witness: &Witness) -> String {
    BindingId::from(witness.binding).to_string()
}
