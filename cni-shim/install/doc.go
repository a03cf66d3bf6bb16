// Package install puts the CNI plugin where the container runtime looks for it, keeps it there, and takes it away again.
//
// Words. The plugins are weft-cni and the three that its list names or every runtime needs: portmap, bandwidth, loopback, all from one
// source directory. The list is the network configuration list, 10-weft.conflist. What was there before under one of these names, and is
// not what weft put there, is foreign; it is kept aside in the same directory, under its name and ".before-weft". The record is a file in
// the state directory that says what weft put where. A rival is a network configuration of somebody else that the runtime takes instead.
//
// Ownership. Installer and Uninstall lock the record's directory, so any number of processes may work at once. The source directory is
// only read.
//
// Always. Whoever reads a plugin or the list sees it whole, the old one or the new one. The list is placed last and removed first. What
// fails half-way is undone; what a killed process leaves, the next Install or Uninstall puts right. Nothing is removed or replaced for good
// that weft did not put there. The directory of the list stays.
package install
