#!/usr/bin/env bash
# Runs the tests. Installs the tools that the tests need into target/test-tools, runs all tests even
# if some fail, and prints a last line: N passed, N failed, N skipped. The exit code is 1 if a test
# failed.
#
#   tests/run.sh                            runs all parts, with a selection of Autobahn's longest
#                                           sections
#   tests/run.sh rust | clients | operations | autobahn | hostile
#                                           runs one part, or several
#
# FANFARE=path tests this binary instead of building target/release/fanfare. FANFARE_LOSSY=path is a
# debug binary with the feature `lossy`; without it, one is built. The log of each step is in
# target/test-logs. Ports 18000 to 18499 on the loopback interface must be free, and port 8000, to which
# the SDKs' own tests connect.

set -uo pipefail
set -m # each step is a separate process group, so that all its processes can be ended
cd "$(dirname "$0")/.." || exit 2

readonly target=${CARGO_TARGET_DIR:-target}
readonly tools=$target/test-tools logs=$target/test-logs
# Programs that cargo installs for the tests.
readonly crates=(cargo-deb@3.8.0 cargo-deny@0.20.2)
passed=0 failed=0 skipped=0 child='' installer='' built='' fanfare=${FANFARE:-}

end_children() {
    local each
    for each in $child $installer; do
        kill -TERM -- "-$each" 2>/dev/null
        wait "$each" 2>/dev/null
    done
}
trap end_children EXIT
trap 'exit 130' INT TERM

# ---- counting -------------------------------------------------------------------------------

# run LOG COMMAND...: runs the command with its output in the log, and returns its status.
run() {
    local log=$logs/$1.log
    shift
    "$@" >"$log" 2>&1 </dev/null &
    child=$!
    wait "$child"
    local status=$?
    child=''
    return "$status"
}

skip() { # NAME REASON
    echo "SKIPPED $1: $2"
    skipped=$((skipped + 1))
}

fail() { # NAME LOG
    echo "not ok $1: see $logs/$2.log"
    tail -n 20 "$logs/$2.log" | sed 's/^/    /'
    failed=$((failed + 1))
}

# check NAME LOG COMMAND...: runs the command and counts it as one check.
check() {
    local name=$1 log=$2 start=$SECONDS
    shift 2
    if run "$log" "$@"; then
        passed=$((passed + 1))
        echo "ok $name ($((SECONDS - start)) s)"
    else
        fail "$name" "$log"
        return 1
    fi
}

matches() { # PATTERN LOG
    grep -cE "$1" "$logs/$2.log" || true
}

# checks NAME LOG COMMAND...: runs the command and counts each `ok`, `not ok` and `SKIPPED` line of
# its output as one check.
checks() {
    local name=$1 log=$2 start=$SECONDS status bad
    shift 2
    run "$log" "$@"
    status=$?
    bad=$(matches '^not ok ' "$log")
    passed=$((passed + $(matches '^ok ' "$log")))
    failed=$((failed + bad))
    skipped=$((skipped + $(matches '^SKIPPED ' "$log")))
    grep -E '^(not ok|SKIPPED) ' "$logs/$log.log"
    if ((status != 0 && bad == 0)); then
        fail "$name" "$log"
    fi
    echo "$name: $(matches '^ok ' "$log") ok, $bad not ok ($((SECONDS - start)) s)"
}

# sum FIELD LOG: prints the sum of a count in the result lines of libtest, such as "3 ignored".
sum() {
    grep -oE "^test result: .*" "$logs/$2.log" | grep -oE "[0-9]+ $1" |
        awk '{ total += $1 } END { print total + 0 }'
}

# A test whose precondition is missing prints `SKIPPED name: reason` and returns.
cargo_tests() {
    local log=cargo-test start=$SECONDS status good bad unrun
    run "$log" cargo test --locked --no-fail-fast -- --show-output
    status=$?
    bad=$(sum failed "$log")
    unrun=$(matches '^SKIPPED ' "$log")
    good=$(($(sum passed "$log") - unrun))
    passed=$((passed + good))
    failed=$((failed + bad))
    skipped=$((skipped + unrun + $(sum ignored "$log")))
    grep -E '^SKIPPED |^test .* FAILED$' "$logs/$log.log" | sed 's/^test \(.*\) \.\.\. FAILED/not ok \1/'
    sed -nE 's/^test (.*) \.\.\. ignored(, )?(.*)$/SKIPPED \1: \3/p' "$logs/$log.log"
    if ((status != 0 && bad == 0)); then
        fail "cargo test" "$log"
    fi
    echo "cargo test: $good ok, $bad not ok ($((SECONDS - start)) s)"
}

# ---- installing -----------------------------------------------------------------------------

has() {
    command -v "$1" >/dev/null
}

twice() { # retries once, because a package registry may fail temporarily
    "$@" || { sleep 5 && "$@"; }
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi
}

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    twice as_root apt-get -q update &&
        twice as_root apt-get -qy install --no-install-recommends "$@"
}

header() { # FILE: succeeds if a program in C can include the file
    has cc && cc -E -include "$1" -x c /dev/null >/dev/null 2>&1
}

# Installs the Debian packages whose programs are missing.
packages() {
    local missing=()
    { has cc && has c++ && has make; } || missing+=(build-essential)
    if [[ $* == *clients* || $* == *operations* || $* == *hostile* ]]; then
        python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv)
    fi
    if [[ $* == *clients* ]]; then
        has chromium || missing+=(chromium)
        has firefox-esr || has firefox || missing+=(firefox-esr)
        header zmq.h || missing+=(libzmq3-dev)
        header czmq.h || missing+=(libczmq-dev)
        php --ri zmq >/dev/null 2>&1 || missing+=(php-cli php-zmq)
        /usr/bin/python3 -c 'import gi; gi.require_version("Soup", "3.0")' 2>/dev/null ||
            missing+=(python3-gi gir1.2-soup-3.0)
        has apache2 || [[ -x /usr/sbin/apache2 ]] || missing+=(apache2-bin)
    fi
    if [[ $* == *clients* || $* == *operations* ]]; then
        has haproxy || [[ -x /usr/sbin/haproxy ]] || missing+=(haproxy)
    fi
    if [[ $* == *operations* ]]; then
        has shellcheck || missing+=(shellcheck)
        has lintian || missing+=(lintian)
        # graphite-web uses libcairo for drawing and does not start without it.
        [[ -e /usr/lib/$(uname -m)-linux-gnu/libcairo.so.2 ]] || missing+=(libcairo2)
        has systemd-analyze || missing+=(systemd)
        has ip || missing+=(iproute2)
        has sysctl || [[ -x /usr/sbin/sysctl ]] || missing+=(procps)
    fi
    if ((!${#missing[@]})) || run apt apt_install "${missing[@]}"; then
        return
    fi
    # apt installs nothing if it does not know one of the packages.
    local each
    for each in "${missing[@]}"; do
        run "apt-$each" apt_install "$each" ||
            echo "apt could not install $each: see $logs/apt-$each.log"
    done
}

# fresh FILE DIRECTORY: succeeds if the directory was installed from the current content of the
# file.
fresh() {
    cmp -s "$1" "$2/installed"
}

# The source distribution of the SDK contains its own tests.
python_tools() {
    local list=tests/clients/requirements.txt sdist=$tools/python/sdist
    [[ -d $sdist/tests ]] && fresh "$list" "$tools/python" && return
    rm -rf "$tools/python"
    python3 -m venv "$tools/python" &&
        twice "$tools/python/bin/pip" install -q -r "$list" &&
        twice "$tools/python/bin/pip" download -q --no-deps --no-binary :all: -d "$sdist" \
            "$(grep '^centrifuge-python==' "$list")" &&
        tar -xzf "$sdist"/*.tar.gz -C "$sdist" --strip-components 1 &&
        cp "$list" "$tools/python/installed"
}

node_tools() {
    local list=tests/clients/package.json
    fresh "$list" "$tools/node" && return
    mkdir -p "$tools/node" && cp "$list" "$tools/node/package.json" &&
        twice npm install --prefix "$tools/node" --no-package-lock --no-audit --no-fund &&
        cp "$list" "$tools/node/installed"
}

# Go reads a copy of go.mod, so that it writes go.sum next to the copy and not into the sources. The
# last command builds the SDK's own tests.
go_tools() {
    local to
    mkdir -p "$tools/go/bin" && to=$(realpath "$tools/go") && cp tests/clients/go/go.mod "$to/" &&
        cd tests/clients/go &&
        twice go build -buildvcs=false -mod=mod -modfile="$to/go.mod" -o "$to/bin/" ./sdk ./access ./publisher ./gocent ./deflate &&
        twice go test -c -mod=mod -modfile="$to/go.mod" -o "$to/bin/centrifuge-go.test" \
            github.com/centrifugal/centrifuge-go
}

# Maven downloads the libraries. The classes are compiled with javac.
java_tools() {
    local from=tests/clients/java to
    mkdir -p "$tools/java" && to=$(realpath "$tools/java") || return
    if ! fresh "$from/pom.xml" "$to"; then
        rm -rf "${to:?}/lib"
        twice mvn -q -B -f "$from/pom.xml" -Dmaven.repo.local="$to/repository" \
            dependency:copy-dependencies -DoutputDirectory="$to/lib" &&
            cp "$from/pom.xml" "$to/installed" || return
    fi
    javac -encoding UTF-8 -cp "$to/lib/*" -d "$to/classes" "$from"/*.java
}

# The same for the programs in interop/, which have libraries of their own.
interop_java_tools() {
    local from=tests/clients/interop/java to
    mkdir -p "$tools/interop" && to=$(realpath "$tools/interop") || return
    if ! fresh "$from/pom.xml" "$to"; then
        rm -rf "${to:?}/lib" "$to/classes"
        twice mvn -q -B -f "$from/pom.xml" -Dmaven.repo.local="$to/repository" \
            dependency:copy-dependencies -DoutputDirectory="$to/lib" &&
            cp "$from/pom.xml" "$to/installed" || return
    fi
    javac -cp "$to/lib/*" -d "$to/classes" "$from"/*.java
}

# Compiles a publisher for each library in C that is installed.
c_tools() {
    local from=tests/clients/interop to=$tools/interop/bin
    rm -rf "$to" && mkdir -p "$to" || return
    if header zmq.h; then
        cc -Wall -Wextra -o "$to/libzmq" "$from/publisher.c" "$from/libzmq.c" -lzmq || return
    fi
    if header czmq.h; then
        cc -Wall -Wextra -o "$to/czmq" "$from/publisher.c" "$from/czmq.c" -lczmq -lzmq || return
    fi
}

# Autobahn|Testsuite is a Python 2.7 program.
python2() {
    local each
    for each in python2.7 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python2.7; do
        if "$each" -c '' 2>/dev/null; then
            echo "$each"
            return
        fi
    done
    return 1
}

autobahn_tools() {
    local list=tests/autobahn/requirements.txt python=$1
    fresh "$list" "$tools/autobahn" && return
    rm -rf "$tools/autobahn" "$tools/virtualenv"
    twice "$python" -m pip install -q --target "$tools/virtualenv" virtualenv==20.15.1 &&
        PYTHONPATH=$tools/virtualenv "$python" -m virtualenv -q "$tools/autobahn" &&
        twice "$tools/autobahn/bin/pip" install -q -r "$list" &&
        cp "$list" "$tools/autobahn/installed"
}

statsd_tools() {
    local list=tests/operations/package.json
    fresh "$list" "$tools/statsd" && return
    mkdir -p "$tools/statsd" && cp "$list" "$tools/statsd/package.json" &&
        twice npm install --prefix "$tools/statsd" --omit=optional --no-package-lock --no-audit --no-fund &&
        cp "$list" "$tools/statsd/installed"
}

# By default carbon and graphite-web install into /opt/graphite.
graphite_tools() {
    local list=tests/operations/graphite.txt
    fresh "$list" "$tools/graphite" && return
    rm -rf "$tools/graphite"
    python3 -m venv "$tools/graphite" &&
        GRAPHITE_NO_PREFIX=True twice "$tools/graphite/bin/pip" install -q -r "$list" &&
        cp "$list" "$tools/graphite/installed"
}

# unpacked PACKAGE PROGRAM: unpacks a package, because an installation would start a daemon.
unpacked() {
    [[ -x $tools/$1/$2 ]] && return
    mkdir -p "$tools/$1" && twice as_root apt-get -q update &&
        (cd "$tools/$1" && twice apt-get -q download "$1") &&
        dpkg -x "$tools/$1/$1"_*.deb "$tools/$1" &&
        rm "$tools/$1/$1"_*.deb
}

prometheus_tools() {
    unpacked prometheus usr/bin/promtool &&
        unpacked prometheus-node-exporter usr/bin/prometheus-node-exporter
}

nginx_tools() {
    has nginx || [[ -x /usr/sbin/nginx ]] || unpacked nginx usr/sbin/nginx
}

# cargo does nothing if a program is installed in this version. A build without optimization and
# without debug symbols takes the least time.
crate_tools() {
    local each
    export CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR=$tools/cargo/build
    for each in "${crates[@]}"; do
        twice nice -n 19 cargo install --locked --debug --root "$tools/cargo" "$each" || return
    done
    rm -rf "$CARGO_TARGET_DIR"
}

# Starts the installation in the background. It takes minutes, and uses the cores while the other
# steps wait for a download or for a linker.
start_crate_tools() {
    crate_tools >"$logs/install-cargo.log" 2>&1 </dev/null &
    installer=$!
}

# Waits for the end of the installation. Succeeds if every program is installed.
await_crate_tools() {
    local start=$SECONDS status=0
    if [[ $installer ]]; then
        wait "$installer" || status=$?
        installer=''
        if ((status)); then
            fail "install ${crates[*]}" install-cargo
        else
            echo "installed ${crates[*]} (waited $((SECONDS - start)) s)"
        fi
    fi
    [[ -x $tools/cargo/bin/cargo-deb && -x $tools/cargo/bin/cargo-deny ]]
}

# install NAME FUNCTION PROGRAM: runs the function if the program exists. Without the program, its
# clients are skipped. A failed installation counts as a failure.
install() {
    if ! has "$3"; then
        echo "$1: no $3 on this machine"
    elif ! run "install-$1" "$2"; then
        fail "install $1" "install-$1"
    fi
}

# ---- the parts ------------------------------------------------------------------------------

# Builds the release binary and sets `fanfare`. Leaves `fanfare` empty if the build fails.
release_binary() {
    if [[ $built || $fanfare ]]; then
        return
    fi
    built=yes
    if check "cargo build --release" cargo-build cargo build --release --locked; then
        fanfare=$target/release/fanfare
    fi
}

# Builds the binary that loses messages on purpose, and stores it next to the tools. The debug
# binary of the same name is then built again without the feature.
lossy_binary() {
    if [[ ! ${FANFARE_LOSSY:-} ]] &&
        check "cargo build --features lossy" cargo-build-lossy \
            cargo build --locked --features lossy --bin fanfare; then
        cp "$target/debug/fanfare" "$tools/fanfare-lossy"
        run cargo-build-debug cargo build --locked --bin fanfare
        export FANFARE_LOSSY=$tools/fanfare-lossy
    fi
}

cargo_deny() {
    local deny=$tools/cargo/bin/cargo-deny
    await_crate_tools || return
    check "cargo deny" cargo-deny "$deny" check licenses bans sources
    if run cargo-deny-fetch "$deny" fetch db; then
        check "cargo deny: advisories" cargo-deny-advisories "$deny" check advisories
    else
        skip "cargo deny: advisories" \
            "the advisory database cannot be fetched: see $logs/cargo-deny-fetch.log"
    fi
}

rust() {
    if cargo fmt --version >/dev/null 2>&1; then
        check "cargo fmt" cargo-fmt cargo fmt --check
    else
        skip "cargo fmt" "not installed"
    fi
    if cargo clippy --version >/dev/null 2>&1; then
        check "cargo clippy" cargo-clippy cargo clippy --locked --all-targets -- -D warnings
    else
        skip "cargo clippy" "not installed"
    fi
    # The tests run after the programs are installed, because a compiler beside them would slow them.
    run cargo-test-build cargo test --locked --no-run
    cargo_deny
    cargo_tests
}

clients() {
    install python python_tools python3
    install node node_tools npm
    install go go_tools go
    has javac && install java java_tools mvn
    has javac && install interop-java interop_java_tools mvn
    install c c_tools cc
    install nginx nginx_tools apt-get
    release_binary
    if [[ ! $fanfare ]]; then
        skip clients "no binary to run them against"
    elif [[ ! -e $tools/python/installed ]]; then
        skip clients "no Python environment to run them from"
    else
        local python=$tools/python/bin/python
        checks clients clients "$python" tests/clients/run.py \
            --fanfare "$fanfare" --tools "$tools" --logs "$logs/clients"
        checks suites suites "$python" tests/clients/suites.py \
            --fanfare "$fanfare" --tools "$tools" --logs "$logs/suites"
        checks access access "$python" tests/clients/access.py \
            --fanfare "$fanfare" --tools "$tools" --logs "$logs/access"
        checks deflate deflate "$python" tests/clients/deflate.py \
            --fanfare "$fanfare" --tools "$tools" --logs "$logs/deflate"
        checks apple apple "$python" tests/clients/apple.py \
            --fanfare "$fanfare" --logs "$logs/apple"
        checks interop interop "$python" tests/clients/interop.py \
            --fanfare "$fanfare" --tools "$tools" --logs "$logs/interop"
        checks hooks hooks "$python" tests/clients/hooks.py \
            --fanfare "$fanfare" --tools "$tools" --logs "$logs/hooks"
        checks proxies proxies "$python" tests/clients/proxies.py \
            --fanfare "$fanfare" --tools "$tools" --logs "$logs/proxies"
    fi
}

# Each program in tests/operations that has a main function is a step.
operations() {
    install python python_tools python3
    install statsd statsd_tools npm
    install graphite graphite_tools python3
    install prometheus prometheus_tools apt-get
    release_binary
    if [[ ! $fanfare ]]; then
        skip operations "no binary to run"
        return
    fi
    lossy_binary
    await_crate_tools
    local program name
    for program in tests/operations/*.py; do
        grep -q '__main__' "$program" || continue
        name=$(basename "$program" .py)
        checks "$name" "operations-$name" "$tools/python/bin/python" "$program" \
            --fanfare "$fanfare" --tools "$tools" --logs "$logs/$name"
    done
}

autobahn() {
    local python
    if ! python=$(python2); then
        skip autobahn "no Python 2.7"
        return
    fi
    if ! run install-autobahn autobahn_tools "$python"; then
        fail "install autobahn" install-autobahn
        return
    fi
    release_binary
    if [[ ! $fanfare ]]; then
        skip autobahn "no binary to run it against"
    else
        checks autobahn autobahn python3 tests/autobahn/run.py "${quick[@]}" --fanfare "$fanfare" \
            --wstest "$tools/autobahn/bin/wstest" --logs "$logs/autobahn"
    fi
}

# Prints the figures of each attack, also of those that the server withstands.
hostile() {
    install python python_tools python3
    release_binary
    if [[ ! $fanfare ]]; then
        skip hostile "no binary to attack"
    elif [[ ! -e $tools/python/installed ]]; then
        skip hostile "no Python environment to attack it from"
    else
        checks hostile hostile "$tools/python/bin/python" tests/hostile/run.py \
            --fanfare "$fanfare" --logs "$logs/hostile"
        grep '^ok ' "$logs/hostile.log"
    fi
}

parts=("$@") quick=()
if ((!${#parts[@]})); then
    parts=(rust clients operations autobahn hostile)
    quick=(--quick)
fi
for part in "${parts[@]}"; do
    case $part in
        rust | clients | operations | autobahn | hostile) ;;
        *) echo "usage: tests/run.sh [rust] [clients] [operations] [autobahn] [hostile]" >&2 && exit 2 ;;
    esac
done

mkdir -p "$tools" "$logs"
packages "${parts[@]}"
if [[ ${parts[*]} == *rust* || ${parts[*]} == *operations* ]]; then
    start_crate_tools
fi
for part in "${parts[@]}"; do
    "$part"
done
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
