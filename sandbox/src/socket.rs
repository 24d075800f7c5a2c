//! Sockets that change hands: one made in a network of its own works for whoever holds it, wherever that one is. It must
//! not know what is sent over them.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
};

use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg, socket,
};

/// Hands over a TCP socket of the network that this process is in. It is not connected yet: who gets it does that, and
/// nobody here waits.
///
/// # Errors
/// What the system refused.
pub(crate) fn hand_over(to: &UnixStream) -> io::Result<()> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let made = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
    let fds = [made.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&fds)];
    sendmsg::<()>(to.as_raw_fd(), &[IoSlice::new(b"s")], &rights, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Takes a socket that was handed over, ready for use without blocking.
///
/// # Errors
/// `WouldBlock` when it has not come yet; `UnexpectedEof` when none will.
pub fn receive(from: &impl AsFd) -> io::Result<OwnedFd> {
    take::<1>(from)?.pop().ok_or(io::ErrorKind::UnexpectedEof.into())
}

/// Hands over sockets, or none, to whoever takes them; without blocking.
///
/// # Errors
/// `WouldBlock` when there is no room; what else the system refused.
pub fn give(to: &impl AsFd, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
    let fds: Vec<RawFd> = sockets.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&fds)];
    let rights = if fds.is_empty() { &[][..] } else { &rights[..] };
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    sendmsg::<()>(to.as_fd().as_raw_fd(), &[IoSlice::new(b"s")], rights, flags, None)?;
    Ok(())
}

/// Takes what was given at once, `MOST` sockets and no more.
///
/// # Errors
/// `WouldBlock` when it has not come yet; `UnexpectedEof` when nothing will.
pub fn take<const MOST: usize>(from: &impl AsFd) -> io::Result<Vec<OwnedFd>> {
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!([RawFd; MOST]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(from.as_fd().as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    if message.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut taken = Vec::new();
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = part {
            // SAFETY: the kernel has just made these descriptors for this process, and nobody else knows their numbers.
            taken.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    Ok(taken)
}
