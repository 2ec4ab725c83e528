#!/usr/bin/env bash
# Installs what is missing to build (`scripts/setup.sh build`) or to build and test (`scripts/setup.sh test`) attestamp.
#
# It looks for each program or file first and asks apt-get for the packages of those that are not there; where nothing is
# missing it uses no network and needs no rights. Rust is not installed here: how to get it is said where it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

missing_packages=()

# need PACKAGE COMMAND...: the package is missing if the command fails.
need() {
    local package=$1
    shift
    if ! "$@" >/dev/null 2>&1; then
        missing_packages+=("$package")
    fi
}

has() { command -v "$1"; }

has_file() {
    local pattern
    for pattern in "$@"; do
        compgen -G "$pattern" && return 0
    done
    return 1
}

has_perl_module() { perl "-M$1" -e 1; }

# Rust, at the version that Cargo.toml names.
check_rust() {
    local required found
    if ! has cargo >/dev/null || ! has rustc >/dev/null; then
        cat >&2 <<'TEXT'
set-up: cargo is not installed. Install Rust with rustup, open a new shell, and run make again:
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh
TEXT
        exit 1
    fi
    required=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
    found=$(rustc --version | awk '{ print $2 }')
    if [ "$(printf '%s\n%s\n' "$required" "${found%%-*}" | sort -V | head -n 1)" != "$required" ]; then
        echo "set-up: rustc $found is too old, $required or later is needed: rustup update stable" >&2
        exit 1
    fi
}

# rustfmt and clippy come with rustup's default profile, not with its minimal one.
check_rust_components() {
    if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
        if ! has rustup >/dev/null; then
            echo "set-up: cargo fmt or cargo clippy is missing: install rustfmt and clippy for $(rustc --version)" >&2
            exit 1
        fi
        rustup component add rustfmt clippy
    fi
}

# The embedded token builds OpenSSL from source (C compiler, make, perl) and binds it with bindgen (libclang).
need_for_build() {
    need gcc has cc
    need gcc has gcc
    need make has make
    need perl has perl
    need libc6-dev has_file '/usr/include/stdio.h'
    need libclang-dev has_file '/usr/lib/llvm-*/lib/libclang*.so*' '/usr/lib/*-linux-gnu/libclang*.so*'
    need pkg-config has pkg-config
    need ca-certificates has_file '/etc/ssl/certs/ca-certificates.crt'
}

# Other people's clients and verifiers, the second PKCS#11 token, the C++ compiler of the fuzz engine, and what the package
# is made and looked at with. systemd itself is not among them: its tests are skipped where it is not there.
need_for_test() {
    need g++ has g++
    need curl has curl
    need openssl has openssl
    need softhsm2 has softhsm2-util
    need softhsm2 has_file '/usr/lib/softhsm/libsofthsm2.so' '/usr/lib/*-linux-gnu/softhsm/libsofthsm2.so'
    need opensc has pkcs11-tool
    need default-jdk-headless has java
    need default-jdk-headless has javac
    need default-jdk-headless has jarsigner
    need default-jdk-headless has keytool
    need osslsigncode has osslsigncode
    need dpkg-dev has dpkg-shlibdeps
    need strace has strace
    # scripts/third-party.sh compares.
    need patch has patch
    need diffutils has diff
    # scripts/verifiers.sh makes a virtual environment.
    need python3-venv python3 -c 'import venv, ensurepip'
    # tsget comes with openssl; its Perl binding of curl does not, and changed its name.
    if grep -qs 'use Net::Curl' /usr/lib/ssl/misc/tsget.pl; then
        need libnet-curl-perl has_perl_module Net::Curl::Easy
    else
        need libwww-curl-perl has_perl_module WWW::Curl::Easy
    fi
}

apt_get() {
    local options=(-y -q -o DPkg::Lock::Timeout=120)
    if [ "$(id -u)" -eq 0 ]; then
        DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" "$@"
    fi
}

all_are_known() {
    local package
    for package in "$@"; do
        apt-cache policy "$package" 2>/dev/null | grep -q 'Candidate: [^(]' || return 1
    done
}

install_missing() {
    local packages
    mapfile -t packages < <(printf '%s\n' "${missing_packages[@]}" | sort -u)
    if ! has apt-get >/dev/null; then
        echo "set-up: missing, under Debian's names: ${packages[*]}. There is no apt-get here: install them and run make again." >&2
        exit 1
    fi
    if [ "$(id -u)" -ne 0 ] && ! has sudo >/dev/null; then
        echo "set-up: missing: ${packages[*]}. There is no sudo here: run as root, then make again:" >&2
        echo "    apt-get update && apt-get install -y --no-install-recommends ${packages[*]}" >&2
        exit 1
    fi
    echo "set-up: installing ${packages[*]}"
    if ! all_are_known "${packages[@]}"; then
        apt_get update
    elif apt_get install --no-install-recommends "${packages[@]}"; then
        return 0
    else
        apt_get update # the lists were old
    fi
    if ! apt_get install --no-install-recommends "${packages[@]}"; then
        echo "set-up: apt-get could not install ${packages[*]}: read its message above, put it right, and run make again." >&2
        exit 1
    fi
}

case "${1:-}" in
build) need_for_build ;;
test)
    # openssl first: which Perl module tsget wants is read from its script.
    need openssl has openssl
    if [ "${#missing_packages[@]}" -gt 0 ]; then
        install_missing
        missing_packages=()
    fi
    need_for_build
    need_for_test
    ;;
*)
    echo "usage: scripts/setup.sh build|test" >&2
    exit 2
    ;;
esac

check_rust
if [ "$1" = test ]; then
    check_rust_components
fi
if [ "${#missing_packages[@]}" -eq 0 ]; then
    echo "set-up: nothing is missing"
else
    install_missing
fi
