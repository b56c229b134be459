//! The four C library calls that the standard library has no safe equal of. All unsafe code of the workspace is here.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

const SIGINT: c_int = 2;
const SIGTERM: c_int = 15;
const SIG_BLOCK: c_int = 0;
const LOCK_EX: c_int = 2;
const LOCK_NB: c_int = 4;

/// The C library's `sigset_t` on Linux: 1024 bits.
#[repr(C)]
struct SignalSet([u64; 16]);

extern "C" {
    fn sigaddset(set: *mut SignalSet, signal: c_int) -> c_int;
    fn pthread_sigmask(how: c_int, set: *const SignalSet, old: *mut SignalSet) -> c_int;
    fn sigwait(set: *const SignalSet, signal: *mut c_int) -> c_int;
    fn flock(descriptor: c_int, operation: c_int) -> c_int;
}

/// SIGINT and SIGTERM, kept from ending the process until somebody waits for them.
///
/// Blocked signals are waited for instead of handled: no code runs inside a handler, and it works as process 1 too, where
/// the kernel drops a signal that is neither handled nor blocked.
pub struct StopSignals(SignalSet);

impl StopSignals {
    /// Blocks both signals in this thread and in all that it starts from now on, so call it before starting any.
    ///
    /// # Panics
    /// If the kernel refuses, which it does only for an invalid set.
    #[must_use]
    pub fn block() -> Self {
        let mut set = SignalSet([0; 16]);
        // SAFETY: `set` outlives the calls and has the size of `sigset_t`; all zeros is the empty set on Linux.
        let blocked = unsafe {
            sigaddset(&mut set, SIGINT);
            sigaddset(&mut set, SIGTERM);
            pthread_sigmask(SIG_BLOCK, &set, std::ptr::null_mut())
        };
        assert_eq!(blocked, 0, "SIGINT and SIGTERM cannot be blocked");
        Self(set)
    }

    /// Waits for one of the two and returns its name.
    #[must_use]
    pub fn wait(&self) -> &'static str {
        let mut signal = 0;
        // SAFETY: both pointers are to live values of the types that the C library expects.
        while unsafe { sigwait(&self.0, &mut signal) } != 0 {}
        if signal == SIGINT {
            "SIGINT"
        } else {
            "SIGTERM"
        }
    }
}

/// Locks a file for this process alone. The kernel gives the lock back when the process ends, however it ends.
///
/// # Errors
/// `WouldBlock` when another process holds it.
pub fn lock_exclusively(file: &File) -> io::Result<()> {
    // SAFETY: the descriptor belongs to `file`, which is borrowed for the length of the call.
    match unsafe { flock(file.as_raw_fd(), LOCK_EX | LOCK_NB) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
