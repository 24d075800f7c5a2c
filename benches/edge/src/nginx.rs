//! nginx as an operator would set it up for the same task: one worker, connections to the program kept open, files sent by
//! the kernel and remembered.

use std::io::Error;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::contest::{CORE, Running, pinned};
use crate::{Result, role};

/// Starts it over the files of `folder`.
pub(crate) fn start(folder: &Path, upstream: &str) -> Result<Running> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let at = folder.display();
    let configuration = format!(
        "worker_processes 1; daemon off; pid {at}/nginx.pid; error_log {at}/error.log crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=100;
  client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u;
  scgi_temp_path {at}/s;
  upstream program {{ server {upstream}; keepalive 128; keepalive_requests 100000000; }}
  server {{ listen {address} backlog=1024; server_name {proxy};
    location / {{ proxy_pass http://program; proxy_http_version 1.1; proxy_set_header Connection \"\";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Request-Id $request_id;
      proxy_buffers 16 16k; }} }}
  server {{ listen {address}; server_name {files}; root {at}/files; }}
}}",
        proxy = role::PROXY,
        files = role::FILES,
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, configuration)?;
    let mut command = pinned("nginx", CORE);
    command.args(["-e", &format!("{at}/error.log"), "-p", &at.to_string(), "-c", &file.to_string_lossy()]);
    // Killed as a whole: without a master there is one process.
    let child = command.args(["-g", "master_process off;"]).stdout(Stdio::null()).spawn()?;
    let running = Running::new(child, address);
    // It tells nobody when it listens, so it is asked.
    for _ in 0..100 {
        if TcpStream::connect(&running.address).is_ok() {
            return Ok(running);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(Error::other("nginx does not listen"))
}
