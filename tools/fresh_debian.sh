#!/usr/bin/env bash
# A command in a fresh Debian, which has the packages that the README names and nothing else: a learner's first hour.
#
#   tools/fresh_debian.sh trixie 'make train ARGS=3 && make test'     Debian 13
#   tools/fresh_debian.sh testing 'make train ARGS=3'                 the next one
#
# It ends with the command's exit status. It needs root, debootstrap and the network. What was committed last is copied
# to /root/rnn_scratch there. The first call fetches a bare Debian, which is kept in /var/tmp/fresh_debian (or in the
# folder that FRESH_DEBIAN names). Each call begins with a copy of it, and leaves that behind for you to look at.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=$1 command=$2
store=${FRESH_DEBIAN:-/var/tmp/fresh_debian}
bare=$store/$suite.bare root=$store/$suite

if ! test -d "$bare"; then
    mkdir -p "$store"
    rm -rf "$bare.part"
    debootstrap --variant=minbase "$suite" "$bare.part" >&2
    # What the network of this machine asks for: certificates, which Debian takes up with its own, and apt's settings.
    cp -r /usr/local/share/ca-certificates "$bare.part/usr/local/share/"
    { apt-config dump | grep -E '^Acquire::(Check-|https?::Proxy)' || true; } > "$bare.part/etc/apt/apt.conf.d/90network"
    mv "$bare.part" "$bare"
fi
rm -rf "$root"
cp -a "$bare" "$root"
cp /etc/resolv.conf "$root/etc/resolv.conf"
mkdir "$root/root/rnn_scratch"
git archive HEAD | tar -x -C "$root/root/rnn_scratch"
# The README says: for Debian and Ubuntu: `apt-get install make …`
packages=$(sed -n 's/.*`apt-get install \(make [^`]*\)`.*/\1/p' README.md)

# Mounts and processes of a namespace of their own go away with it.
export root
unshare --mount --pid --fork --kill-child bash -euc '
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    exec chroot "$root" "$@"
' inside env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
    ${PIP_INDEX_URL:+PIP_INDEX_URL="$PIP_INDEX_URL"} bash -euc "
    { apt-get update && apt-get install --yes $packages; } > /root/apt.log 2>&1 || { cat /root/apt.log; exit 1; }
    cd /root/rnn_scratch
    $command"
