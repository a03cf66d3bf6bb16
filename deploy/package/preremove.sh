#!/bin/sh
# Before the files go. deb: "remove", or "upgrade" with the new version. rpm: how many versions will be left.
set -e

case "$1" in
remove | 0) ;;
*) exit 0 ;; # an upgrade: the daemon goes on until the new one takes over
esac

if [ -d /run/systemd/system ]; then
	systemctl --no-reload disable --now weft-cni.service weft.service || true
elif command -v systemctl >/dev/null; then
	systemctl disable weft-cni.service weft.service || true
fi
# What the container runtime was given, and what was there before. The record of it is in the state directory, which the configuration names.
if said=$(weft cni uninstall); then
	[ "$said" = 'nothing is installed' ] || echo "$said"
else
	echo "weft: 'weft cni uninstall' failed, for the reason above: the CNI plugin stays where the container runtime has it, if it was installed" >&2
fi
# Where it has run since the host started, its device, addresses, routes and rules are there: they go with it.
if [ -d /run/weft ]; then
	weft down || echo "weft: 'weft down' failed: what it has not removed is gone after a reboot" >&2
fi
