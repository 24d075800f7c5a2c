//! `reeve sample`: a program that listens on `$PORT`, for the demo and for whoever wants something to deploy.

use std::convert::Infallible;
use std::process::ExitCode;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::output::{complain, say};
use crate::sys::{clock, env};

/// Serves a page that says which process it is, until SIGTERM.
pub async fn serve() -> ExitCode {
    let Some(port) = env::var("PORT").and_then(|port| port.parse::<u16>().ok()) else {
        complain("error: set `PORT` to the port to listen on");
        return ExitCode::from(2);
    };
    let (listener, mut terminate) =
        match (TcpListener::bind(("127.0.0.1", port)).await, signal(SignalKind::terminate())) {
            (Ok(listener), Ok(terminate)) => (listener, terminate),
            (Err(error), _) | (_, Err(error)) => {
                complain(&format!("error: cannot listen on port {port} ({error})"));
                return ExitCode::FAILURE;
            }
        };
    say(&format!("listening on port {port}"));
    let started = clock::now();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = terminate.recv() => break,
        };
        let Ok((stream, _)) = stream else { continue };
        let answer = move |request: Request<Incoming>| async move {
            let text = match request.uri().path() {
                "/health" => "ok\n".to_owned(),
                path => format!(
                    "Hello from process {}, running since {}.\nYou asked for {path} on {}.\n",
                    std::process::id(),
                    started.to_rfc3339(),
                    request
                        .headers()
                        .get("x-forwarded-host")
                        .and_then(|host| host.to_str().ok())
                        .unwrap_or("this host"),
                ),
            };
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
        };
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new();
            let _ = connection.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
    say("stopping");
    ExitCode::SUCCESS
}
