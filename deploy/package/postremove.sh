#!/bin/sh
# After the files are gone. deb: "remove", "purge" or "upgrade". rpm: how many versions are left.
set -e

case "$1" in
remove | 0) rm -rf /run/weft ;;
purge) rm -rf /run/weft /var/lib/weft /etc/weft ;; # keys, too: the node is then another one
*) exit 0 ;;
esac
[ ! -d /run/systemd/system ] || systemctl daemon-reload || true
