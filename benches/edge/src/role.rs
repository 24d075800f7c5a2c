//! The servers that this program becomes: the edge with one table, and the program behind it, each with one worker.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{Error, Write as _, stdout};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use reeve::edge::routes::{Route, RouteTable, TargetSpec};
use reeve::edge::static_site::{SiteOptions, StaticFile, StaticSite};
use reeve::edge::{EdgeConfig, EdgeHandle};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::Result;

/// The host that leads to the program, and the one that leads to files.
pub(crate) const PROXY: &str = "proxy.bench.test";
pub(crate) const FILES: &str = "files.bench.test";

const SMALL_ANSWER: usize = 100;
const SMALL_FILE: usize = 1024;
const LARGE: usize = 100 * 1024;

/// The files that both servers serve.
pub(crate) fn write_files(folder: &Path) -> Result<()> {
    let files = folder.join("files");
    std::fs::create_dir(&files)?;
    std::fs::write(files.join("small.bin"), vec![b's'; SMALL_FILE])?;
    std::fs::write(files.join("large.bin"), vec![b'l'; LARGE])?;
    // nginx reads as nobody when it is started by root.
    std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755))
}

/// The edge over a program and a folder, until it is killed.
pub(crate) fn edge(upstream: Option<&str>, folder: Option<&str>) -> Result<ExitCode> {
    let upstream: SocketAddr =
        upstream.and_then(|text| text.parse().ok()).ok_or_else(|| Error::other("`edge` takes an address"))?;
    let files = PathBuf::from(folder.ok_or_else(|| Error::other("`edge` takes a folder"))?).join("files");
    let file = |name: &str, size: usize| StaticFile {
        path: name.to_owned(),
        blob: files.join(name),
        size: size as u64,
        digest: format!("{size:x}"),
        content_type: None,
    };
    let site = StaticSite::new(
        "site".to_owned(),
        [file("small.bin", SMALL_FILE), file("large.bin", LARGE)],
        SiteOptions { not_found: None, fallback: None },
    );
    let route = |host: &str, target| {
        let route = Route { key: host.to_owned(), deployment: host.to_owned(), target };
        (host.to_owned(), route)
    };
    let routes = HashMap::from([
        route(PROXY, TargetSpec::Process(upstream.into())),
        route(FILES, TargetSpec::Static(Arc::new(site))),
    ]);
    let table = RouteTable { version: 1, base_domain: "bench.test".to_owned(), routes, ..RouteTable::default() };
    one_worker(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (_sender, receiver) = watch::channel(Arc::new(table));
        let edge = EdgeHandle::start(listener, receiver, EdgeConfig::default())?;
        writeln!(stdout(), "{}", edge.address())?;
        std::future::pending().await
    })
}

/// The program: it answers by the path and does nothing else, until it is killed.
pub(crate) fn upstream() -> Result<ExitCode> {
    one_worker(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(stdout(), "{}", listener.local_addr()?)?;
        let (small, large) = (Bytes::from(vec![b's'; SMALL_ANSWER]), Bytes::from(vec![b'l'; LARGE]));
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (small, large) = (small.clone(), large.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let body = if request.uri().path() == "/large.bin" { large.clone() } else { small.clone() };
                std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(body))))
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    })
}

fn one_worker(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
