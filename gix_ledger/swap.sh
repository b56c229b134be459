#!/bin/sh
# swap.sh swap|settle
#
# Runs in a container, on a ledger's volume at /data, while no auction has it open.
#   swap    checks what a restore has put into .gix-restore/new by the list .gix-restore/sums, and puts it in the place
#           of everything else; the directory gets what .gix-restore/attributes says: owner, mode, time
#   settle  ends what a cut-off restore left: takes back what was not yet whole, goes on with a swap that had begun
#
# Whenever it is cut off, each file of the ledger is whole, under its own name, in new/ or in old/.
set -eu
cd "${DATA_DIRECTORY:-/data}"
work=.gix-restore
done=.gix-restored

finish() {
    sync -f .
    # Renamed first: half of it gone, it would look like a swap to go on with.
    mv -T $work $done
    read -r owner mode time <$done/attributes
    rm -rf $done
    chown "$owner" .
    chmod "$mode" .
    touch -d "$time" .
}

if [ "$1" = swap ]; then
    rm -rf $done
    cd $work/new
    rm -f .gix-manifest.json
    [ "$(find . -type f -printf . | wc -c)" -eq "$(wc -l <../sums)" ] || {
        echo "not every file arrived on the volume" >&2
        exit 1
    }
    [ ! -s ../sums ] || sha256sum --check --strict --quiet ../sums
    cd ../..
    mkdir $work/old
    sync -f .
    : >$work/swapping
    sync -f .
elif [ ! -e $work/swapping ]; then
    rm -rf $work $done
    exit
fi

exists() { [ -e "$1" ] || [ -L "$1" ]; }

# What has no successor goes first: afterwards new/ no longer tells which that is.
if [ ! -e $work/placing ]; then
    for each in * .[!.]* ..?*; do
        if exists "$each" && [ "$each" != $work ] && ! exists "$work/new/$each"; then
            mv -T "$each" "$work/old/$each"
        fi
    done
    : >$work/placing
fi

for path in "$work"/new/* "$work"/new/.[!.]* "$work"/new/..?*; do
    exists "$path" || continue
    each=${path#"$work/new/"}
    if exists "$each" && ! exists "$work/old/$each"; then
        if [ -d "$each" ] || [ -d "$path" ]; then
            mv -T "$each" "$work/old/$each"
        else
            # A second name for the old file, so that the rename below leaves no moment without one.
            ln "$each" "$work/old/$each"
        fi
    fi
    mv -fT "$path" "$each"
done
finish
