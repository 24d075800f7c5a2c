#!/bin/sh
# Runs every check of this repository: formatting, lints, documentation, and all tests on SQLite and on PostgreSQL.
#
#   scripts/test.sh            everything
#   scripts/test.sh --quick    the tests alone
#
# It needs Rust with rustfmt and clippy. What else is missing it installs with apt-get, if it may. PostgreSQL runs in a
# temporary folder on a socket of its own and is gone at the end, whatever happens.
set -eu
cd "$(dirname "$0")/.."

quick=no
for argument in "$@"; do
    case $argument in
        --quick) quick=yes ;;
        *) echo "unknown option: $argument (there is only --quick)" >&2; exit 2 ;;
    esac
done

work=
report=
stop() {
    code=$?
    trap - EXIT INT TERM
    if [ -n "$work" ]; then
        if [ -f "$work/data/postmaster.pid" ]; then
            unprivileged "$postgres/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1 || true
        fi
        rm -rf "$work"
    fi
    if [ -n "$report" ]; then
        printf '\n%s' "$report"
        [ "$code" -eq 0 ] && echo "all good" || echo "failed"
    fi
    exit "$code"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Runs one stage and notes how it went and how long it took.
stage() {
    name=$1
    shift
    printf '\n== %s\n' "$name"
    began=$(date +%s)
    result=0
    "$@" || result=$?
    [ "$result" -eq 0 ] && word=ok || word=FAILED
    report="$report$(printf '%-24s %-6s %5ss' "$name" "$word" "$(($(date +%s) - began))")
"
    return "$result"
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# PostgreSQL refuses to run as root.
unprivileged() {
    if [ "$(id -u)" -eq 0 ]; then (cd / && setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups "$@"); else "$@"; fi
}

# Where PostgreSQL's programs are; distributions keep those of the server off the search path.
find_postgres() {
    for folder in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -rn) "$(dirname "$(command -v pg_ctl || echo /)")"; do
        if [ -x "$folder/initdb" ] && [ -x "$folder/pg_ctl" ]; then
            echo "$folder"
            return
        fi
    done
}

prepare() {
    missing=
    find_postgres | grep -q . || missing="$missing postgresql"
    # The machine's own: behind walls nothing of anybody's home is there.
    [ -x /usr/bin/python3 ] || missing="$missing python3"
    PATH=$PATH:/usr/sbin:/sbin command -v mkfs.ext4 >/dev/null || missing="$missing e2fsprogs"
    # A DNS server and an authority that issues certificates, for stories about custom domains.
    PATH="$PATH:/usr/sbin" command -v nsd >/dev/null || missing="$missing nsd"
    command -v pebble >/dev/null || missing="$missing pebble"
    # A mail server, for stories about mail.
    /usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null || missing="$missing python3-aiosmtpd"
    command -v git >/dev/null || missing="$missing git"
    command -v cc >/dev/null || missing="$missing build-essential"
    if [ -n "$missing" ]; then
        echo "missing:$missing"
        if ! command -v apt-get >/dev/null || ! { as_root apt-get update -q && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing; }; then
            echo "these packages are missing and could not be installed here, install them and try again:$missing" >&2
            return 1
        fi
    fi
    absent=
    command -v cargo >/dev/null || absent="$absent cargo (install Rust)"
    if [ "$quick" = no ]; then
        cargo fmt --version >/dev/null 2>&1 || absent="$absent rustfmt (rustup component add rustfmt)"
        cargo clippy --version >/dev/null 2>&1 || absent="$absent clippy (rustup component add clippy)"
    fi
    if [ -n "$absent" ]; then
        echo "missing:$absent" >&2
        return 1
    fi
    postgres=$(find_postgres)
}

# Durability is switched off: the cluster does not outlive this script.
start_postgres() {
    work=$(mktemp -d /tmp/reeve-test.XXXXXX)
    [ "$(id -u)" -ne 0 ] || chown nobody "$work"
    # The tests come as another user when this runs as root.
    chmod 755 "$work"
    unprivileged "$postgres/initdb" -D "$work/data" -U reeve -A trust -E UTF8 --no-sync --locale=C >"$work.log" 2>&1 || {
        cat "$work.log" >&2
        rm -f "$work.log"
        return 1
    }
    rm -f "$work.log"
    settings="-c listen_addresses= -c unix_socket_directories=$work -c max_connections=300"
    settings="$settings -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
    unprivileged "$postgres/pg_ctl" -D "$work/data" -w -t 60 -l "$work/data/server.log" -o "$settings" start >/dev/null || {
        cat "$work/data/server.log" >&2
        return 1
    }
    database="postgres://reeve@localhost/postgres?host=$work"
}

# These cover the default members of the workspace: all but the benchmark, which compiles other policy engines.
document() { RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --quiet; }
on_sqlite() { REEVE_TEST_DATABASE=sqlite cargo test --no-fail-fast -- --skip isolation::revival; }
on_postgres() { REEVE_TEST_DATABASE=$database cargo test --test it -- --skip isolation::revival; }
# It measures, so it is told while nobody else speaks.
alone() { REEVE_TEST_DATABASE=sqlite cargo test --test it isolation::revival -- --nocapture; }

stage "prepare" prepare
stage "start PostgreSQL" start_postgres
if [ "$quick" = no ]; then
    stage "formatting" cargo fmt --all --check
    stage "lints" cargo clippy --all-targets -- -D warnings
    stage "documentation" document
fi
# What fails on one database only says more than what fails first.
failed=no
stage "tests on SQLite" on_sqlite || failed=yes
stage "tests on PostgreSQL" on_postgres || failed=yes
stage "revival, measured" alone || failed=yes
[ "$failed" = no ]
