//! The network: a program has a loopback interface of its own, and no way to anybody.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use serde_json::json;

use super::world::World;

#[tokio::test]
async fn the_servers_ports_cannot_be_reached() {
    let Some(world) = World::new().await else { return };
    let (api, edge) = (world.server.api_address(), world.server.edge_address());
    let attempt = format!(
        r#"
import json, socket
reached = []
for host in ["{host}", "127.0.0.1", "0.0.0.0", "::1", "localhost"]:
    for port in [{api}, {edge}]:
        try:
            socket.create_connection((host, port), timeout=2).close()
            reached.append([host, port])
        except OSError:
            pass
print(json.dumps(reached))
"#,
        host = api.ip(),
        api = api.port(),
        edge = edge.port()
    );
    assert_eq!(world.ask(&attempt).await, json!([]));
    world.nobody_was_hurt().await;
}

#[tokio::test]
async fn nothing_outside_can_be_reached() {
    let Some(world) = World::new().await else { return };
    // Addresses of documentation: were there a way out, it would lead to nobody.
    let attempt = r#"
import errno, json, socket
answers = []
for family, host in [(socket.AF_INET, "192.0.2.1"), (socket.AF_INET, "10.0.0.1"), (socket.AF_INET6, "2001:db8::1")]:
    for kind in [socket.SOCK_STREAM, socket.SOCK_DGRAM]:
        made = socket.socket(family, kind)
        made.settimeout(2)
        try:
            made.connect((host, 53))
            answers.append("connected")
        except OSError as error:
            answers.append(errno.errorcode[error.errno])
print(json.dumps([answers, socket.if_nameindex()]))
"#;
    let unreachable = vec!["ENETUNREACH"; 6];
    assert_eq!(world.ask(attempt).await, json!([unreachable, [[1, "lo"]]]));
    world.nobody_was_hurt().await;
}

#[tokio::test]
async fn no_socket_of_the_machine_is_within_reach() {
    let Some(world) = World::new().await else { return };
    let name = crate::harness::unique();
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    listener.set_nonblocking(true).unwrap();
    let attempt = format!(
        r#"
import errno, json, socket
answers = []
made = socket.socket(socket.AF_UNIX)
try:
    made.connect("\x00{name}")
    answers.append("connected")
except OSError as error:
    answers.append(errno.errorcode[error.errno])
for family, kind, protocol in [(socket.AF_PACKET, socket.SOCK_RAW, 3), (socket.AF_INET, socket.SOCK_RAW, 1), (40, 1, 0), (38, 5, 0)]:
    try:
        socket.socket(family, kind, protocol).close()
        answers.append("made")
    except OSError as error:
        answers.append(errno.errorcode[error.errno])
print(json.dumps(answers))
"#
    );
    let refused = ["ECONNREFUSED", "EPERM", "EPERM", "EPERM", "EPERM"];
    assert_eq!(world.ask(&attempt).await, json!(refused));
    assert!(listener.accept().is_err());
    world.nobody_was_hurt().await;
}
