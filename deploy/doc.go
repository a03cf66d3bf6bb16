// Package deploy is how weft gets onto a host: the systemd service (systemd), the files that keep other network managers off
// weft's devices (networkmanager, networkd), and the packages (package). It has no code but its tests, which boot a real
// systemd on virtual hosts.
package deploy
