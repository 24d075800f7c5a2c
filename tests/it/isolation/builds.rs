//! Hostile builds: what holds for programs holds for them, and what one tenant's build keeps no other tenant's build finds.

use serde_json::{Value, json};

use super::world::{Tenant, World};
use crate::durability::program::interpreter;
use crate::harness::{Client, Deployment, left_of_build};

impl Tenant {
    /// Its build runs this; it has to end well.
    async fn builds(&self, code: &str) -> Deployment {
        let deployment = build(&self.client, self, code).await;
        self.client.wait_for(&deployment, "ACTIVE").await;
        deployment
    }

    /// The same of something that prints JSON on one line.
    async fn build_tells(&self, code: &str) -> Value {
        let deployment = self.builds(code).await;
        let said = self.client.build_log(&deployment).await;
        serde_json::from_str(&said[0]).unwrap_or_else(|_| panic!("{said:?}"))
    }
}

async fn build(client: &Client, tenant: &Tenant, code: &str) -> Deployment {
    let toml = format!("[build]\ncommand = [{:?}, \"-S\", \"build.py\"]\noutput = \"dist\"\n", interpreter());
    let code = format!("import os\nos.makedirs('dist')\nopen('dist/index.html', 'w').write('built')\n{code}");
    client.deploy(&tenant.environment, &[("build.py", code.as_bytes())], Some(&toml)).await
}

#[tokio::test]
async fn nothing_of_others_is_within_its_reach() {
    let Some(world) = World::new().await else { return };
    let hers = "open('/cache/secret-of-vera', 'w').write('s'); open('/app/other-of-vera', 'w').write('s')";
    // In an environment of its own, so that what is looked at stays as it is.
    let project = world
        .vera
        .client
        .ok("query($id: ID!) { environment(id: $id) { project { id } } }", json!({ "id": world.vera.environment.id }));
    let project = project.await["environment"]["project"]["id"].as_str().unwrap().to_owned();
    let aside = world.vera.client.create_environment(&project, "aside", false).await;
    let vera =
        Tenant { client: world.vera.client.clone(), environment: aside, deployment: world.vera.deployment.clone() };
    vera.builds(hers).await;
    let (api, edge) = (world.server.api_address(), world.server.edge_address());
    let data = world.data.path().to_str().unwrap();
    let attempt = format!(
        r#"
import json, socket
found = []
for folder, folders, files in os.walk("/", followlinks=False):
    found += [os.path.join(folder, name) for name in folders + files if "of-vera" in name]
for path in ["{data}", "{data}/reeve.db", "{data}/master.key", "{data}/cache", "/proc/1/root{data}", "/storage", "/etc/shadow"]:
    if os.path.exists(path):
        found.append(path)
for host in ["{host}", "127.0.0.1", "192.0.2.1"]:
    for port in [{api}, {edge}, 53]:
        try:
            socket.create_connection((host, port), timeout=1).close()
            found.append([host, port])
        except OSError:
            pass
for path in ["/usr/bin/mark", "/etc/mark", "/mark"]:
    try:
        open(path, "w").close()
        found.append(path)
    except OSError:
        pass
print(json.dumps([found, os.getuid() == 0]))
"#,
        host = api.ip(),
        api = api.port(),
        edge = edge.port()
    );
    assert_eq!(world.mallory.build_tells(&attempt).await, json!([[], false]));
    assert_eq!(vera.build_tells("print(int(os.path.exists('/cache/secret-of-vera')))").await, json!(1));
    world.nobody_was_hurt().await;
}

#[tokio::test]
async fn what_it_takes_is_bounded() {
    let Some(world) = World::new().await else { return };
    let fill = r#"
import json
taken = {}
for folder in ["/app", "/cache", "/tmp"]:
    for number in range(200):
        file = os.open(f"{folder}/fill{number}", os.O_CREAT | os.O_WRONLY)
        try:
            os.posix_fallocate(file, 0, 64 << 20)
            taken[folder] = number * 64
        except OSError:
            break
    for number in range(200):
        try:
            os.unlink(f"{folder}/fill{number}")
        except OSError:
            pass
print(json.dumps([taken["/app"] < 4096, taken["/cache"] < 2048, taken["/tmp"] <= 512]))
"#;
    assert_eq!(world.mallory.build_tells(fill).await, json!([true, true, true]));
    let bomb = r"
import signal
made = 0
try:
    while made < 5000:
        if os.fork() == 0:
            signal.pause()
        made += 1
except OSError:
    print(int(made < 1024))
";
    assert_eq!(world.mallory.build_tells(bomb).await, json!(1));
    let hog = "hoard = []\nwhile True: hoard.append(bytearray(16 << 20))";
    let deployment = build(&world.mallory.client, &world.mallory, hog).await;
    let failure = world.mallory.client.failed(&deployment).await["failure"].clone();
    assert!(failure.as_str().unwrap().contains("may use 2048 MB of memory"), "{failure}");
    world.nobody_was_hurt().await;
}

#[tokio::test]
async fn what_it_leaves_running_is_killed() {
    let Some(world) = World::new().await else { return };
    let daemon = r#"
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            os.symlink("/etc/passwd", "/app/dist/new")
            os.rename("/app/dist/new", "/app/dist/index.html")
    os._exit(0)
os.wait()
while not os.path.islink("/app/dist/index.html"):
    pass
"#;
    // It goes on until it is killed, and only then it is looked at what is there.
    let deployment = build(&world.mallory.client, &world.mallory, daemon).await;
    let failure = world.mallory.client.failed(&deployment).await["failure"].clone();
    assert!(failure.as_str().unwrap().contains("is a symbolic link"), "{failure}");
    assert_eq!(left_of_build(world.data.path(), &deployment), [""; 0]);
    world.nobody_was_hurt().await;
}
