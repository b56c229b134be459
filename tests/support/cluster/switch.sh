#!/bin/sh
# Holds the network of the machines: process 1 of namespaces of its own. When it ends, the kernel ends all in them.
# Usage: switch.sh DIRECTORY ADDRESS/PREFIX     The data of all engines and of the registry is in DIRECTORY/data.
set -eu
directory=$1 address=$2
# A copy of a mount of this machine's engine would keep a container's network and files alive after its removal.
# The engine removes mounts at the same time, which umount takes for a failure. What counts is that none is left.
umount --all --lazy --types nsfs,overlay || if grep -E ' - (nsfs|overlay) ' /proc/self/mountinfo; then exit 1; fi
mount -t tmpfs -o mode=755 tmpfs /run
# In memory, since to delete that many files from a disk takes longer than all else.
mkdir -p "$directory/data"
mount -t tmpfs -o mode=700 tmpfs "$directory/data"
ip link set lo up
ip link add switch type bridge
ip address add "$address" dev switch
ip link set switch up
echo ready
sleep infinity &
wait
