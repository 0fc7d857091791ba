#!/usr/bin/env bash
# Changes the kernel settings and limits of this host to what `fanfare doctor` requires, or undoes
# the change.
#
#   apply.sh [--connections N]            shows what would change: files as a diff, then live values
#   apply.sh [--connections N] --yes      changes it, and keeps the previous state for undo
#   apply.sh undo                         shows what would be restored
#   apply.sh undo --yes                   restores it
#
#   -c FILE             configuration of fanfare; the default of N is its ws.max_connections
#   --fanfare PROGRAM   fanfare program to run; by default the one in the PATH
#   --root DIR          uses DIR/etc, DIR/proc/sys and DIR/var/lib instead of those of the host
#
# Exit codes: 0 success, or nothing to change; 1 failure; 2 wrong usage; 3 there is something to
# change and --yes was not given. A second run changes nothing. Settings that are already larger
# than required are not changed.

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

# The state before the first apply. `values` contains the old values, one `key=value` per line. For
# each changed file there is a copy in files/, or its name in `absent` if it did not exist. A copy of
# this script is there too, so that undo is possible after the package has been removed.
readonly state=$root/var/lib/fanfare/tuning

# ---- live values ----------------------------------------------------------------------------

proc() { # KEY: prints the file of the key
    echo "$root/proc/sys/${1//.//}"
}

value() { # KEY: prints the live value, with single spaces between numbers
    local numbers
    read -ra numbers <"$(proc "$1")"
    echo "${numbers[*]}"
}

set_value() { # KEY VALUE
    printf '%s\n' "$2" 2>/dev/null >"$(proc "$1")"
}

# settings FILE: prints the keys and values in the file, separated by `=`.
settings() {
    sed -n 's/^\([a-z][^ ]*\) = /\1=/p' "$1"
}

# ---- apply ----------------------------------------------------------------------------------

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# ask KIND FILE: writes the output of `fanfare doctor --print KIND` to a file.
ask() {
    mkdir -p "$(dirname "$scratch/$2")"
    "$fanfare" doctor ${root:+--root "$root"} "${plan[@]}" --print "$1" >"$scratch/$2" ||
        fail "$fanfare doctor failed; set --fanfare to a working fanfare"
}

# Lists the files whose content would change.
stale_files() {
    local file
    for file in "$sysctl_conf" "$limits_conf"; do
        # A file without settings is not created.
        if [[ -e $root/$file ]] || grep -qv -e '^#' -e '^$' "$scratch/$file"; then
            cmp -s "$root/$file" "$scratch/$file" || echo "$file"
        fi
    done
}

# Lists `key=value` for the keys whose live value differs.
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

keep_file() { # FILE: stores its state before the first apply
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

keep_value() { # KEY: stores its value before the first apply
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
    cmp -s "$0" "$state/apply.sh" || cp "$0" "$state/apply.sh"
    for file in "${files[@]}"; do
        keep_file "$file"
        install_file "$file"
    done
    for key in "${values[@]}"; do
        wanted=${key#*=} key=${key%%=*}
        keep_value "$key"
        set_value "$key" "$wanted" || failed+=" $key"
    done
    [[ ! $failed ]] || fail "cannot set$failed; everything else has been changed"
    echo "Done. Limits apply to new logins. The systemd unit has its own limits; restart it after a change."
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
    # If a value could not be restored, the state is kept for another attempt.
    [[ ! $failed ]] || fail "cannot set$failed; everything else has been restored"
    rm -r "$state"
    rmdir --ignore-fail-on-non-empty "${state%/*}"
    echo "Done. The previous state is restored."
}

"$action"
