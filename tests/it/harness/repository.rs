//! A real repository in a folder of its own, made by the program `git` itself, and a real server of it by HTTP.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A repository; it goes with its test.
pub(crate) struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    /// An empty one, whose branch is `main`.
    pub(crate) fn new() -> Self {
        let repository = Self { folder: tempfile::tempdir().unwrap() };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.git(&["config", "http.receivepack", "false"]);
        repository
    }

    /// With one commit of these files.
    pub(crate) fn with(files: &[(&str, &[u8])]) -> Self {
        let repository = Self::new();
        repository.commit("First", files);
        repository
    }

    /// Where its files are.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// How it is named where files may be fetched from.
    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// Commits files; the id of the commit.
    pub(crate) fn commit(&self, message: &str, files: &[(&str, &[u8])]) -> String {
        for (path, content) in files {
            let path = self.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs git in it; what it prints.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.env_clear().env("PATH", std::env::var("PATH").unwrap()).env("HOME", self.path());
        command.env("GIT_CONFIG_NOSYSTEM", "1").args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]);
        command.args(["-c", "commit.gpgsign=false"]).args(arguments).current_dir(self.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Serves it by HTTP to whoever sends this `user:token`; what is asked for as `/elsewhere` is sent on to it.
    pub(crate) fn serve(&self, credential: &str) -> Served {
        let mut command = Command::new("python3");
        command.args(["-c", SERVER, credential]).arg(self.path().join(".git")).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Served { child, base: format!("http://127.0.0.1:{}", port.trim()) }
    }
}

/// A server of a repository; it ends with its test.
pub(crate) struct Served {
    child: Child,
    base: String,
}

impl Served {
    /// Something on it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Hands every request to `git http-backend`, as any web server does.
const SERVER: &str = r#"
import base64, http.server, os, subprocess, sys
credential, folder = sys.argv[1], sys.argv[2]
wanted = "Basic " + base64.b64encode(credential.encode()).decode()
class Handler(http.server.BaseHTTPRequestHandler):
    def serve(self):
        path, _, query = self.path.partition("?")
        if path.startswith("/elsewhere"):
            self.send_response(302)
            self.send_header("Location", self.path.replace("/elsewhere", "/site.git", 1))
            self.end_headers()
            return
        if credential and self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.end_headers()
            return
        length = int(self.headers.get("Content-Length", 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(length)
        environment = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": folder, "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path.removeprefix("/site.git"), "QUERY_STRING": query, "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""), "REMOTE_ADDR": "127.0.0.1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, stdout=subprocess.PIPE)
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        headers = [line.split(b": ", 1) for line in head.split(b"\r\n") if line]
        status = [value for name, value in headers if name == b"Status"]
        self.send_response(int(status[0].split()[0]) if status else 200)
        for name, value in headers:
            if name != b"Status":
                self.send_header(name.decode(), value.decode())
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest)
    do_GET = do_POST = serve
    def log_message(self, *arguments):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;
