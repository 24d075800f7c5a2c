//! What is followed over WebSockets: that it comes, that it ends with the authority for it, and what clients are told who do not
//! keep to the protocol.

mod cut;
mod flip;
mod follow;
mod log;
mod protocol;

use serde_json::{Value, json};

use crate::harness::{Client, Deployment, Environment, RealServer, visit};

const ENVIRONMENT_LOG: &str =
    "subscription($id: ID!, $last: Int! = 100) { environmentLog(environmentId: $id, last: $last) { text stream at } }";
const DEPLOYMENT_LOG: &str = "subscription($id: ID!) { deploymentLog(deploymentId: $id) { text } }";
const DEPLOYMENTS: &str = "subscription($id: ID!) { deploymentUpdated(environmentId: $id) {
    id state environment { id } viewerCan(capabilities: [\"deployment.create\"]) { allowed } } }";

const ACCESS: &str = "subscription($id: String!) { accessChanged(scope: $id) { __typename } }";

/// Says on its output what it is asked for.
const PROGRAM: &str = r#"
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("asked for", self.path, flush=True)
        for number in range(int(self.path[len("/flood-"):]) if self.path.startswith("/flood-") else 0):
            print("flood", number, "x" * 50)
        print(end="", flush=True)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *arguments):
        pass
print("starting WORD", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;
const TOML: &str =
    "[process]\ncommand = [\"python3\", \"server.py\"]\n[health]\npath = \"/health\"\ntimeout_seconds = 10\n";

/// A server on which Ada has a program running, in an environment that is no production one.
struct Ground {
    server: RealServer,
    ada: Client,
    organization: String,
    environment: Environment,
    deployment: Deployment,
    data: tempfile::TempDir,
}

impl Ground {
    async fn new() -> Self {
        Self::with("").await
    }

    async fn with(settings: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("reeve-server.toml"), settings).unwrap();
        let server = RealServer::start(data.path()).await;
        let ada = server.client().sign_up("ada").await;
        let organization = ada.create_organization("acme").await;
        let project = ada.create_project(&organization, "site").await;
        let environment = ada.create_environment(&project, "staging", false).await;
        let deployment = deploy(&ada, &environment, "one").await;
        Self { server, ada, organization, environment, deployment, data }
    }

    /// Makes the program say something.
    async fn ask(&self, path: &str) {
        visit(self.server.edge_address(), &self.environment.url, path).send().await.unwrap();
    }
}

async fn deploy(client: &Client, environment: &Environment, word: &str) -> Deployment {
    let program = PROGRAM.replace("WORD", word);
    client.deploy_process(environment, &[("server.py", program.as_bytes())], TOML).await
}

fn id(id: &str) -> Value {
    json!({ "id": id })
}
