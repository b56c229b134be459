"""Names that the Linux kernel and the engine know: capabilities, signals, process limits, tmpfs options."""

import re

_CAPABILITIES = """
AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER
FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE
NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE
SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM
"""
_SIGNALS = """
ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP
TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX
"""
_ULIMITS = "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack"
_TMPFS_FLAGS = """
defaults ro rw suid nosuid dev nodev exec noexec sync async dirsync mand nomand atime noatime diratime nodiratime
relatime norelatime strictatime nostrictatime
"""
_TMPFS_VALUES = re.compile(
    r"(?:size=\d+[kmg%]?|nr_(?:inodes|blocks)=\d+[kmg]?|mode=[0-7]{1,4}|[ug]id=\d{1,10}|mpol=[^,]+)", re.ASCII
)

CAPABILITIES = frozenset(f"CAP_{name}" for name in _CAPABILITIES.split())
"""Capabilities as of Linux 5.9."""
SIGNALS = frozenset(
    f"SIG{name}"
    for name in (
        *_SIGNALS.split(),
        *(f"RTMIN+{number}" for number in range(1, 16)),
        *(f"RTMAX-{number}" for number in range(1, 15)),
    )
)
"""Names of signals that the engine accepts."""
ULIMITS = frozenset(_ULIMITS.split())
"""Process limits that the engine can set."""
SWARM_TMPFS_FLAGS = frozenset({"rw", "noexec", "nosuid", "nodev"})
"""Options that each tmpfs of a Swarm task has. Only its size can be stated."""
_TMPFS_SIZE = re.compile(r"size=(\d+)([kmg]?)")
_FLAGS = frozenset(_TMPFS_FLAGS.split())


def tmpfs_size_bytes(options: str) -> int | None:
    """The size of a tmpfs with these options; None without one, or if it is in percent."""
    factors = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
    matches = filter(None, map(_TMPFS_SIZE.fullmatch, options.split(",")))
    return next((int(match[1]) * factors[match[2]] for match in matches), None)


def is_tmpfs_option(option: str) -> bool:
    """Whether the engine and the kernel accept `option` for a tmpfs."""
    return option in _FLAGS or _TMPFS_VALUES.fullmatch(option) is not None
