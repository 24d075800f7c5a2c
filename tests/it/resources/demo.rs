//! The demo that the README begins with.

use crate::harness::{RealServer, edges, eventually, visit};

#[tokio::test]
async fn the_demo_makes_what_it_says_and_serves_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = RealServer::start_demo(folder.path()).await;
    let output = eventually("the demo is ready", || async {
        let output = server.output();
        output.contains("ready; stop with Ctrl-C").then_some(output)
    })
    .await;
    let links: Vec<&str> = output.split_whitespace().filter(|word| word.contains(".acme.localhost:")).collect();
    assert_eq!(links.len(), 4, "{output}");
    for (link, says) in
        links.iter().zip(["version <strong>2", "version <strong>3", "Hello from process", "version <strong>1"])
    {
        let answer = visit(server.edge_address(), link, "/").send().await.unwrap();
        let (status, page) = (answer.status(), answer.text().await.unwrap());
        assert!(status == 200 && page.contains(says), "{link} answered {status}: {page}");
    }
    for name in ["ada", "edgar", "nora", "vera"] {
        assert!(output.contains(&format!("{name}@example.com")), "{output}");
    }
    let data = folder.path().join("data");
    let ended = || {
        let instances = std::fs::read_dir(data.join("instances")).unwrap().map(|it| it.unwrap().path());
        instances.map(|instance| instance.join("exit.json").exists()).collect::<Vec<_>>()
    };
    assert_eq!((edges(&data).len(), ended()), (1, vec![false]));
    server.stop().await;
    assert_eq!(ended(), [true], "a demo leaves nothing running");
    eventually("its edge has ended", async || edges(&data).is_empty().then_some(())).await;
}
