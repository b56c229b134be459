#!/bin/sh
# Runs an engine as a machine would: process 1 of namespaces of its own, within those of the switch.
# Usage: machine.sh DIRECTORY NAME ADDRESS/PREFIX [OPTION OF DOCKERD]...     Standard input: the switch's network
set -eu
directory=$1 name=$2 address=$3 data=$1/data/$2
shift 3
mkdir -p "$data/engine" "$data/etc"
# Left by an engine that was killed.
rm -f "$directory/$name.sock"
echo "$name" >/proc/sys/kernel/hostname
# Sockets, process ids and network namespaces of the engine go with the machine, as after a power cut.
mount -t tmpfs -o mode=755 tmpfs /run
# The engine gets an ID of its own, and not this machine's daemon.json.
[ ! -d /etc/docker ] || mount --bind "$data/etc" /etc/docker
ip link set lo up
# With a constant MAC address, the other machines find it again after a restart.
host=${address%/*}
ip link add eth0 address "02:00:00:00:00:$(printf %02x "${host##*.}")" type veth peer name "$name" netns /proc/self/fd/0
ip address add "$address" dev eth0
ip link set eth0 up
nsenter --net=/proc/self/fd/0 ip link set "$name" master switch up
# A shell as process 1 also reaps the processes whose parents have ended.
dockerd --host "unix://$directory/$name.sock" --data-root "$data/engine" "$@" </dev/null &
wait "$!"
# The engine was stopped. The machine is still on.
sleep infinity &
wait
