#!/bin/sh
# Installs what the other make targets need, once: the npm packages of package-lock.json, and with `--host` the Debian packages of
# scripts/packages.txt. Says exactly what is missing where it cannot install it. It changes nothing when nothing is missing.
set -eu
cd "${0%/*}/.."

fail() {
  printf 'understudy: %s\n' "$1" >&2
  exit 1
}

[ "$(uname -s)" = Linux ] || fail "this project builds and runs on Linux only, this is $(uname -s)"
command -v node >/dev/null || fail "node is missing: install Node 20 or later (the build brings the Node 24 that it runs on)"
command -v npm >/dev/null || fail "npm is missing: install npm (on Debian: apt-get install npm)"
nodeVersion=$(node --version)
nodeMajor=${nodeVersion#v}
[ "${nodeMajor%%.*}" -ge 20 ] || fail "node is too old: $nodeVersion found at $(command -v node), Node 20 or later is needed"

# The stamp is a copy of the lock file that node_modules was made from; `npm ci` removes it with the rest when it starts.
stamp=node_modules/.understudy-lock
if ! cmp -s package-lock.json "$stamp"; then
  npm ci --ignore-scripts --loglevel=error || fail "npm ci failed, see above"
  [ -x node_modules/.bin/node ] || fail "no Node 24 for this processor ($(uname -m)): x86_64 and aarch64 with glibc are supported"
  cp package-lock.json "$stamp"
fi

[ "${1-}" = --host ] || exit 0

missing() {
  # Administrators' commands are not on every user's PATH.
  PATH=$PATH:/usr/sbin:/sbin
  while read -r command package where; do
    case $command in '' | '#'*) continue ;; esac
    [ "$where" = ci ] && [ -z "${CI-}" ] && continue
    command -v "$command" >/dev/null || printf ' %s' "$package"
  done <scripts/packages.txt
}

packages=$(missing)
[ -n "$packages" ] || exit 0
command -v apt-get >/dev/null || fail "missing packages:$packages (names as in Debian; there is no apt-get here, install them by hand)"
[ "$(id -u)" = 0 ] || fail "missing packages:$packages. Install them with: sudo apt-get install -y --no-install-recommends$packages"
export DEBIAN_FRONTEND=noninteractive
# Only the programs are wanted: a package that brings a service must not start it.
export RUNLEVEL=1
printf 'understudy: installing%s\n' "$packages"
# The lists of a fresh machine are empty or old: try with what there is, then with new ones. The names are words without spaces.
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $packages >/dev/null 2>&1 ||
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends $packages >/dev/null; } ||
  fail "could not install:$packages. Try: apt-get update && apt-get install -y --no-install-recommends$packages"
packages=$(missing)
[ -z "$packages" ] || fail "still missing after apt-get install:$packages"
