//! What a program uses of its machine: from its control groups, and from `/proc` where there are none. It must not know
//! instances beyond a name.

use nix::unistd::{SysconfVar, sysconf};

use super::{Usage, cgroups::Cgroups, procfs};

/// What the program below `root` has used and uses now. Its processors are counted to the hundredth of a second where `/proc` has
/// to tell. Blocks.
pub(super) fn of(groups: &Cgroups, name: &str, root: i32) -> Usage {
    let (cpu, memory) = (groups.cpu_micros(name), groups.memory_bytes(name));
    match (cpu, memory) {
        (Some(cpu_micros), Some(memory_bytes)) => Usage { cpu_micros, memory_bytes },
        (cpu, memory) => {
            let told = of_processes(root);
            Usage { cpu_micros: cpu.unwrap_or(told.cpu_micros), memory_bytes: memory.unwrap_or(told.memory_bytes) }
        }
    }
}

/// The same of a process and everything below it. What several of them share in memory counts for each.
fn of_processes(root: i32) -> Usage {
    let constant = |name, usual| sysconf(name).ok().flatten().and_then(|it| u64::try_from(it).ok()).unwrap_or(usual);
    let tick_micros = 1_000_000 / constant(SysconfVar::CLK_TCK, 100).max(1);
    let page = constant(SysconfVar::PAGE_SIZE, 4096);
    let below = procfs::descendants(root).into_iter().map(|process| process.pid);
    let used = [root].into_iter().chain(below).filter_map(procfs::used);
    used.fold(Usage::default(), |sum, (ticks, pages)| Usage {
        cpu_micros: sum.cpu_micros + ticks * tick_micros,
        memory_bytes: sum.memory_bytes + pages * page,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::sys::clock;

    #[test]
    fn processes_are_counted_with_all_that_they_have_started() {
        let busy = "(while :; do :; done) & one=$!; (while :; do :; done) & read line; kill $one $!";
        let mut shell = Command::new("sh").args(["-c", busy]).stdin(Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(shell.id()).unwrap();
        let (groups, since) = (Cgroups::default(), clock::instant());
        let mut seen = of(&groups, "none", pid);
        while seen.cpu_micros < 200_000 && since.elapsed().as_secs() < 20 {
            std::thread::yield_now();
            seen = of(&groups, "none", pid);
        }
        let alone = procfs::used(pid).unwrap();
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert!(seen.cpu_micros >= 200_000 && alone.0 < 20, "{seen:?}, the shell alone {alone:?}");
        assert!(seen.memory_bytes > 100_000, "{seen:?}");
        assert_eq!(of(&groups, "none", pid), Usage::default(), "it has ended");
    }
}
