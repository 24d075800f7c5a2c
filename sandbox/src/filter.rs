//! System calls that no program of a customer needs and many an attack does. It must not know who is filtered.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

use crate::{Refused, at};

/// Refused whatever their arguments: file systems, namespaces, other processes' memory, the kernel itself, its keys and
/// clocks, and interfaces whose defects have opened many a wall.
const DENIED: &[libc::c_long] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_vhangup,
];

#[cfg(target_arch = "x86_64")]
const DENIED_HERE: &[libc::c_long] = &[libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_HERE: &[libc::c_long] = &[];

/// New namespaces by the back door.
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// All others are refused: virtual machine sockets, for one, reach past a network namespace.
const FAMILIES: [libc::c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Puts the filter on this process and on all that it starts, for good. Takes `no_new_privs`.
pub(crate) fn apply() -> Result<(), Refused> {
    for program in [refusals()?, pretences()?] {
        seccompiler::apply_filter(&program).map_err(at("the filter of system calls"))?;
    }
    Ok(())
}

/// What answers `EPERM`.
fn refusals() -> Result<BpfProgram, Refused> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        DENIED.iter().chain(DENIED_HERE).map(|call| (*call, Vec::new())).collect();
    let rule = |conditions: Vec<SeccompCondition>| SeccompRule::new(conditions).map_err(at("a rule"));
    let flag = |flag: libc::c_int| {
        let flag = u64::from(flag.unsigned_abs());
        rule(vec![condition(SeccompCmpOp::MaskedEq(flag), flag)?])
    };
    rules.insert(libc::SYS_clone, NAMESPACES.map(flag).into_iter().collect::<Result<_, _>>()?);
    let others = FAMILIES.map(|family| condition(SeccompCmpOp::Ne, u64::from(family.unsigned_abs())));
    rules.insert(libc::SYS_socket, vec![rule(others.into_iter().collect::<Result<_, _>>()?)?]);
    compiled(rules, libc::EPERM)
}

/// What answers `ENOSYS`, so that libraries do it another way: the filter cannot read what `clone3` is asked for, and the
/// numbers of the x32 interface name calls that the filter knows by others.
fn pretences() -> Result<BpfProgram, Refused> {
    let program = compiled(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)?;
    if !cfg!(target_arch = "x86_64") {
        return Ok(program);
    }
    const X32: u32 = 0x4000_0000;
    let step = |code: u32, jt: u8, jf: u8, k: u32| sock_filter { code: code as u16, jt, jf, k };
    let mut whole = vec![
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs()),
    ];
    whole.extend(program);
    Ok(whole)
}

fn condition(operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, Refused> {
    SeccompCondition::new(0, SeccompCmpArgLen::Dword, operator, value).map_err(at("a condition"))
}

fn compiled(rules: BTreeMap<i64, Vec<SeccompRule>>, answer: libc::c_int) -> Result<BpfProgram, Refused> {
    let architecture: TargetArch = std::env::consts::ARCH.try_into().map_err(at("the filter's architecture"))?;
    let matched = SeccompAction::Errno(answer.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, matched, architecture).map_err(at("the filter"))?;
    filter.try_into().map_err(at("the filter"))
}
