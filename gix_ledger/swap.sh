#!/bin/sh
# swap.sh ready|swap|settle
#
# Runs as root in a container that has a ledger's volume at /data.
#   ready   compares .gix-restore/new with the list .gix-restore/sums, and tries the attributes that the directory will
#           get (.gix-restore/attributes: owner, mode, time). Then it closes the directory to all but root, so that a
#           container that starts afterwards cannot open the ledger.
#   swap    replaces everything else with new/. It refuses if something was written since the restore began.
#   settle  ends a restore and opens the directory. It undoes a restore whose exchange has not begun, and completes one
#           whose exchange has. If the old files were written to since the restore began, it keeps them, and prints
#           the name of their directory.
#
# If it is interrupted at any point, each file of the ledger is complete: under its own name, in new/ or in old/.
# Every path begins with ./, so that no name on the volume is read as an option.
set -eu
cd "${DATA_DIRECTORY:-/data}"
work=./.gix-restore
# Only one runs at a time, so that settle does not undo what swap is doing.
exec 9<.
flock 9

exists() { [ -e "$1" ] || [ -L "$1" ]; }

# open_as PATH FILE: sets a directory to the owner and mode in a file, and reads its time, which is set at the end.
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
        echo "what arrived on the volume differs from the archive: $names" >&2
        exit 1
    fi
    open_as $work/new $work/attributes
    touch -d "$time" $work/new
    stat -c '%u:%g %a %y' . >$work/closing
    sync -f .
    # Renamed, so that settle never reads an incomplete file.
    mv -T $work/closing $work/before
    chmod 700 .
    chown "${CLOSED_OWNER:-0:0}" .
    sync -f .
}

swap() {
    # A restore writes sums first, after it has stopped the auction.
    changed=$(find . -mindepth 1 -path $work -prune -o -newercc $work/sums -print -quit)
    [ -z "$changed" ] || {
        echo "$changed was changed during the restore; nothing was replaced" >&2
        exit 3
    }
    mkdir $work/old
    sync -f .
    : >$work/swapping
    sync -f .
    place
}

place() {
    # Files without a successor go first, because new/ no longer shows them once it is emptied.
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
                # A second name for the old file, so that the name exists at every moment of the rename below.
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
        # After this there is nothing to complete or to undo.
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
