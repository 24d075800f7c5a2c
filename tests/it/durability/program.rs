//! The program that these stories deploy: it names its version in every answer, and can be unwell in several ways. It must
//! not need anything but Python's own library.

/// How a program behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It serves.
    Well,
    /// Its health check answers 500.
    Sick,
    /// Its health check answers 200 twice, then 500 for ever: it fails when its deployment is ready already.
    Tired,
    /// It ends at once with code 3.
    Quits,
    /// It runs and never listens.
    Deaf,
    /// Its health check answers 500 until there is a file `gate` in its folder.
    Gated,
    /// It serves, unless there is a file `bar` in its folder when it starts: then it ends at once with code 3.
    Barred,
}

const PROGRAM: &str = r#"
import asyncio, os, sys, threading
checks = 0
def health():
    global checks
    checks += 1
    if checks == 1 and MOOD == "Gated":
        print("asked for its health", flush=True)
    well = {"Sick": False, "Tired": checks <= 2, "Gated": os.path.exists("gate")}
    return b"200 OK" if well.get(MOOD, True) else b"500 Internal Server Error"
def answer(request):
    status, body = (health(), b"") if request.startswith(b"GET /health ") else (b"200 OK", PAGE)
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)
class Visit(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.rest = transport, b""
    def data_received(self, data):
        *requests, self.rest = (self.rest + data).split(b"\r\n\r\n")
        self.transport.write(b"".join(map(answer, requests)))
async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Visit, "127.0.0.1", int(os.environ["PORT"]), backlog=128)
    await server.serve_forever()
print("starting", VERSION, flush=True)
if MOOD == "Quits":
    print("there is no database", file=sys.stderr)
    sys.exit(3)
if MOOD == "Barred" and os.path.exists("bar"):
    sys.exit(3)
if MOOD == "Deaf":
    threading.Event().wait()
asyncio.run(main())
"#;

/// The source of a version.
pub(crate) fn source(version: &str, mood: Mood) -> Vec<u8> {
    let page = page(version);
    format!("VERSION, MOOD, PAGE = {version:?}, \"{mood:?}\", {page:?}.encode()\n{PROGRAM}").into_bytes()
}

/// Its `reeve.toml`. A program that never gets well is given up soon.
pub(crate) fn project_file(mood: Mood) -> String {
    let seconds = match mood {
        Mood::Well | Mood::Gated | Mood::Barred | Mood::Quits => 20,
        Mood::Tired => 6,
        Mood::Sick => 3,
        Mood::Deaf => 1,
    };
    let python = interpreter();
    format!(
        "[process]\ncommand = [{python:?}, \"-S\", \"server.py\"]\n\
         [health]\npath = \"/health\"\ntimeout_seconds = {seconds}\n"
    )
}

/// The machine's own: what lies in somebody's home is not there behind walls.
pub(crate) fn interpreter() -> &'static str {
    const PYTHON: &str = "/usr/bin/python3";
    assert!(std::path::Path::new(PYTHON).exists(), "these stories need `{PYTHON}`");
    PYTHON
}

/// What a version answers: long enough that half of it would be noticed.
pub(crate) fn page(version: &str) -> String {
    format!("{version} ").repeat(300)
}

/// The version that a page names, if all of the page is there.
pub(crate) fn version(body: &str) -> Option<&str> {
    body.split_once(' ').map(|(version, _)| version).filter(|version| page(version) == body)
}
