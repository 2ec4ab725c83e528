#!/usr/bin/env bash
# Holds third-party/CRATE to the registry's crate with third-party/CRATE.patch applied:
#   scripts/third-party.sh check            says what differs, and fails
#   scripts/third-party.sh write            writes third-party/CRATE anew, of the version that Cargo.toml names
#   scripts/third-party.sh patch            writes third-party/CRATE.patch anew, from a third-party/CRATE that was edited
#
# For a new version: change it in Cargo.toml (workspace dependencies), `write`, mend the patch where it does not apply.
set -euo pipefail
cd "$(dirname "$0")/.."

command=${1:?usage: scripts/third-party.sh check|write|patch}
crate=kryoptic-lib
# What the build does not need: the crate's own tests (4 MB with their vectors), documents and packaging.
left_out=(.cargo-ok .cargo_vcs_info.json .gitattributes .gitignore .gitmodules CHANGELOG.md Cargo.lock Cargo.toml.orig
    Makefile doc misc packaging testdata src/tests)

version=$(sed -n "s/^$crate = .*version = \"=\([^\"]*\)\".*/\1/p" Cargo.toml)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A package of its own, outside of this workspace: here the name stands for the folder and not for the registry's crate.
mkdir -p "$work/fetch/src"
touch "$work/fetch/src/lib.rs"
printf '[package]\nname = "fetch"\nedition = "2024"\n\n[dependencies]\n%s = "=%s"\n\n[workspace]\n' "$crate" "$version" >"$work/fetch/Cargo.toml"
# The versions that are here already, so that little is fetched.
cp Cargo.lock "$work/fetch/Cargo.lock"
manifest=$(cd "$work/fetch" && cargo metadata --format-version 1 2>"$work/fetch.log" |
    python3 -c 'import json, sys
print(next(p["manifest_path"] for p in json.load(sys.stdin)["packages"] if p["name"] == sys.argv[1]))' "$crate") || {
    cat "$work/fetch.log" >&2
    echo "third-party: cannot fetch $crate $version" >&2
    exit 1
}

mkdir "$work/a"
cp -r "$(dirname "$manifest")/." "$work/a"
chmod -R u+w "$work/a"
(cd "$work/a" && rm -rf "${left_out[@]}")

case $command in
patch)
    cp -r "third-party/$crate" "$work/b"
    (cd "$work" && diff -ruN a b || [ $? -eq 1 ]) | sed -E 's/^(---|\+\+\+) ([^\t]*)\t.*/\1 \2/; /^diff -ruN/d' >"third-party/$crate.patch"
    echo "third-party: wrote third-party/$crate.patch" >&2
    ;;
check | write)
    patch --quiet --directory "$work/a" --strip 1 --no-backup-if-mismatch <"third-party/$crate.patch"
    if [ "$command" = write ]; then
        rm -rf "third-party/$crate"
        cp -r "$work/a" "third-party/$crate"
        echo "third-party: wrote third-party/$crate, $version" >&2
    elif ! diff -r "$work/a" "third-party/$crate"; then
        echo "third-party: third-party/$crate is not $crate $version with third-party/$crate.patch: scripts/third-party.sh write" >&2
        exit 1
    fi
    ;;
*)
    echo "usage: scripts/third-party.sh check|write|patch" >&2
    exit 2
    ;;
esac
