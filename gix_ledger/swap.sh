#!/bin/sh
# swap.sh ready|swap|settle
#
# Runs as root in a container that has a ledger's volume at /data.
#   ready   compares what a restore has put into .gix-restore/new with the list .gix-restore/sums, tries the attributes
#           that the directory gets (.gix-restore/attributes: owner, mode, time), then closes the directory to all but
#           root: a container that starts from now on cannot open the ledger
#   swap    puts new/ in the place of everything else; refuses where something was written since the restore began
#   settle  ends a restore: takes back one whose swap has not begun, carries on one whose swap has; opens the directory.
#           What was written into the old files since the restore began is kept, and settle prints under which name.
#
# Whenever it is cut off, each file of the ledger is whole, under its own name, in new/ or in old/.
# Every path begins with ./, so that no name on the volume is taken for an option.
set -eu
cd "${DATA_DIRECTORY:-/data}"
work=./.gix-restore
# One at a time: nothing is taken back while it is put in place.
exec 9<.
flock 9

exists() { [ -e "$1" ] || [ -L "$1" ]; }

# open_as PATH FILE: gives a directory the owner and the mode that a file tells; the time is for the end.
open_as() {
    read -r owner mode time <"$2"
    chown "$owner" "$1"
    chmod "$mode" "$1"
}

ready() {
    rm -f $work/new/.gix-manifest.json
    (cd $work/new && find . -type f -exec sha256sum --zero {} +) >$work/found
    LC_ALL=C sort -z -o $work/arrived $work/found
    LC_ALL=C comm -z -3 $work/arrived $work/sums >$work/differing
    if [ -s $work/differing ]; then
        names=$(tr '\0\n\t' '\n? ' <$work/differing | sed 's/^ *[^ ]*  //' | sort -u | head -n 3)
        echo "what arrived on the volume is not what the archive holds: $names" >&2
        exit 1
    fi
    open_as $work/new $work/attributes
    touch -d "$time" $work/new
    stat -c '%u:%g %a %y' . >$work/closing
    sync -f .
    # By a rename, so that settle never reads half of it.
    mv -T $work/closing $work/before
    chmod 700 .
    chown "${CLOSED_OWNER:-0:0}" .
    sync -f .
}

swap() {
    # sums is the first thing that a restore writes after it has stopped the auction.
    changed=$(find . -mindepth 1 -path $work -prune -o -newercc $work/sums -print -quit)
    [ -z "$changed" ] || {
        echo "$changed was changed while the restore was at work; nothing was replaced" >&2
        exit 3
    }
    mkdir $work/old
    sync -f .
    : >$work/swapping
    sync -f .
    place
}

place() {
    # What has no successor goes first: afterwards new/ no longer tells which that is.
    if [ ! -e $work/placing ]; then
        for path in ./* ./.[!.]* ./..?*; do
            if exists "$path" && [ "$path" != $work ] && ! exists "$work/new/$path"; then
                mv -T "$path" "$work/old/$path"
            fi
        done
        : >$work/placing
    fi
    for new in "$work"/new/* "$work"/new/.[!.]* "$work"/new/..?*; do
        exists "$new" || continue
        path=./${new#"$work/new/"}
        if exists "$path" && ! exists "$work/old/$path"; then
            if [ -d "$path" ] || [ -d "$new" ]; then
                mv -T "$path" "$work/old/$path"
            else
                # A second name for the old file, so that the rename below leaves no moment without one.
                ln "$path" "$work/old/$path"
            fi
        fi
        mv -fT "$new" "$path"
    done
    sync -f .
}

keep() {
    if [ ! -e $work/kept ]; then
        : >$work/now
        late=$(find $work/old -type f -newermc $work/sums ! -newermc $work/now -print -quit)
        [ -n "$late" ] || return 0
        date +.gix-kept-%s%N >$work/keeping
        mv -T $work/keeping $work/kept
    fi
    read -r name <$work/kept
    if [ -e $work/old ]; then
        mv -T $work/old "./$name"
    fi
}

settle() {
    if [ -e $work/swapping ]; then
        place
        if [ -e $work/old ] || [ -e $work/kept ]; then
            keep
        fi
        open_as . $work/attributes
        if [ -e $work/kept ]; then
            cat $work/kept
        fi
        rm -rf $work/new $work/old $work/before
        # From here on there is nothing to carry on, nor to take back.
        rm -f $work/swapping
    elif [ -e $work/before ]; then
        open_as . $work/before
    fi
    rm -rf $work
    if [ -n "${time-}" ]; then
        touch -d "$time" .
    fi
}

"$1"
