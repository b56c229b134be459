#!/bin/sh
# Holds the cluster's network: process 1 of namespaces of its own. When it ends, the kernel ends everything in them.
# Usage: switch.sh DIRECTORY ADDRESS/PREFIX     The data of engines and registry go to DIRECTORY/data.
set -eu
directory=$1 address=$2
# A copy of another engine's mount keeps its container's namespace and files alive after their removal there.
umount --all --types nsfs,overlay
mount -t tmpfs -o mode=755 tmpfs /run
# In memory, the data goes when the cluster goes. To delete as many files from a disk takes longer than all else.
mkdir -p "$directory/data"
mount -t tmpfs -o mode=700 tmpfs "$directory/data"
ip link set lo up
ip link add switch type bridge
ip address add "$address" dev switch
ip link set switch up
echo ready
sleep infinity &
wait
