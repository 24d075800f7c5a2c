//! Where roles are tried out: a console with its administrator, and an organization of everything that a role can be bound on.
//! It must not expect anything of what roles give.

use std::collections::HashMap;

use reeve::audit::Entry;
use reeve::authz::Packs;
use reeve::domain::email::EmailAddress;
use serde_json::json;

use super::specification::{Holding, Pack, Place};
use crate::harness::{Client, Environment, TestServer};

/// Somebody who administers the console, and somebody who makes organizations.
pub(super) struct World {
    pub(super) server: TestServer,
    pub(super) root: Client,
    pub(super) ada: Client,
    team: String,
}

/// One organization with a project and two environments, and the id of every place.
pub(super) struct Ground {
    pub(super) ids: HashMap<Place, String>,
    pub(super) production: Environment,
    pub(super) staging: Environment,
}

impl World {
    pub(super) async fn new() -> Self {
        let server = TestServer::start().await;
        let (root, ada) = (server.sign_up("root").await, server.sign_up("ada").await);
        let (store, _) = server.keys().await;
        let email = EmailAddress::parse(&root.account.email).unwrap();
        let entry = Entry::new("access.bootstrap", None, "-".to_owned());
        // Nobody gives more than they hold, and this role holds everything.
        let role = "devops-console/console-admin";
        let packs = Packs::built_in().unwrap();
        reeve::service::access::bootstrap(&store, &packs, &email, role, entry).await.unwrap();
        let mine = ada.ok("{ viewer { personalTeam { id } } }", json!({})).await;
        let team = mine["viewer"]["personalTeam"]["id"].as_str().unwrap().to_owned();
        Self { server, root, ada, team }
    }

    /// A new organization of Ada's, without neighbours.
    pub(super) async fn ground(&self, slug: &str) -> Ground {
        let organization = self.ada.create_organization(slug).await;
        let project = self.ada.create_project(&organization, "site").await;
        let production = self.ada.create_environment(&project, "production", true).await;
        let staging = self.ada.create_environment(&project, "staging", false).await;
        let ids = [
            (Place::Console, "console".to_owned()),
            (Place::Team, self.team.clone()),
            (Place::Organization, organization),
            (Place::Project, project),
            (Place::Production, production.id.clone()),
            (Place::Staging, staging.id.clone()),
        ];
        Ground { ids: HashMap::from(ids), production, staging }
    }

    /// A new person who holds these roles: given by whoever may give them there, which nobody but the console's administrator
    /// may at the console and at a team.
    pub(super) async fn holder(&self, pack: &Pack, holding: &Holding, ground: &Ground) -> Client {
        let holder = self.server.sign_up("holder").await;
        for (role, bound) in &holding.roles {
            let giver = if matches!(bound, Place::Console | Place::Team) { &self.root } else { &self.ada };
            giver.grant(&holder, &format!("{}/{role}", pack.name), &ground.ids[bound]).await;
        }
        holder
    }
}
