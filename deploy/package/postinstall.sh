#!/bin/sh
# After the files are in place. deb: "configure", and the version before if there was one. rpm: how many versions are installed.
set -e

upgrade=
case "$1" in
configure) [ -z "$2" ] || upgrade=yes ;;
abort-*) exit 0 ;;
[2-9]*) upgrade=yes ;;
esac

# Enabled, so that it starts with the host once there is a configuration; not started, for there is none yet.
if [ -z "$upgrade" ] && command -v systemctl >/dev/null; then
	systemctl enable weft.service || echo "weft: enable the service with 'systemctl enable weft'" >&2
fi

# The rest is for a host that runs systemd, not for an image that is being made.
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload || true
# A restart keeps device, addresses and routes: traffic pauses for some milliseconds. One that fails is no reason to call the
# package broken: the log of the service tells.
[ -z "$upgrade" ] || systemctl try-restart weft.service weft-cni.service || true
