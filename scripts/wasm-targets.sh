#!/usr/bin/env bash
# Makes `cargo build --target wasm32-wasip2` work: the target is there already, or rustup adds it, or Rust's
# standard library is built for it from source, on machines that rustup's server cannot be reached from.
#
#   scripts/wasm-targets.sh [TARGET...]        default: wasm32-wasip2; wasm32-unknown-unknown works, too
#
# Says nothing when there is nothing to do: every build asks it first, and it answers in 0.1 s.
#
# Building from source needs the library's source of exactly this compiler's version, and wasi-libc. Both come out of
# Debian packages, unpacked in a temporary directory: nothing is installed on the machine, no root is needed, and
# apt's own lists stay as they are. The crates that the library depends on come from cargo's registry.
#
# SLUICE_RUST_SRC_SUITES   the Debian suites to look in, in this order
set -euo pipefail
cd "$(dirname "$0")/.."

rustup_seconds=60
suites=${SLUICE_RUST_SRC_SUITES:-trixie-backports testing unstable}
debian_keys=/usr/share/keyrings/debian-archive-keyring.gpg

main() {
  local targets=("$@") missing=() target
  [ ${#targets[@]} -gt 0 ] || targets=(wasm32-wasip2)

  have cargo && have rustc || fail "Rust is not installed, or its bin directory (~/.cargo/bin) is not in PATH." \
    "Install it as https://rustup.rs says, open a new shell, and run this again."
  scratch=$(mktemp -d)
  trap clean_up EXIT
  sysroot=$(rustc --print sysroot)
  rustlib=$sysroot/lib/rustlib

  for target in "${targets[@]}"; do usable "$target" || missing+=("$target"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  lock
  for target in "${missing[@]}"; do add "$target"; done
  say "ready: ${missing[*]}"
}

# Whether this very compiler can use the target's standard library. Looking for files is not enough: after
# `rustup update` a library that was built from source is still there, but belongs to another compiler.
usable() {
  printf 'pub fn probe() {}' |
    rustc --target "$1" --crate-type lib --emit metadata -o "$scratch/probe.rmeta" - >/dev/null 2>&1
}

add() {
  # Whoever held the lock before may have added it.
  usable "$1" && return
  # What an earlier run built for another compiler, or what rustup has since mixed with its own, is in the way.
  if [ -e "$rustlib/$1/$mark" ]; then
    ! have rustup || rustup target remove "$1" >/dev/null 2>&1 || true
    rm -rf "${rustlib:?}/$1"
  fi
  add_with_rustup "$1" || add_from_source "$1"
  usable "$1" || fail "$1 was added to $sysroot, and yet rustc cannot use it; this is what it says:" \
    "$(rustc --target "$1" --crate-type lib --emit metadata -o "$scratch/probe.rmeta" - </dev/null 2>&1)"
}

# Two runs must not write into one sysroot: several checkouts share it.
lock() {
  mkdir -p "$rustlib" 2>/dev/null && [ -w "$rustlib" ] || fail "The target ${missing[*]} is missing, and $rustlib cannot be written to." \
    "Add it as the owner of that directory, or install your own Rust as https://rustup.rs says."
  # Without flock (macOS) two first runs at the same time are not kept apart.
  have flock || return 0
  exec 9>"$rustlib/.sluice-wasm-targets.lock"
  flock --nonblock 9 || { say "waiting for another run that adds targets to $sysroot"; flock 9; }
}

add_with_rustup() {
  have rustup || return 1
  say "rustup target add $1 (seconds; given up after $rustup_seconds s)"
  if bounded "$rustup_seconds" rustup target add "$1" >"$scratch/rustup.log" 2>&1 && usable "$1"; then return; fi
  say "rustup could not add $1: $(grep -m 1 '^error' "$scratch/rustup.log" || echo "no answer within $rustup_seconds s")"
  return 1
}

# A server that accepts the connection and then says nothing would hold rustup for ever.
bounded() {
  local seconds=$1
  shift
  if have timeout; then timeout --kill-after=5 "$seconds" "$@"; else perl -e 'alarm shift; exec @ARGV' "$seconds" "$@"; fi
}

# ── from source ──────────────────────────────────────────────────────────────────────────────────────────────────────

# Written into a target's directory: it tells what was built here from what rustup put there and will maintain.
mark=built-from-source

add_from_source() {
  local target=$1 version staged=$rustlib/.$1.staged rlib started=$SECONDS
  version=$(rustc -vV | sed -n 's/^release: //p')
  say "building Rust $version's standard library for $target from source: 1 to 3 minutes, once per compiler"
  provide_library_source "$version"
  build_std "$target"

  # Moved into its place whole: a run that is killed half-way leaves nothing that looks finished.
  rm -rf "$staged"
  mkdir -p "$staged/lib/self-contained"
  for rlib in "$scratch/target/$target/release/deps"/*.rlib; do
    case ${rlib##*/} in libsluice_std-*) ;; *) cp "$rlib" "$staged/lib/" ;; esac
  done
  case $target in *-wasi*)
    provide_wasi_libc "$target"
    cp "$wasi_libc"/{libc.a,crt1-command.o,crt1-reactor.o} "$staged/lib/self-contained/"
    trap_failed_assertions "$target" "$staged/lib" ;;
  esac
  rustc -vV >"$staged/$mark"
  rm -rf "${rustlib:?}/$target"
  mv "$staged" "$rustlib/$target"
  say "built $target in $((SECONDS - started)) s"
}

build_std() {
  local target=$1 quiet=() library commit
  [ -t 2 ] || quiet=(--quiet)
  mkdir -p "$scratch/std/src"
  : >"$scratch/std/src/lib.rs"
  # As in the official builds: one code-generation unit, line tables.
  cat >"$scratch/std/Cargo.toml" <<'TOML'
[package]
name = "sluice_std"
version = "0.0.0"
edition = "2024"
[profile.release]
codegen-units = 1
debug = 1
[workspace]
TOML
  # The same paths as in the official library: panic messages of filters must not tell where this machine keeps its
  # files, and a filter's hash must not depend on it.
  library=$(readlink -f "$rustlib/src/rust/library")
  commit=$(rustc -vV | sed -n 's/^commit-hash: //p')
  # embed-bitcode: filters are linked with LTO. RUSTC_BOOTSTRAP: build-std is unstable, and stable is what people have.
  # A wrapper (sccache) may leave a server behind, which would hold the lock: it gets neither the build nor the lock.
  say "cargo build -Zbuild-std --target $target"
  env -u RUSTC_WRAPPER -u CARGO_BUILD_RUSTC_WRAPPER -u CARGO_ENCODED_RUSTFLAGS -u CARGO_BUILD_TARGET RUSTC_BOOTSTRAP=1 \
    CARGO_TARGET_DIR="$scratch/target" \
    RUSTFLAGS="-Cembed-bitcode=yes --remap-path-prefix=$library=/rustc/$commit/library --remap-path-prefix=$rustlib/src/rust/library=/rustc/$commit/library --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=/rust/deps" \
    cargo build "${quiet[@]}" --release -Zbuild-std=std,panic_abort --target "$target" \
    --manifest-path "$scratch/std/Cargo.toml" 9>&- ||
    fail "The standard library did not build for $target; cargo's own message is above." \
      "When it speaks of a registry: crates.io, or the mirror in ~/.cargo/config.toml, must be reachable."
}

# `-Zbuild-std` looks for the library inside the sysroot. Only a link is put there, and taken away at the end.
provide_library_source() {
  local link=$rustlib/src/rust/library
  [ ! -e "$link/std" ] || return 0
  fetch_package rust-src "$1"
  mkdir -p "${link%/*}"
  ln -sfn "$scratch/unpacked/usr/src/rustc-$1/library" "$link"
  placed_link=$link
}

provide_wasi_libc() {
  wasi_libc=/usr/lib/$1
  [ ! -e "$wasi_libc/libc.a" ] || return 0
  wasi_libc=$scratch/unpacked/usr/lib/$1
  [ -e "$wasi_libc/libc.a" ] || fetch_package wasi-libc ""
}

# Debian builds wasi-libc with assertions. Their message takes printf along, and that all of WASI's file system: 24 KB
# in each filter, and imports that the same filter has not when it is built with rustup's libc. Here they just trap.
trap_failed_assertions() {
  cat >"$scratch/assert_fail.rs" <<'RUST'
#![no_std]
#[unsafe(no_mangle)]
extern "C" fn __assert_fail(_: *const u8, _: *const u8, _: i32, _: *const u8) -> ! {
    core::arch::wasm32::unreachable()
}
RUST
  rustc --target "$1" -L "$2" --edition 2024 --crate-type lib --emit obj -O -C panic=abort \
    -o "$scratch/assert_fail.o" "$scratch/assert_fail.rs"
  ar d "$2/self-contained/libc.a" assert.c.obj
  ar q "$2/self-contained/libc.a" "$scratch/assert_fail.o"
}

# Finds a package whose version begins with $2 in Debian's suites and unpacks it into $scratch/unpacked.
fetch_package() {
  local name=$1 version=$2 suite found seen=
  have apt-get && have dpkg-deb && have ar && [ -e "$debian_keys" ] || no_packages
  for suite in $suites; do
    private_apt "$suite"
    apt-get update -qq >"$scratch/apt.log" 2>&1 || { say "Debian $suite: $(tail -n 1 "$scratch/apt.log")"; continue; }
    found=$(apt-cache madison "$name" | awk '{ print $3 }')
    seen="$seen $found"
    found=$(awk -v want="$version" 'want == "" || index($0, want "+") == 1 || index($0, want "-") == 1 { print; exit }' <<<"$found")
    [ -n "$found" ] || continue
    say "downloading $name $found from Debian $suite"
    (cd "$scratch/packages" && apt-get download -qq "$name=$found" >"$scratch/apt.log" 2>&1) || fail "apt-get download $name=$found failed: $(tail -n 1 "$scratch/apt.log")"
    dpkg-deb -x "$scratch/packages/$name"_*.deb "$scratch/unpacked"
    return
  done
  fail "No Debian suite of ($suites) has $name${version:+ $version}; seen:${seen:- nothing, as no suite could be read}." \
    "Use a compiler of one of these versions, name other suites in SLUICE_RUST_SRC_SUITES, or let rustup reach its server: \`rustup target add\` is all that is needed."
}

# An apt of our own: reading another suite must not change what the machine's own apt installs or upgrades to.
private_apt() {
  local apt=$scratch/apt-$1 mirror
  mirror=$(grep -rhoE 'https?://[^ ]*/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -n 1 | tr -d ' ' || true)
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/parts" "$scratch/packages"
  echo "deb [signed-by=$debian_keys] ${mirror:-http://deb.debian.org/debian} $1 main" >"$apt/sources.list"
  cat >"$apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/parts";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt/cache";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
APT::Sandbox::User "$(id -un)";
CONF
  export APT_CONFIG=$apt/apt.conf
}

no_packages() {
  fail "rustup cannot reach its server, and this machine has no Debian packages to build the library from." \
    "Either let rustup through (HTTPS_PROXY, or a mirror in RUSTUP_DIST_SERVER) and run: rustup target add ${missing[*]}" \
    "or provide what the build needs: the library's source in $rustlib/src/rust/library (rustup component add rust-src), and wasi-libc in /usr/lib/wasm32-wasip2" \
    "or copy $rustlib/<target> from a machine with the same rustc."
}

clean_up() {
  [ -z "${placed_link:-}" ] || rm -f "$placed_link"
  rm -rf "$scratch"
}

have() { command -v "$1" >/dev/null 2>&1; }

say() { echo "wasm targets: $*"; }

fail() {
  printf 'wasm targets: %s\n' "$@" >&2
  exit 1
}

main "$@"
