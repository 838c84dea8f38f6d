#!/usr/bin/env bash
# A command in a fresh Debian that has the packages which the README names, and nothing else: a learner's first hour.
#
#   tools/fresh_debian.sh trixie 'make train ARGS=3 && make test'     Debian 13
#   tools/fresh_debian.sh testing 'make train ARGS=3'                 the next one
#   tools/fresh_debian.sh Dockerfile 'make train ARGS=3'              the image of the Dockerfile, where no Docker runs
#
# It runs in the files of the last commit, and ends with the command's exit status. It needs root, the network and
# debootstrap, for the Dockerfile also buildah. A bare Debian is fetched once, and kept in /var/tmp/fresh_debian (or in
# the folder that FRESH_DEBIAN names). Each call begins with a copy of it, and leaves that for you to look at.
set -euo pipefail
cd "$(dirname "$0")/.."
what=$1 command=$2
store=${FRESH_DEBIAN:-/var/tmp/fresh_debian}
suite=$what
test "$what" != Dockerfile || suite=$(sed -n 's/^FROM debian:\([a-z]*\)-slim.*/\1/p' Dockerfile)
bare=$store/$suite.bare

if ! test -d "$bare"; then
    mkdir -p "$store"
    rm -rf "$bare.part"
    debootstrap --variant=minbase "$suite" "$bare.part" >&2
    # What the network of this machine asks for: certificates, which Debian takes up with its own, and apt's settings.
    if test -d /usr/local/share/ca-certificates; then cp -r /usr/local/share/ca-certificates "$bare.part/usr/local/share/"; fi
    { apt-config dump | grep -E '^Acquire::(Check-|https?::Proxy)' || true; } > "$bare.part/etc/apt/apt.conf.d/90network"
    mv "$bare.part" "$bare"
fi

if test "$what" = Dockerfile; then
    rm -rf "$store/checkout"
    mkdir "$store/checkout"
    git archive HEAD | tar -x -C "$store/checkout"
    # It needs neither a daemon nor a registry: the bare Debian takes the place of the image that FROM names.
    ours() { buildah --root "$store/images" --runroot "$store/images/run" --storage-driver vfs "$@"; }
    export BUILDAH_ISOLATION=chroot
    ours rm --all > /dev/null
    ours rmi --all --force > /dev/null
    container=$(ours from scratch)
    ours copy --quiet "$container" "$bare" / >&2
    ours commit --quiet --rm "$container" "localhost/debian:$suite-slim" >&2
    ours build --pull-never --tag rnn_scratch "$store/checkout" >&2
    ours run "$(ours from --pull-never rnn_scratch)" -- bash -euc "$command"
    exit
fi

root=$store/$suite
rm -rf "$root"
cp -a "$bare" "$root"
cp /etc/resolv.conf "$root/etc/resolv.conf"
mkdir "$root/srv/rnn_scratch"
git archive HEAD | tar -x -C "$root/srv/rnn_scratch"
# The README says: for Debian and Ubuntu: `apt-get install make …`
packages=$(sed -n 's/.*`apt-get install \(make [^`]*\)`.*/\1/p' README.md)
# Mounts and processes of a namespace of their own go away with it.
export root
unshare --mount --pid --fork --kill-child bash -euc '
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    exec chroot "$root" "$@"
' inside env -i HOME=/srv LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
    ${PIP_INDEX_URL:+PIP_INDEX_URL="$PIP_INDEX_URL"} bash -euc "
    { apt-get update && apt-get install --yes $packages; } > apt.log 2>&1 || { cat apt.log; exit 1; }
    cd /srv/rnn_scratch
    $command"
