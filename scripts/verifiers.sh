#!/usr/bin/env bash
# Unpacks verifiers that are newer than the machine's into the folder named, once: `scripts/verifiers.sh FOLDER`.
#
#   FOLDER/openssl/openssl    OpenSSL 3.5 or later, from the packages of Debian trixie, with the C library it was built for
#   FOLDER/bouncycastle/*.jar BouncyCastle 1.80 or later, likewise
#   FOLDER/promtool/promtool  Prometheus' checker of rules and of metrics, likewise
#   FOLDER/python/bin/python  Python with a release of `cryptography` that has ML-DSA, and with readers of metrics, traces and
#                             YAML, from pip
#
# Nothing is installed on the machine and no rights are needed: apt runs on a configuration and on lists of its own. The
# mirror is the one that the machine's own apt sources name. A part whose stamp is there and which still starts is left
# alone; any other is made anew.
set -euo pipefail

suite=trixie
# Counted up when a part is made in another way, so that older folders are made anew.
recipe=1

mkdir -p "$1"
folder=$(cd "$1" && pwd)
apt_folder=$folder/apt

fail() {
    echo "verifiers: $*" >&2
    exit 1
}

# made PART COMMAND...: the part was finished, by this recipe, and the command works on it.
made() {
    local part=$1
    shift
    [ "$(cat "$folder/$part/stamp" 2>/dev/null)" = "$recipe" ] && "$@" >/dev/null 2>&1
}

start() {
    echo "verifiers: $2"
    rm -rf "${folder:?}/$1"
    mkdir -p "$folder/$1"
}

finish() { echo "$recipe" >"$folder/$1/stamp"; }

# Where the machine's apt fetches from, without the part from /dists/ on. apt itself reads its sources here, in either
# form, and fetches nothing.
mirrors() {
    apt-get -q -o Dir::State="$apt_folder" -o Dir::Cache="$apt_folder/cache" --print-uris update |
        sed -n "s#^'\(.*\)/dists/[^/]*/\(InRelease\|Release\)'.*#\1#p" | awk '!seen[$0]++'
}

apt_private() { apt-get -q -c "$apt_folder/apt.conf" "$@"; }

# Lists of $suite from the first of the machine's mirrors that has it.
update_lists() {
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg mirror options
    [ -e "$apt_folder/ready" ] && return
    for command in apt-get dpkg dpkg-deb; do
        command -v "$command" >/dev/null || fail "there is no $command here. These verifiers come from Debian's packages:" \
            "run the tests on Debian 12 or later, or set ATTESTAMP_VERIFIERS to a folder that this script filled."
    done
    options="arch=$(dpkg --print-architecture) target=Packages"
    if [ -e "$keyring" ]; then
        options+=" signed-by=$keyring"
    fi
    rm -rf "$apt_folder"
    mkdir -p "$apt_folder"/{lists,cache/archives}/partial
    : >"$apt_folder/status"
    # The machine's proxies and credentials stay in force; its lists, its choices and its hooks do not.
    cat >"$apt_folder/apt.conf" <<TEXT
Dir::State "$apt_folder";
Dir::State::lists "$apt_folder/lists";
Dir::State::status "$apt_folder/status";
Dir::Cache "$apt_folder/cache";
Dir::Etc::sourcelist "$apt_folder/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Acquire::Languages "none";
APT::Sandbox::User "$(id -un)";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
TEXT
    for mirror in $(mirrors); do
        echo "deb [$options] $mirror $suite main" >"$apt_folder/sources.list"
        if apt_private update -o APT::Update::Error-Mode=any >"$apt_folder/update.log" 2>&1 &&
            apt-cache -q -c "$apt_folder/apt.conf" show openssl >/dev/null 2>>"$apt_folder/update.log"; then
            touch "$apt_folder/ready"
            return
        fi
        cat "$apt_folder/update.log" >>"$apt_folder/all.log"
    done
    cat "$apt_folder/all.log" >&2 2>/dev/null || true
    fail "none of the mirrors in this machine's apt sources has Debian $suite, or none can be reached. Check the network," \
        "or name a mirror of Debian in /etc/apt/sources.list, and run make again."
}

# unpack PART LEAST PACKAGE...: the packages' files in FOLDER/PART/root; the first must have this version or a later one.
unpack() {
    local part=$1 least=$2 package version
    shift 2
    update_lists
    mkdir "$folder/$part/packages" "$folder/$part/root"
    if ! (cd "$folder/$part/packages" && apt_private download "${@/%//$suite}") >"$apt_folder/download.log" 2>&1; then
        cat "$apt_folder/download.log" >&2
        rm -f "$apt_folder/ready" # the lists may be old
        fail "apt could not fetch $*: read its message above, put it right, and run make again."
    fi
    for package in "$folder/$part/packages"/"$1"_*.deb; do
        version=$(dpkg-deb -f "$package" Version)
        dpkg --compare-versions "$version" ge "$least" ||
            fail "Debian $suite has $1 $version, and the tests need $least or later. Is the mirror of today?"
    done
    for package in "$folder/$part/packages"/*.deb; do
        dpkg-deb -x "$package" "$folder/$part/root"
    done
    rm -rf "$folder/$part/packages"
}

openssl_is_there() { "$folder/openssl/openssl" version | grep -q '^OpenSSL'; }

make_openssl() {
    start openssl "unpacking OpenSSL of Debian $suite"
    unpack openssl 3.5 openssl libssl3t64 libc6 libzstd1 zlib1g
    local root=$folder/openssl/root loader libraries
    loader=$(cd "$root" && find usr -name 'ld-linux*.so.*' | head -n 1)
    libraries=$(cd "$root" && find usr -name libc.so.6 | head -n 1)
    [ -n "$loader" ] && [ -n "$libraries" ] || fail "libc6 of Debian $suite holds no loader or no C library"
    libraries=$(dirname "$libraries")
    # Its own C library, configuration, modules and certificates: nothing of the machine's.
    cat >"$folder/openssl/openssl" <<TEXT
#!/bin/sh
root=\$(dirname -- "\$(readlink -f -- "\$0")")/root
export OPENSSL_CONF="\$root/etc/ssl/openssl.cnf" OPENSSL_MODULES="\$root/$libraries/ossl-modules"
export SSL_CERT_DIR="\$root/etc/ssl/certs" SSL_CERT_FILE="\$root/etc/ssl/cert.pem"
exec "\$root/$loader" --library-path "\$root/$libraries" "\$root/usr/bin/openssl" "\$@"
TEXT
    chmod +x "$folder/openssl/openssl"
    openssl_is_there || fail "the OpenSSL in $folder/openssl does not start: $("$folder/openssl/openssl" version 2>&1)"
    finish openssl
}

promtool_is_there() { "$folder/promtool/promtool" --version 2>&1 | grep -q '^promtool'; }

make_promtool() {
    start promtool "unpacking promtool of Debian $suite"
    unpack promtool 2.42 promtool libc6
    local root=$folder/promtool/root loader libraries
    loader=$(cd "$root" && find usr -name 'ld-linux*.so.*' | head -n 1)
    libraries=$(cd "$root" && find usr -name libc.so.6 | head -n 1)
    [ -n "$loader" ] && [ -n "$libraries" ] || fail "libc6 of Debian $suite holds no loader or no C library"
    libraries=$(dirname "$libraries")
    cat >"$folder/promtool/promtool" <<TEXT
#!/bin/sh
root=\$(dirname -- "\$(readlink -f -- "\$0")")/root
exec "\$root/$loader" --library-path "\$root/$libraries" "\$root/usr/bin/promtool" "\$@"
TEXT
    chmod +x "$folder/promtool/promtool"
    promtool_is_there || fail "promtool in $folder/promtool does not start: $("$folder/promtool/promtool" --version 2>&1)"
    finish promtool
}

jars=(bcprov.jar bcpkix.jar bcutil.jar)

jars_are_there() {
    local jar
    for jar in "${jars[@]}"; do
        [ -s "$folder/bouncycastle/$jar" ] || return 1
    done
}

make_bouncycastle() {
    start bouncycastle "unpacking BouncyCastle of Debian $suite"
    unpack bouncycastle 1.80 libbcprov-java libbcpkix-java libbcutil-java
    local jar
    for jar in "${jars[@]}"; do
        cp -L "$folder/bouncycastle/root/usr/share/java/$jar" "$folder/bouncycastle/$jar"
    done
    rm -rf "$folder/bouncycastle/root"
    finish bouncycastle
}

python_packages=('cryptography>=47' 'prometheus-client>=0.21' 'opentelemetry-proto>=1.30' 'PyYAML>=6')

python_is_there() {
    "$folder/python/bin/python" -c '
from cryptography.hazmat.primitives.asymmetric import mldsa
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
import prometheus_client.parser, yaml'
}

make_python() {
    start python "installing Python's cryptography, and readers of metrics, traces and YAML"
    python3 -m venv --clear "$folder/python" ||
        fail "python3 could not make a virtual environment. Install the Debian package python3-venv, and run make again."
    "$folder/python/bin/python" -m pip install --quiet --disable-pip-version-check "${python_packages[@]}" ||
        fail "pip could not install ${python_packages[*]}: read its message above, put it right, and run make again."
    python_is_there || fail "this Python lacks ML-DSA or a reader: $(python_is_there 2>&1)"
    finish python
}

made openssl openssl_is_there || make_openssl
made bouncycastle jars_are_there || make_bouncycastle
made promtool promtool_is_there || make_promtool
made python python_is_there || make_python
rm -rf "$apt_folder"
