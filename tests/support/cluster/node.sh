#!/bin/sh
# Runs an engine as a machine would: process 1 of namespaces of its own, within those of the switch.
# Usage: node.sh DIRECTORY NAME ADDRESS/PREFIX [OPTION OF DOCKERD]...     Standard input: the network of the switch
set -eu
directory=$1 name=$2 address=$3 data=$1/data/$2
shift 3
mkdir -p "$data/engine" "$data/etc"
echo "$name" >/proc/sys/kernel/hostname
# Sockets, process ids and network namespaces of the engine: gone with the machine, as after a power cut.
mount -t tmpfs -o mode=755 tmpfs /run
# Without the machine's daemon.json, and with a key, so an ID, of its own.
[ ! -d /etc/docker ] || mount --bind "$data/etc" /etc/docker
ip link set lo up
ip link add eth0 type veth peer name "$name" netns /proc/self/fd/0
ip address add "$address" dev eth0
ip link set eth0 up
nsenter --net=/proc/self/fd/0 ip link set "$name" master switch up
dockerd --host "unix://$directory/$name.sock" --data-root "$data/engine" "$@" </dev/null &
wait
