//! Files: a program finds the machine's programs, its own release and its project's storage, and nothing else.

use serde_json::json;

use super::world::{World, run};

/// Says of each path how it can be opened, listed or written to: `None` if it can.
fn tries(paths: &[&str]) -> String {
    format!(
        r#"
import json, os
def tried(path):
    found = []
    for name, work in [("read", lambda: open(path).read(1)), ("list", lambda: os.listdir(path))]:
        try:
            work()
            found.append(name)
        except OSError:
            pass
    return found
print(json.dumps([tried(path) for path in {paths:?}]))
"#
    )
}

#[tokio::test]
async fn the_servers_files_are_not_there() {
    let Some(world) = World::new().await else { return };
    let data = world.data.path().to_str().unwrap().to_owned();
    let ways = ["", "/proc/self/root", "/proc/1/root", "/proc/self/cwd/../..", "/app/../..", "/proc/thread-self/root"];
    let things = ["", "/reeve.db", "/master.key", "/blobs", "/instances", "/releases", "/storage", "/lock"];
    let paths = ways.iter().flat_map(|way| things.map(|thing| format!("{way}{data}{thing}")));
    let paths: Vec<String> = paths.collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    assert_eq!(world.ask(&tries(&paths)).await, json!(vec![json!([]); paths.len()]));
    let others = ["/etc/shadow", "/etc/ssl/private", "/root", "/home", "/sys", "/boot", "/var/log", "/proc/1/environ"];
    assert_eq!(world.ask(&tries(&others)).await, json!(vec![json!([]); others.len()]));
    world.nobody_was_hurt().await;
}

#[tokio::test]
async fn another_tenants_files_are_not_there() {
    let Some(world) = World::new().await else { return };
    let hidden = run(&world.server, &world.vera, "open('/storage/secret-of-vera', 'w').write('s')").await.unwrap();
    assert_eq!(hidden.code, 0, "{hidden:?}");
    let search = format!(
        r#"
import json, os
found = []
for folder, folders, files in os.walk("/", followlinks=False):
    found += [os.path.join(folder, name) for name in folders + files if "of-vera" in name or "{}" in name]
print(json.dumps(found))
"#,
        world.vera.deployment.id
    );
    assert_eq!(world.ask(&search).await, json!([]));
    let other = world.data.path().join("releases").join(&world.vera.deployment.id);
    assert!(other.join("server.py").exists());
    assert_eq!(world.ask(&tries(&[other.to_str().unwrap()])).await, json!([[]]));
    world.nobody_was_hurt().await;
}

#[tokio::test]
async fn nothing_but_the_storage_and_temporary_folders_can_be_changed() {
    let Some(world) = World::new().await else { return };
    let attempt = r#"
import json, os
written = []
for folder in ["/", "/app", "/usr", "/usr/bin", "/etc", "/dev", "/proc", "/proc/sys/kernel", "/run", "/var", "/storage", "/tmp", "/dev/shm"]:
    try:
        open(folder + "/mark", "w").close()
        written.append(folder)
    except OSError:
        pass
for path in ["/app/server.py", "/usr/bin/python3", "/etc/passwd", "/etc/hosts", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger"]:
    try:
        open(path, "a").close()
        written.append(path)
    except OSError:
        pass
print(json.dumps(written))
"#;
    assert_eq!(world.ask(attempt).await, json!(["/storage", "/tmp", "/dev/shm"]));
    // What is temporary is the instance's own, what is stored is there for the next one.
    let mark = run(&world.server, &world.vera, "import os; print(os.listdir('/tmp'), os.path.exists('/storage/mark'))");
    assert_eq!(mark.await.unwrap().out, "[] False\n");
    let release = world.data.path().join("releases").join(&world.mallory.deployment.id);
    assert_eq!(std::fs::read_dir(release).unwrap().count(), 1);
    world.nobody_was_hurt().await;
}

#[tokio::test]
async fn links_lead_nowhere_outside() {
    let Some(world) = World::new().await else { return };
    let data = world.data.path().to_str().unwrap();
    let attempt = format!(
        r#"
import json, os
targets = ["{data}/reeve.db", "{data}", "/etc/shadow", "../../../../..{data}/master.key", "/proc/1/root{data}"]
opened = []
for number, target in enumerate(targets):
    link = f"/storage/link{{number}}"
    os.symlink(target, link)
    try:
        opened.append([target, os.listdir(link) if os.path.isdir(link) else open(link).read()])
    except OSError:
        pass
for target in ["/usr/bin/python3", "/etc/passwd", "/app/server.py"]:
    try:
        os.link(target, "/storage/hard")
        opened.append(target)
    except OSError:
        pass
print(json.dumps(opened))
"#
    );
    assert_eq!(world.ask(&attempt).await, json!([]));
    world.nobody_was_hurt().await;
}

#[tokio::test]
async fn the_storage_is_the_projects_and_survives_its_programs() {
    let Some(world) = World::new().await else { return };
    let written =
        world.attempt("import os; open(os.environ['REEVE_STORAGE'] + '/kept', 'w').write('until later')").await;
    assert_eq!(written.code, 0, "{written:?}");
    let again = world.mallory.redeploy().await;
    assert_ne!(again.id, world.mallory.deployment.id);
    assert_eq!(world.attempt("print(open('/storage/kept').read())").await.out, "until later\n");
    world.nobody_was_hurt().await;
}
