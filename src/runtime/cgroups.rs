//! Control groups, of the first version and of the second: what a program may use of processors, memory and processes. The
//! machine's mounts are used as they are found. It must not know instances beyond a name.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::domain::tier::Limits;

/// Below each controller: all that is made here lies in it.
const PARENT: &str = "reeve";
const PERIOD_US: u64 = 100_000;
/// What a starting program may use at least, so that small instances start fast.
const BOOST_MILLIS: u64 = 1000;
/// A group is busy until the last process has been taken down.
const REMOVE_TRIES: u32 = 100;
const REMOVE_PAUSE: Duration = Duration::from_millis(5);

/// The folders in which groups can be made, by what they limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cgroups {
    /// The second version: one folder for everything.
    unified: bool,
    cpu: Option<PathBuf>,
    memory: Option<PathBuf>,
    pids: Option<PathBuf>,
}

/// What is not limited.
pub(super) struct Missing {
    pub(super) cpu: bool,
    pub(super) memory: bool,
    pub(super) pids: bool,
}

impl Cgroups {
    /// What there is on this machine and may be used by this process.
    pub(super) fn find() -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        Self::in_mounts(&mounts)
    }

    fn in_mounts(mounts: &str) -> Self {
        let mut found = Self::default();
        for line in mounts.lines() {
            let Some((place, kind)) = line.split_once(" - ") else { continue };
            let (Some(path), Some((kind, options))) = (place.split(' ').nth(4), kind.split_once(' ')) else { continue };
            let parent = Path::new(path).join(PARENT);
            let has = |name: &str| options.rsplit(' ').next().is_some_and(|all| all.split(',').any(|it| it == name));
            match kind {
                "cgroup2" if unify(Path::new(path)).is_ok() => {
                    let all = || Some(parent.clone());
                    return Self { unified: true, cpu: all(), memory: all(), pids: all() };
                }
                "cgroup" => {
                    for (name, place) in
                        [("cpu", &mut found.cpu), ("memory", &mut found.memory), ("pids", &mut found.pids)]
                    {
                        if has(name) && fs::create_dir_all(&parent).is_ok() {
                            *place = Some(parent.clone());
                        }
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// What these groups do not limit.
    pub(super) fn missing(&self) -> Missing {
        Missing { cpu: self.cpu.is_none(), memory: self.memory.is_none(), pids: self.pids.is_none() }
    }

    /// Leaves out what was found but cannot be used.
    pub(super) fn that_work(mut self) -> Self {
        let name = format!("probe-{}", std::process::id());
        let limits = crate::domain::tier::Tier::default().limits();
        let works =
            |groups: &Self| groups.create(&name, &limits).map(|_| ()).inspect(|()| groups.remove(&name)).is_ok();
        if self.unified {
            return if works(&self) { self } else { Self::default() };
        }
        let only = |cpu: &Option<PathBuf>, memory: &Option<PathBuf>, pids: &Option<PathBuf>| Self {
            unified: false,
            cpu: cpu.clone(),
            memory: memory.clone(),
            pids: pids.clone(),
        };
        let none = None;
        self.cpu = self.cpu.take_if(|cpu| works(&only(&Some(cpu.clone()), &none, &none)));
        self.memory = self.memory.take_if(|memory| works(&only(&none, &Some(memory.clone()), &none)));
        self.pids = self.pids.take_if(|pids| works(&only(&none, &none, &Some(pids.clone()))));
        self
    }

    /// Makes the groups of a program with its limits, except that it may use a whole processor while it starts; gives the
    /// files through which a process joins them.
    pub(super) fn create(&self, name: &str, limits: &Limits) -> io::Result<Vec<PathBuf>> {
        self.remove(name);
        for folder in self.folders(name) {
            fs::create_dir(&folder)?;
        }
        let number = |parent: &Option<PathBuf>, file: &str, value: u64| match parent {
            Some(parent) => fs::write(parent.join(name).join(file), value.to_string()),
            None => Ok(()),
        };
        if self.unified {
            number(&self.memory, "memory.max", limits.memory_bytes)?;
            // Where there is no swap, there is no such file.
            let _ = number(&self.memory, "memory.swap.max", 0);
        } else {
            number(&self.memory, "memory.limit_in_bytes", limits.memory_bytes)?;
            let _ = number(&self.memory, "memory.swappiness", 0);
        }
        number(&self.pids, "pids.max", limits.processes)?;
        self.set_cpu(name, limits.cpu_millis.max(BOOST_MILLIS))?;
        Ok(self.folders(name).into_iter().map(|folder| folder.join("cgroup.procs")).collect())
    }

    /// Sets what a program may use of processors, in thousandths of one.
    pub(super) fn set_cpu(&self, name: &str, millis: u64) -> io::Result<()> {
        let Some(parent) = &self.cpu else { return Ok(()) };
        let (group, quota) = (parent.join(name), millis * PERIOD_US / 1000);
        if self.unified {
            return fs::write(group.join("cpu.max"), format!("{quota} {PERIOD_US}"));
        }
        fs::write(group.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
        fs::write(group.join("cpu.cfs_quota_us"), quota.to_string())
    }

    /// How many processes were killed as the program wanted more memory than it may have.
    pub(super) fn killed_for_memory(&self, name: &str) -> u64 {
        let Some(parent) = &self.memory else { return 0 };
        let file = if self.unified { "memory.events" } else { "memory.oom_control" };
        counter(&fs::read_to_string(parent.join(name).join(file)).unwrap_or_default(), "oom_kill").unwrap_or(0)
    }

    /// Microseconds of processors that a program has used, where these groups count them.
    pub(super) fn cpu_micros(&self, name: &str) -> Option<u64> {
        let group = self.cpu.as_ref()?.join(name);
        if self.unified {
            return counter(&fs::read_to_string(group.join("cpu.stat")).ok()?, "usage_usec");
        }
        // Where processors are counted apart from where they are limited, there is no such file.
        let nanos: u64 = fs::read_to_string(group.join("cpuacct.usage")).ok()?.trim().parse().ok()?;
        Some(nanos / 1000)
    }

    /// Bytes of memory that a program uses, where these groups count them: without pages of files that nobody has touched for
    /// a while.
    pub(super) fn memory_bytes(&self, name: &str) -> Option<u64> {
        let group = self.memory.as_ref()?.join(name);
        let (current, idle) = if self.unified {
            ("memory.current", "inactive_file")
        } else {
            ("memory.usage_in_bytes", "total_inactive_file")
        };
        let used: u64 = fs::read_to_string(group.join(current)).ok()?.trim().parse().ok()?;
        let idle = counter(&fs::read_to_string(group.join("memory.stat")).unwrap_or_default(), idle);
        Some(used.saturating_sub(idle.unwrap_or(0)))
    }

    /// Forgets a program whose processes have ended. Blocks for half a second at most.
    pub(super) fn remove(&self, name: &str) {
        for folder in self.folders(name) {
            for _ in 0..REMOVE_TRIES {
                match fs::remove_dir(&folder) {
                    Err(error) if error.kind() == io::ErrorKind::ResourceBusy => std::thread::sleep(REMOVE_PAUSE),
                    _ => break,
                }
            }
        }
    }

    fn folders(&self, name: &str) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> =
            [&self.cpu, &self.memory, &self.pids].into_iter().flatten().map(|parent| parent.join(name)).collect();
        folders.dedup();
        folders
    }
}

/// The number on the line with this name.
fn counter(text: &str, name: &str) -> Option<u64> {
    let of = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(of)
}

/// Passes the controllers on, from the root of the second version to the groups that are made here.
fn unify(mount: &Path) -> io::Result<()> {
    const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];
    let there = fs::read_to_string(mount.join("cgroup.controllers"))?;
    if !CONTROLLERS.iter().all(|name| there.split_ascii_whitespace().any(|it| it == *name)) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    fs::create_dir_all(mount.join(PARENT))?;
    let all = CONTROLLERS.map(|name| format!("+{name}")).join(" ");
    fs::write(mount.join("cgroup.subtree_control"), &all)?;
    fs::write(mount.join(PARENT).join("cgroup.subtree_control"), &all)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
mod tests {
    use super::*;
    use crate::domain::tier::Tier;

    const NAME: &str = "dep_1";

    /// A folder that looks like the mounts of a machine.
    fn machine(lines: &[(&str, &str)]) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        let mut mounts = String::from("21 1 8:1 / / rw - ext4 /dev/vda rw\n");
        for (place, kind) in lines {
            let path = dir.path().join(place);
            fs::create_dir(&path).unwrap();
            mounts.push_str(&format!("30 21 0:1 / {} rw,nosuid shared:9 - {kind}\n", path.display()));
        }
        (dir, mounts)
    }

    fn read(dir: &tempfile::TempDir, file: &str) -> String {
        fs::read_to_string(dir.path().join(file)).unwrap()
    }

    #[test]
    fn the_first_version_has_a_folder_for_each_controller() {
        let (dir, mounts) = machine(&[
            ("cpu", "cgroup cgroup rw,cpu,cpuacct"),
            ("mem", "cgroup cgroup rw,memory"),
            ("unified", "cgroup2 cgroup2 rw"),
            ("pids", "cgroup cgroup rw,pids"),
        ]);
        fs::write(dir.path().join("unified/cgroup.controllers"), "\n").unwrap();
        let groups = Cgroups::in_mounts(&mounts);
        let joins = groups.create(NAME, &Tier::Hobby.limits()).unwrap();
        let expected = ["cpu", "mem", "pids"].map(|it| dir.path().join(it).join("reeve/dep_1/cgroup.procs"));
        assert_eq!(joins, expected);
        assert_eq!(read(&dir, "mem/reeve/dep_1/memory.limit_in_bytes"), "536870912");
        assert_eq!(read(&dir, "pids/reeve/dep_1/pids.max"), "256");
        assert_eq!(read(&dir, "cpu/reeve/dep_1/cpu.cfs_quota_us"), "100000", "a whole processor to start with");
        groups.set_cpu(NAME, Tier::Hobby.limits().cpu_millis).unwrap();
        assert_eq!(read(&dir, "cpu/reeve/dep_1/cpu.cfs_quota_us"), "25000");
        fs::write(dir.path().join("mem/reeve/dep_1/memory.oom_control"), "under_oom 0\noom_kill 3\n").unwrap();
        assert_eq!(groups.killed_for_memory(NAME), 3);
        assert_eq!(groups.cpu_micros(NAME), None, "counted by a controller of its own");
        fs::write(dir.path().join("cpu/reeve/dep_1/cpuacct.usage"), "1234567\n").unwrap();
        assert_eq!(groups.cpu_micros(NAME), Some(1234));
        assert_eq!(groups.memory_bytes(NAME), None);
        fs::write(dir.path().join("mem/reeve/dep_1/memory.usage_in_bytes"), "5000\n").unwrap();
        fs::write(dir.path().join("mem/reeve/dep_1/memory.stat"), "inactive_file 1\ntotal_inactive_file 2000\n")
            .unwrap();
        assert_eq!(groups.memory_bytes(NAME), Some(3000));
        let missing = groups.missing();
        assert!(!missing.cpu && !missing.memory && !missing.pids);
    }

    #[test]
    fn the_second_version_has_one_folder_for_all() {
        let (dir, mounts) = machine(&[("all", "cgroup2 cgroup2 rw")]);
        fs::write(dir.path().join("all/cgroup.controllers"), "cpuset cpu io memory pids\n").unwrap();
        let groups = Cgroups::in_mounts(&mounts);
        let joins = groups.create(NAME, &Tier::Tier2.limits()).unwrap();
        assert_eq!(joins, [dir.path().join("all/reeve/dep_1/cgroup.procs")]);
        assert_eq!(read(&dir, "all/cgroup.subtree_control"), "+cpu +memory +pids");
        assert_eq!(read(&dir, "all/reeve/cgroup.subtree_control"), "+cpu +memory +pids");
        assert_eq!(read(&dir, "all/reeve/dep_1/memory.max"), (4_u64 << 30).to_string());
        assert_eq!(read(&dir, "all/reeve/dep_1/memory.swap.max"), "0");
        assert_eq!(read(&dir, "all/reeve/dep_1/cpu.max"), "200000 100000");
        fs::write(dir.path().join("all/reeve/dep_1/memory.events"), "max 9\noom 1\noom_kill 2\n").unwrap();
        assert_eq!(groups.killed_for_memory(NAME), 2);
        fs::write(dir.path().join("all/reeve/dep_1/cpu.stat"), "usage_usec 77\nuser_usec 70\n").unwrap();
        fs::write(dir.path().join("all/reeve/dep_1/memory.current"), "9000\n").unwrap();
        fs::write(dir.path().join("all/reeve/dep_1/memory.stat"), "anon 1\ninactive_file 4000\n").unwrap();
        assert_eq!((groups.cpu_micros(NAME), groups.memory_bytes(NAME)), (Some(77), Some(5000)));
    }

    #[test]
    fn what_is_not_there_is_missing() {
        let (_dir, mounts) = machine(&[("pids", "cgroup cgroup rw,pids")]);
        let missing = Cgroups::in_mounts(&mounts).missing();
        assert!(missing.cpu && missing.memory && !missing.pids);
    }
}
