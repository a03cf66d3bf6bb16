#!/bin/sh
# Before the files go. deb: "remove", or "upgrade" with the new version. rpm: how many versions will be left.
set -e

case "$1" in
remove | 0) ;;
*) exit 0 ;; # an upgrade: the daemon goes on until the new one takes over
esac

if [ -d /run/systemd/system ]; then
	systemctl --no-reload disable --now weft.service || true
elif command -v systemctl >/dev/null; then
	systemctl disable weft.service || true
fi
# Where it has run since the host started, its device, addresses, routes and rules are there: they go with it.
if [ -d /run/weft ]; then
	weft down || echo "weft: 'weft down' failed: what it has not removed is gone after a reboot" >&2
fi
