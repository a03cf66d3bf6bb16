// Package deploy is how weft gets onto a host: the systemd service (systemd), the files that keep other network managers off
// weft's devices (networkmanager, networkd), the packages (package), the image of containers (image) and the manifest that runs it on
// Kubernetes (k3s). It has no code but that which packs the image, and its tests, which boot a real systemd and a real containerd on
// virtual hosts.
package deploy
