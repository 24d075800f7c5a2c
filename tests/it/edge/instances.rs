//! Several programs behind one host: they share the visitors, one that refuses is passed over, and one that is taken out of
//! the table serves to the end those it has.

use std::collections::BTreeMap;

use reeve::edge::{DrainReport, EdgeConfig, StillRouted, routes::TargetSpec};
use reeve::reach::Address;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::support::{GRACE, Program, Rig, read_until};

const HOST: &str = "app.apps.test";

fn all(programs: &[&Program]) -> TargetSpec {
    let addresses: Vec<Address> = programs.iter().map(|program| program.address.into()).collect();
    TargetSpec::Process(addresses.into())
}

async fn visits(rig: &Rig, count: usize) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for _ in 0..count {
        let answer = rig.get(HOST, "/", "").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        *seen.entry(answer.rsplit("\r\n").next().unwrap().to_owned()).or_default() += 1;
    }
    seen
}

fn counts(seen: &[(&str, usize)]) -> BTreeMap<String, usize> {
    seen.iter().map(|(label, count)| ((*label).to_owned(), *count)).collect()
}

#[tokio::test]
async fn programs_with_equally_much_to_do_take_turns() {
    let rig = Rig::new(EdgeConfig::default()).await;
    let (a, b, c) = (Program::new("a").await, Program::new("b").await, Program::new("c").await);
    rig.route(HOST, "d1", all(&[&a, &b, &c])).await;
    assert_eq!(visits(&rig, 9).await, counts(&[("a", 3), ("b", 3), ("c", 3)]));
    // Whoever has more to do is spared.
    let mut busy = rig.connect().await;
    busy.write_all(format!("GET /stream HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes()).await.unwrap();
    let streams = read_until(&mut busy, "\n\r\n").await + &read_until(&mut busy, "\n").await;
    let label = ["a", "b", "c"].into_iter().find(|label| streams.contains(&format!("\r\n{label}\n"))).unwrap();
    let seen = visits(&rig, 6).await;
    assert!(!seen.contains_key(label) && seen.values().all(|count| *count == 3), "{label} streams: {seen:?}");
}

#[tokio::test]
async fn a_program_that_refuses_is_passed_over() {
    let rig = Rig::new(EdgeConfig::default()).await;
    let well = Program::new("well").await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    rig.route(HOST, "d1", TargetSpec::Process(vec![gone.into(), well.address.into()].into())).await;
    assert_eq!(visits(&rig, 6).await, counts(&[("well", 6)]));
    let body = "a=1";
    let post = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 3\r\nConnection: close\r\n\r\n{body}");
    for _ in 0..4 {
        let answer = rig.raw(&post).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "nothing was sent yet: {answer}");
    }
    assert_eq!(rig.edge.in_flight("d1"), 0);
    // Where nobody answers, it is said.
    rig.route(HOST, "d1", TargetSpec::Process(vec![gone.into()].into())).await;
    assert!(rig.get(HOST, "/", "").await.starts_with("HTTP/1.1 502"));
    rig.route(HOST, "d1", TargetSpec::Process(Vec::<Address>::new().into())).await;
    assert!(rig.get(HOST, "/", "").await.starts_with("HTTP/1.1 503"));
}

#[tokio::test]
async fn one_that_is_taken_out_drains_by_itself_while_the_others_serve() {
    let rig = Rig::new(EdgeConfig::default()).await;
    let (a, b) = (Program::new("a").await, Program::new("b").await);
    rig.route(HOST, "d1", all(&[&a])).await;
    let mut stream = rig.connect().await;
    stream.write_all(format!("GET /stream HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes()).await.unwrap();
    read_until(&mut stream, "a\n").await;
    rig.route(HOST, "d1", all(&[&a, &b])).await;
    read_until(&mut stream, "a\n").await;
    assert_eq!(rig.edge.drain_instance("d1", &a.address.into(), GRACE).await, Err(StillRouted));
    rig.route(HOST, "d1", all(&[&b])).await;
    assert_eq!(visits(&rig, 4).await, counts(&[("b", 4)]));
    read_until(&mut stream, "a\n").await;
    assert_eq!(rig.edge.in_flight("d1"), 1, "it goes on");
    let (address, short) = (a.address.into(), std::time::Duration::from_millis(50));
    let report = rig.edge.drain_instance("d1", &address, short).await.unwrap();
    assert_eq!(report, DrainReport { in_flight_at_switch: 1, undrained: 1 });
    assert_eq!(rig.edge.drain_deployment("d1", short).await, Err(StillRouted));
    assert_eq!(visits(&rig, 2).await, counts(&[("b", 2)]));
}
