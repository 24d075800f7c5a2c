//! Sockets that change hands: one made in a network of its own works for whoever holds it, wherever that one is. It must
//! not know what is sent over them.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
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
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!([RawFd; 1]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(from.as_fd().as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = part
            && let [fd] = fds.as_slice()
        {
            // SAFETY: the kernel has just made this descriptor for this process, and nobody else knows its number.
            return Ok(unsafe { OwnedFd::from_raw_fd(*fd) });
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}
