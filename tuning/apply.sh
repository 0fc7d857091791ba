#!/usr/bin/env bash
# Gives this host the kernel settings and limits that `fanfare doctor` wants, or takes them back.
#
#   apply.sh [--connections N]            show what would change: files as a diff, then live values
#   apply.sh [--connections N] --yes      do it; what was there before is kept for undo
#   apply.sh undo [--yes]                 show what would be put back, or put it back
#
#   -c FILE             fanfare's configuration; N is its ws.max_connections unless given
#   --fanfare PROGRAM   which fanfare to ask; by default the one on the PATH
#   --root DIR          work on DIR/etc, DIR/proc/sys and DIR/var/lib instead of the host's own
#
# Exit codes: 0 done, or nothing to do; 1 something failed; 2 usage; 3 there is something to do,
# and --yes was not given. Running it again changes nothing. Settings that are larger than wanted
# already are left alone.

set -euo pipefail
umask 022

readonly sysctl_conf=etc/sysctl.d/60-fanfare.conf limits_conf=etc/security/limits.d/60-fanfare.conf
action=apply yes='' root='' fanfare=${FANFARE:-fanfare} plan=()

usage() {
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
}

fail() {
    echo "apply.sh: $1" >&2
    exit "${2:-1}"
}

while (($#)); do
    case $1 in
        undo) action=undo ;;
        --yes) yes=yes ;;
        --connections | -c | --fanfare | --root)
            (($# > 1)) || fail "$1 needs a value" 2
            case $1 in
                --connections | -c) plan+=("$1" "$2") ;;
                --fanfare) fanfare=$2 ;;
                --root) root=${2%/} ;;
            esac
            shift
            ;;
        -h | --help) usage && exit ;;
        *) usage >&2 && exit 2 ;;
    esac
    shift
done

# What was there before the first apply: the old values, one `key=value` per line, and for each
# file either a copy in files/ or its name in absent.
readonly state=$root/var/lib/fanfare/tuning

# ---- live values ----------------------------------------------------------------------------

proc() { # KEY: its file
    echo "$root/proc/sys/${1//.//}"
}

value() { # KEY: numbers with single spaces, as files have them
    local numbers
    read -ra numbers <"$(proc "$1")"
    echo "${numbers[*]}"
}

set_value() { # KEY VALUE
    printf '%s\n' "$2" 2>/dev/null >"$(proc "$1")"
}

# settings FILE: its keys and values, separated by `=`.
settings() {
    sed -n 's/^\([a-z][^ ]*\) = /\1=/p' "$1"
}

# ---- apply ----------------------------------------------------------------------------------

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# ask KIND FILE: has the doctor write a file.
ask() {
    mkdir -p "$(dirname "$scratch/$2")"
    "$fanfare" doctor ${root:+--root "$root"} "${plan[@]}" --print "$1" >"$scratch/$2" ||
        fail "cannot ask $fanfare doctor"
}

# Lists the files whose content would change.
stale_files() {
    local file
    for file in "$sysctl_conf" "$limits_conf"; do
        # A file that would set nothing is not worth having.
        if [[ -e $root/$file ]] || grep -qv -e '^#' -e '^$' "$scratch/$file"; then
            cmp -s "$root/$file" "$scratch/$file" || echo "$file"
        fi
    done
}

# Lists `key=value` of what is not so yet.
stale_values() {
    local key wanted
    settings "$scratch/$sysctl_conf" | while IFS='=' read -r key wanted; do
        [[ $(value "$key") == "$wanted" ]] || echo "$key=$wanted"
    done
}

show_file() { # FILE
    local old=/dev/null
    [[ -e $root/$1 ]] && old=$root/$1
    diff -u --label "/$1, found" --label "/$1, wanted" "$old" "$scratch/$1" || true
}

keep_file() { # FILE: remembers it as it was before the first apply
    if [[ -e $state/files/$1 ]] || grep -qxsF "$1" "$state/absent"; then
        return
    fi
    if [[ -e $root/$1 ]]; then
        mkdir -p "$(dirname "$state/files/$1")"
        cp -p "$root/$1" "$state/files/$1"
    else
        echo "$1" >>"$state/absent"
    fi
}

keep_value() { # KEY
    grep -qs "^${1//./\\.}=" "$state/values" || echo "$1=$(<"$(proc "$1")")" >>"$state/values"
}

install_file() { # FILE
    mkdir -p "$(dirname "$root/$1")"
    cp "$scratch/$1" "$root/$1.new"
    mv "$root/$1.new" "$root/$1"
}

apply() {
    local files values file key wanted failed=''
    ask sysctl "$sysctl_conf"
    ask limits "$limits_conf"
    mapfile -t files < <(stale_files)
    mapfile -t values < <(stale_values)
    if ((!${#files[@]} && !${#values[@]})); then
        echo "Nothing to change."
        return
    fi
    for file in "${files[@]}"; do
        show_file "$file"
    done
    for key in "${values[@]}"; do
        echo "${key%%=*}: $(value "${key%%=*}") -> ${key#*=}"
    done
    [[ $yes ]] || fail "nothing is changed without --yes" 3

    mkdir -p "$state"
    for file in "${files[@]}"; do
        keep_file "$file"
        install_file "$file"
    done
    for key in "${values[@]}"; do
        wanted=${key#*=} key=${key%%=*}
        keep_value "$key"
        set_value "$key" "$wanted" || failed+=" $key"
    done
    [[ ! $failed ]] || fail "cannot set$failed; everything else is done"
    echo "Done. Limits hold from the next login; the unit has its own, and needs a restart."
}

# ---- undo -----------------------------------------------------------------------------------

undo() {
    local file key old failed=''
    if [[ ! -d $state ]]; then
        echo "Nothing to undo."
        return
    fi
    local absent=() kept=() values=()
    [[ ! -e $state/absent ]] || mapfile -t absent <"$state/absent"
    [[ ! -d $state/files ]] || mapfile -t kept < <(cd "$state/files" && find . -type f -printf '%P\n')
    [[ ! -e $state/values ]] || mapfile -t values <"$state/values"
    for file in "${absent[@]}"; do
        echo "remove /$file"
    done
    for file in "${kept[@]}"; do
        diff -u --label "/$file, found" --label "/$file, before" "$root/$file" "$state/files/$file" || true
    done
    for key in "${values[@]}"; do
        echo "${key%%=*}: $(value "${key%%=*}") -> ${key#*=}"
    done
    [[ $yes ]] || fail "nothing is changed without --yes" 3

    for file in "${absent[@]}"; do
        rm -f "$root/$file"
    done
    for file in "${kept[@]}"; do
        mkdir -p "$(dirname "$root/$file")"
        cp -p "$state/files/$file" "$root/$file"
    done
    for key in "${values[@]}"; do
        old=${key#*=} key=${key%%=*}
        set_value "$key" "$old" || failed+=" $key"
    done
    # What could not be put back is kept for another try.
    [[ ! $failed ]] || fail "cannot set$failed; everything else is as before"
    rm -r "$state"
    rmdir --ignore-fail-on-non-empty "${state%/*}"
    echo "Done: as before."
}

"$action"
